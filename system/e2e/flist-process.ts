import assert from 'node:assert/strict';
import { chmod, link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { root, run } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

/** `grid flist` on a repository in a folder of its own. */
export class Flists {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  run(...words: string[]): Promise<Ended> {
    const [verb = '', ...rest] = words;
    const repository = ['--repo', join(this.folder, 'repository')];
    const env = { GRID_HOME: join(this.folder, 'home') };
    return run(join(root, 'grid'), ['flist', verb, ...repository, ...rest], { env });
  }

  async json<T>(...words: string[]): Promise<T> {
    const [verb = '', ...rest] = words;
    const { stdout, stderr, status } = await this.run(verb, '--json', ...rest);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as T;
  }
}

export interface Made {
  readonly digest: string;
}

/** A small image: a script under three names, and a file of two chunks. */
export async function makeTree(folder: string): Promise<void> {
  await mkdir(join(folder, 'bin'), { recursive: true });
  await writeFile(join(folder, 'bin/run'), '#!/bin/sh\necho hello\n');
  await chmod(join(folder, 'bin/run'), 0o755);
  await link(join(folder, 'bin/run'), join(folder, 'bin/again'));
  await symlink('bin/run', join(folder, 'start'));
  await writeFile(join(folder, 'large'), Buffer.alloc(700_000, 'abc'));
}
