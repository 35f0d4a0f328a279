import { access, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Programs by which a node changes its machine. */
const programs = [
  ...[
    'runc',
    'conmon',
    'ip',
    'nft',
    'btrfs',
    'losetup',
    'mount',
    'umount',
    'mkfs.btrfs',
    'openssl',
  ],
  ...['nsenter', 'unshare', 'tar', 'ss', 'conntrack', 'sh', 'node'],
];

/**
 * A path of programs in front of those of the system that note with what arguments and variables each
 * is started, however short it lives, and then are that program.
 */
export class WatchedPath implements Disposable {
  /** Stand-ins of those that are not looked for by the path. */
  readonly programs: { readonly runc: string; readonly conmon: string };
  readonly #file: string;
  readonly #former: string;

  private constructor(file: string, bin: string, former: string) {
    this.programs = { runc: join(bin, 'runc'), conmon: join(bin, 'conmon') };
    this.#file = file;
    this.#former = former;
  }

  /** From now on for all that this process starts. */
  static async open(folder: string): Promise<WatchedPath> {
    const former = process.env['PATH'] ?? '';
    const bin = join(folder, 'watched');
    const file = join(folder, 'started');
    await mkdir(bin);
    await writeFile(file, '');
    for (const program of programs) {
      const real = await find(program, former);
      if (real === undefined) continue;
      const path = join(bin, program);
      const note = `{ printf '%s ' ${program} "$@"; /usr/bin/env; echo; } >> ${file}`;
      await writeFile(path, `#!/bin/sh\n${note}\nexec ${real} "$@"\n`);
      await chmod(path, 0o755);
    }
    process.env['PATH'] = `${bin}${delimiter}${former}`;
    return new WatchedPath(file, bin, former);
  }

  /** What was started since, a program with its arguments and variables after the other. */
  started(): Promise<string> {
    return readFile(this.#file, 'utf8');
  }

  [Symbol.dispose](): void {
    process.env['PATH'] = this.#former;
  }
}

async function find(program: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    const found = join(folder, program);
    const isThere = await access(found).then(
      () => true,
      () => false,
    );
    if (isThere) return found;
  }
  return undefined;
}
