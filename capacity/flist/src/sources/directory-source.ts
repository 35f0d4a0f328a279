import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, GridError, throwIfAborted } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkHash, ChunkSource, PackedChunk } from '../ports.ts';
import { packedChunkBytesMax } from '../store/chunk-codec.ts';
import { fannedPath } from '../store/fanned-folder.ts';

/** Files that are read at a time. */
const readsMax = 8;

/** Chunks in the folder of a repository, whoever writes it meanwhile. */
export class DirectorySource implements ChunkSource {
  readonly name: string;
  readonly #folder: string;

  /** @param folder of an FlistRepository */
  constructor(folder: string, name = folder) {
    this.#folder = folder;
    this.name = name;
  }

  async *fetch(
    hashes: readonly ChunkHash[],
    signal: AbortSignal,
  ): AsyncGenerator<PackedChunk, void> {
    for (let at = 0; at < hashes.length; at += readsMax) {
      throwIfAborted(signal);
      const part = hashes.slice(at, at + readsMax);
      const read = await Promise.all(part.map((hash) => this.#read(hash)));
      for (const chunk of read) if (chunk !== undefined) yield chunk;
    }
  }

  async #read(hash: ChunkHash): Promise<PackedChunk | undefined> {
    const path = fannedPath(join(this.#folder, 'blobs'), hash);
    try {
      const { size } = await stat(path);
      if (size > packedChunkBytesMax) throw failed(this.name, `${path} is too long`);
      return { hash, packed: await readFile(path) };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      if (error instanceof GridError) throw error;
      throw failed(this.name, `${path} cannot be read`, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function failed(source: string, what: string, cause?: unknown): GridError<FlistErrorCode> {
  return new GridError('FLIST_SOURCE_FAILED', `source ${source}: ${what}`, {
    retryable: true,
    details: { source },
    cause,
  });
}
