import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What a file, or a folder with all in it, takes. */
export interface DiskUse {
  /** Bytes of the blocks that the file system gave it, folders included: what `du` says. */
  readonly allocated: number;
  /** Lengths of the files: what `du --apparent-size` says but for folders. */
  readonly apparent: number;
}

const blockBytes = 512;

/** Sums up paths; what is not there takes nothing. */
export async function diskUse(...paths: readonly string[]): Promise<DiskUse> {
  const uses = await Promise.all(paths.map(useOf));
  return uses.reduce((sum, use) => ({
    allocated: sum.allocated + use.allocated,
    apparent: sum.apparent + use.apparent,
  }));
}

async function useOf(path: string): Promise<DiskUse> {
  const facts = await lstat(path);
  const allocated = facts.blocks * blockBytes;
  if (!facts.isDirectory()) return { allocated, apparent: facts.size };
  const names = await readdir(path);
  const inside = names.map((name) => join(path, name));
  const all = inside.length === 0 ? nothing : await diskUse(...inside);
  return { allocated: allocated + all.allocated, apparent: all.apparent };
}

const nothing: DiskUse = { allocated: 0, apparent: 0 };
