import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, opendir, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { errorCode } from '@commongrid/base';
import type { Random } from '@commongrid/base';

const kib = 2 ** 10;
const mib = 2 ** 20;

/** Sizes of what is loaded, bytes. */
export const fileBytes = { min: kib, max: 64 * mib } as const;

/** Files of this machine that are looked at, at most: a tree may have millions. */
const foundMax = 50_000;
/** Of all bytes, so much is files of this machine; the rest is big files, as much as none of them compresses. */
const realPart = 0.5;
/** Sizes that big files have. */
const bigKinds = 4;
/** For each real file so much is loaded on average: many are tiny. */
const bytesPerFile = 512 * kib;

/** A file of this machine. */
export interface FoundFile {
  readonly path: string;
  readonly bytes: number;
}

/** What is in the store, or is to be. */
export interface KnownObject {
  readonly key: string;
  readonly bytes: number;
  /** Of its content, hex. */
  readonly sha256: string;
}

export interface DataChoices {
  /** Of all files together. */
  readonly bytes: number;
  /** Of the machine: real files are from there. */
  readonly tree: string;
  /** Which files, and what is in those that are made. */
  readonly random: Random;
  readonly signal: AbortSignal;
}

/**
 * A folder of real files and big ones, of just so many bytes in all: what is of this machine is linked, and nothing of it
 * is copied.
 * @returns what is in there, by path from the folder
 */
export async function prepareData(
  folder: string,
  { bytes, tree, random, signal }: DataChoices,
): Promise<readonly KnownObject[]> {
  const most = { bytes: Math.floor(bytes * realPart), count: Math.ceil(bytes / bytesPerFile) };
  const real = chooseFiles(await findFiles(tree, signal), most, random);
  const rest = bytes - real.reduce((sum, one) => sum + one.bytes, 0);
  for (const name of ['real', 'big']) await mkdir(join(folder, name), { recursive: true });
  const objects: KnownObject[] = [];
  for (const [at, { path }] of real.entries()) {
    const key = join('real', String(at).padStart(5, '0'));
    await symlink(path, join(folder, key));
    objects.push({ key, ...(await sumOfFile(path, signal)) });
  }
  for (const [at, size] of bigSizes(rest).entries()) {
    const key = join('big', String(at).padStart(3, '0'));
    await makeFile(join(folder, key), size, signal);
    objects.push({ key, ...(await sumOfFile(join(folder, key), signal)) });
  }
  return objects;
}

/** Some of them in any order, no more than so many and of no more bytes. */
export function chooseFiles(
  found: readonly FoundFile[],
  most: { readonly bytes: number; readonly count: number },
  random: Random,
): readonly FoundFile[] {
  const left = [...found];
  const chosen: FoundFile[] = [];
  let bytes = 0;
  while (left.length > 0 && chosen.length < most.count) {
    const at = random.int(0, left.length);
    const [file] = left.splice(at, 1);
    if (file === undefined || bytes + file.bytes > most.bytes) continue;
    chosen.push(file);
    bytes += file.bytes;
  }
  return chosen;
}

/** Sizes of big files that are so many bytes together: the biggest one first, each half of the one before, and so on anew. */
export function bigSizes(bytes: number): readonly number[] {
  const sizes: number[] = [];
  for (let left = bytes; left > 0; left -= sizes.at(-1) ?? left) {
    sizes.push(Math.min(left, fileBytes.max / 2 ** (sizes.length % bigKinds)));
  }
  return sizes;
}

/** Files of a tree whose size suits, each once; in the order of their paths, so that a seed chooses the same again. */
async function findFiles(tree: string, signal: AbortSignal): Promise<readonly FoundFile[]> {
  const found: FoundFile[] = [];
  const folders = [tree];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted();
    // A machine goes on with its own work: what is gone meanwhile is passed over.
    for await (const entry of (await unlessGone(opendir(folder))) ?? []) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      if (!entry.isFile()) continue;
      const stats = await unlessGone(stat(path));
      if (stats === undefined) continue;
      const { size, nlink } = stats;
      if (size < fileBytes.min || size > fileBytes.max || nlink > 1) continue;
      found.push({ path, bytes: size });
    }
    if (found.length >= foundMax) break;
  }
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Undefined where there is no such file any more. */
async function unlessGone<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A file that cannot be compressed. */
async function makeFile(path: string, bytes: number, signal: AbortSignal): Promise<void> {
  const block = Buffer.alloc(mib);
  function* blocks(): Generator<Buffer> {
    for (let left = bytes; left > 0; left -= block.length) {
      yield Buffer.from(randomFillSync(block).subarray(0, Math.min(left, block.length)));
    }
  }
  await pipeline(blocks, createWriteStream(path), { signal });
}

/** Reads a file to its end. Rejects with the error of the system. */
export async function sumOfFile(
  path: string,
  signal: AbortSignal,
): Promise<Pick<KnownObject, 'bytes' | 'sha256'>> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { signal }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
