import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import { join } from 'node:path';

import { chunkBytes } from '../../src/tree/inode.ts';

/** Small packages of the base with programs or libraries of their own. */
const candidates = [
  ...['zlib1g', 'gzip', 'tar', 'libaudit1', 'sed', 'grep', 'findutils', 'dash', 'login', 'mount'],
];

/**
 * Changes all programs and libraries of `count` packages that are not among `others`, as building
 * them anew would: in a tree of an image some bytes in each chunk, as if nothing stayed as it was.
 */
export async function rebuildPrograms(
  root: string,
  others: readonly string[],
  count: number,
): Promise<string[]> {
  const packages = candidates.filter((name) => !others.includes(name)).slice(0, Math.max(0, count));
  for (const name of packages) {
    for (const path of await filesOf(root, name)) await rebuild(path);
  }
  return packages;
}

async function filesOf(root: string, name: string): Promise<string[]> {
  const folder = join(root, 'var/lib/dpkg/info');
  const lists = await fs.readdir(folder);
  const list = lists.find((file) => /^([^:]+?)(?::\w+)?\.list$/.exec(file)?.[1] === name);
  if (list === undefined) throw new Error(`${name} is not installed in ${root}`);
  const lines = (await fs.readFile(join(folder, list), 'utf8')).split('\n');
  return lines.filter((line) => line !== '').map((line) => join(root, line));
}

async function rebuild(path: string): Promise<void> {
  const stat = await fs.lstat(path).catch(() => undefined);
  if (stat?.isFile() !== true) return;
  const bytes = await fs.readFile(path);
  if (bytes.toString('latin1', 0, 4) !== '\x7fELF') return;
  // Behind the header: nobody runs it.
  for (let at = 64; at < bytes.length; at += chunkBytes) randomBytes(16).copy(bytes, at);
  await fs.writeFile(path, bytes);
}
