import { execFileSync } from 'node:child_process';
import { chmod, cp, link, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { MountMode } from '../src/mount/mount-journal.ts';
import type { MadeFlist, ServiceHarness } from './mount-harness.ts';

export const modes: readonly MountMode[] = ['overlay', 'tree'];

/** A root with a shell, and one of everything. */
export async function makeRoot(
  harness: ServiceHarness,
): Promise<{ root: string; flist: MadeFlist }> {
  const root = join(harness.folder, 'root');
  for (const name of ['bin', 'etc/deep/er', 'tmp'])
    await mkdir(join(root, name), { recursive: true });
  await cp('/bin/busybox', join(root, 'bin', 'busybox'));
  await symlink('busybox', join(root, 'bin', 'sh'));
  await writeFile(join(root, 'etc', 'motd'), 'what it says\n');
  await link(join(root, 'etc', 'motd'), join(root, 'etc', 'deep', 'twin'));
  await writeFile(join(root, 'etc', 'empty'), '');
  // More than is made whole unasked.
  await writeFile(join(root, 'large'), Buffer.alloc(5 * 1024 * 1024 + 3, 'a large file '));
  await writeFile(join(root, 'etc', 'late'), 'read by nobody before');
  await writeFile(
    Buffer.concat([Buffer.from(join(root, 'etc/')), Buffer.from([0xff, 0x0a])]),
    'odd',
  );
  await chmod(join(root, 'tmp'), 0o1777);
  execFileSync('mknod', [join(root, 'etc', 'null'), 'c', '1', '3']);
  execFileSync('mkfifo', [join(root, 'etc', 'pipe')]);
  execFileSync('chown', ['-h', '7:65535', join(root, 'etc', 'deep'), join(root, 'bin', 'sh')]);
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'hello', join(root, 'etc', 'deep')]);
  execFileSync('setfacl', ['-m', 'u:5:r', join(root, 'etc', 'motd')]);
  execFileSync('setcap', ['cap_net_raw+ep', join(root, 'bin', 'busybox')]);
  await utimes(join(root, 'etc'), 1, 1.5);
  return { root, flist: await harness.make(root) };
}
