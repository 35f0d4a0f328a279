import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Changes a Debian: some of everything that a file system can have and that buildah keeps, and
 * removals, which become whiteouts.
 */
export async function fillOddTree(root: string): Promise<void> {
  const at = (path: string): string => join(root, path);
  await fs.mkdir(at('odd/deep/er'), { recursive: true });
  await fs.copyFile(at('bin/true'), at('odd/ping'));
  await run('setcap', 'cap_net_raw+ep', at('odd/ping'));
  for (const name of ['one', 'two']) await fs.link(at('odd/ping'), at(`odd/${name}`));
  await fs.link(at('bin/cat'), at('odd/deep/cat'));
  await fs.writeFile(at('odd/set'), 'setuid and setgid');
  await fs.chown(at('odd/set'), 1000, 65_535);
  await fs.chmod(at('odd/set'), 0o6751);
  await fs.writeFile(at('odd/a name with spaces '), 'spaces');
  await fs.writeFile(at('odd/line\nbreak\t\\'), 'line');
  await fs.writeFile(at(`odd/${'n'.repeat(255)}`), 'long');
  for (const byte of [0x80, 0xff]) {
    await fs.writeFile(
      Buffer.concat([Buffer.from(at('odd/')), Buffer.from([byte, 0x28])]),
      'bytes',
    );
  }
  await run('mknod', at('odd/null'), 'c', '1', '3');
  await run('mknod', at('odd/disk'), 'b', '259', '300');
  await run('mkfifo', '--mode=0620', at('odd/fifo'));
  await fs.writeFile(at('odd/noted'), 'noted');
  await run('setfattr', '-n', 'user.note', '-v', 'of a file', at('odd/noted'));
  await run('setfattr', '-n', 'user.note', '-v', 'of a folder', at('odd/deep'));
  await fs.symlink('/absolute/and/nowhere', at('odd/link'));
  const sparse = await fs.open(at('odd/sparse'), 'w');
  await sparse.write('behind a hole', 1_500_000);
  await sparse.truncate(2_000_000);
  await sparse.close();
  await fs.rm(at('etc/motd'), { force: true });
  await fs.rm(at('usr/share/zoneinfo'), { recursive: true });
  await fs.rm(at('etc/profile.d'), { recursive: true });
  await fs.writeFile(at('etc/profile.d'), 'a file now');
}

/** What buildah does not write: an opaque folder, times with fractions, an entry through a link. */
export async function addOddLayer(folder: string, image: string): Promise<void> {
  const tree = join(folder, 'odd-layer');
  const at = (path: string): string => join(tree, path);
  await fs.mkdir(at('etc/apt'), { recursive: true });
  await fs.mkdir(at('lib'));
  await fs.writeFile(at('etc/apt/.wh..wh..opq'), '');
  await fs.writeFile(at('etc/apt/fresh'), 'fresh');
  await fs.writeFile(at('lib/through'), 'through a link');
  await fs.writeFile(at('late'), 'late');
  await run('touch', '--date', '2001-02-03 04:05:06.123456789Z', at('late'));
  await run('touch', '--date', '2038-01-19 03:14:09.5Z', at('etc/apt/fresh'));
  const tar = join(folder, 'odd-layer.tar');
  // The marker comes behind what it must spare.
  const files = ['late', 'etc/apt', 'etc/apt/fresh', 'etc/apt/.wh..wh..opq', 'lib/through'];
  const flags = ['--no-recursion', '--sort=none', '--numeric-owner', '--format=pax'];
  await run('tar', ...flags, '-cf', tar, '-C', tree, ...files);
  await run('umoci', 'raw', 'add-layer', '--image', image, tar);
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  await execute(program, args);
}

const execute = promisify(execFile);
