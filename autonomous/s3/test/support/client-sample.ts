import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, readdir, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

import { seededRandom } from '@commongrid/base';

const isLong = process.env['GRID_TEST_LONG'] === '1';
/** Of the machine's own files. */
const filesMax = isLong ? 3_000 : 80;
const treeBytesMax = isLong ? 150e6 : 4e6;
/** Several parts of every client. */
const largeBytes = (isLong ? 64 : 26) * 2 ** 20;

/** What clients send and bring back: a large file, and a folder of small ones. */
export interface ClientSample {
  readonly large: string;
  readonly tree: string;
  /** SHA-256 by the path below the folder. */
  readonly treeHashes: Readonly<Record<string, string>>;
  readonly largeHash: string;
}

export async function makeSample(folder: string): Promise<ClientSample> {
  const large = join(folder, 'large');
  const tree = join(folder, 'tree');
  await writeRandomFile(large, largeBytes);
  await copySome('/usr/share', tree, { filesMax, bytesMax: treeBytesMax });
  return { large, tree, treeHashes: await hashesOf(tree), largeHash: await hashOf(large) };
}

/** A file that does not shrink. */
export async function writeRandomFile(path: string, sizeBytes: number): Promise<void> {
  const block = Buffer.from(seededRandom(path).bytes(2 ** 20));
  await using file = await open(path, 'w');
  for (let at = 0; at < sizeBytes; at += block.length) {
    block.writeUInt32LE(at >>> 10);
    await file.write(block.subarray(0, sizeBytes - at));
  }
}

export async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(path)) hash.update(bytes);
  return hash.digest('hex');
}

/** SHA-256 of all files below a folder, by path. */
export async function hashesOf(folder: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const path of await filesIn(folder)) hashes[relative(folder, path)] = await hashOf(path);
  return hashes;
}

/** Files below a folder, without links: each client treats them in its own way. */
async function filesIn(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await filesIn(path)));
    else if (entry.isFile()) files.push(path);
  }
  return files.toSorted();
}

/** Copies all files of a folder, and no links. */
export function copyTree(from: string, to: string): Promise<void> {
  return copySome(from, to, { filesMax: Infinity, bytesMax: Infinity });
}

/** Copies files from all over a folder, with the names that they have. */
async function copySome(
  from: string,
  to: string,
  { filesMax: count, bytesMax }: { readonly filesMax: number; readonly bytesMax: number },
): Promise<void> {
  const all = await filesIn(from);
  const step = Math.max(1, Math.floor(all.length / count));
  let leftBytes = bytesMax;
  for (let at = 0, copied = 0; at < all.length && copied < count; at += step) {
    const path = all[at] ?? '';
    const { size } = await stat(path);
    if (size > leftBytes / 4) continue;
    leftBytes -= size;
    copied++;
    const target = join(to, relative(from, path));
    await mkdir(dirname(target), { recursive: true });
    await copyFile(path, target);
  }
}
