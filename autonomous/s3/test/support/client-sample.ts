import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { copyFile, mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

import { seededRandom } from '@commongrid/base';

const isLong = process.env['GRID_TEST_LONG'] === '1';
/** Of the machine's own files. */
const sampleFilesMax = isLong ? 3_000 : 1_000;
const treeBytesMax = 150e6;
/** Most of the machine's files have less than 4 KiB: these have some MB each. */
const largestFiles = 20;
/** Several parts of every client. */
const largeBytes = 64 * 2 ** 20;

/** What clients send and bring back: a large file, and a folder of small ones. */
export interface ClientSample {
  readonly large: string;
  readonly tree: string;
  /** SHA-256 by the path below the folder. */
  readonly treeHashes: Readonly<Record<string, string>>;
  readonly largeHash: string;
}

/** @param filesMax less for a client that takes long over each file */
export async function makeSample(
  folder: string,
  filesMax: number = sampleFilesMax,
): Promise<ClientSample> {
  const large = join(folder, 'large');
  const tree = join(folder, 'tree');
  await mkdir(folder);
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

/** That a folder has the same files as a sample, and nothing else. */
export async function assertSample(folder: string, sample: ClientSample): Promise<void> {
  assert.equal(await hashOf(join(folder, 'large')), sample.largeHash);
  assert.deepEqual(await hashesOf(join(folder, 'tree')), sample.treeHashes);
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

/** Copies the largest files of a folder and some of all other sizes, with their names. */
async function copySome(
  from: string,
  to: string,
  { filesMax: count, bytesMax }: { readonly filesMax: number; readonly bytesMax: number },
): Promise<void> {
  const all = (await filesIn(from))
    .map((path) => ({ path, sizeBytes: statSync(path).size }))
    .toSorted((a, b) => b.sizeBytes - a.sizeBytes);
  const step = Math.max(1, Math.floor(all.length / count));
  let leftBytes = bytesMax;
  let leftFiles = count;
  for (const [at, { path, sizeBytes }] of all.entries()) {
    if (at >= largestFiles && at % step !== 0) continue;
    if (leftFiles === 0 || sizeBytes > leftBytes / 4) continue;
    leftBytes -= sizeBytes;
    leftFiles--;
    const target = join(to, relative(from, path));
    await mkdir(dirname(target), { recursive: true });
    await copyFile(path, target);
  }
}
