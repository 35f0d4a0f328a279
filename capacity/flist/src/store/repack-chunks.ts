import { open } from 'node:fs/promises';

import { errorCode, throwIfAborted } from '@commongrid/base';

import type { BlobFolder } from './blob-folder.ts';
import { isTightHead, packChunkTight, packedHeadBytes } from './chunk-codec.ts';
import { fannedPath } from './fanned-folder.ts';
import { Pace } from './pace.ts';
import type { PaceOptions } from './pace.ts';
import { unpackedIfSound } from './repository-upkeep.ts';

export interface RepackResult {
  readonly repackedChunks: number;
  /** Of their files, by which those are shorter now. */
  readonly savedBytes: number;
}

/** Packs those of the chunks again that are not packed as tightly as can be; damaged ones stay. */
export async function repackChunks(blobs: BlobFolder, options: PaceOptions): Promise<RepackResult> {
  const pace = new Pace(options);
  let [repackedChunks, savedBytes] = [0, 0];
  for await (const hash of blobs.hashes()) {
    throwIfAborted(options.signal);
    if (await isTight(fannedPath(blobs.path, hash))) continue;
    const packed = await blobs.read(hash);
    const plaintext = packed && (await unpackedIfSound(hash, packed));
    if (packed === undefined || plaintext === undefined) continue;
    await pace.spend(plaintext.length);
    const tight = await packChunkTight(plaintext);
    // It takes the place of the other file once it is on disk.
    await blobs.write(hash, tight);
    repackedChunks++;
    savedBytes += packed.length - tight.length;
  }
  await blobs.sync();
  return { repackedChunks, savedBytes };
}

/** Also of a file that was removed meanwhile: there is nothing to do. */
async function isTight(path: string): Promise<boolean> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(packedHeadBytes));
    return bytesRead === packedHeadBytes && isTightHead(buffer);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return true;
    throw error;
  }
}
