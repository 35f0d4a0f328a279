import { createHash } from 'node:crypto';

import { SourceSet } from '../src/sources/source-set.ts';
import { encodeFlist } from '../src/format/encode-flist.ts';
import { flistDigestOf } from '../src/format/flist.ts';
import type { FlistDigest } from '../src/format/flist.ts';
import type { ChunkHash, ChunkSource, PackedChunk } from '../src/ports.ts';
import { packChunk } from '../src/store/chunk-codec.ts';
import type { TestImage } from './store-images.ts';

/** Has chunks in memory, and remembers what it was asked for. */
export class MemorySource implements ChunkSource {
  readonly name: string;
  readonly asked: string[] = [];
  requests = 0;
  readonly #chunks = new Map<string, Buffer>();

  constructor(chunks: readonly Buffer[], name = 'memory') {
    this.name = name;
    for (const chunk of chunks) {
      this.#chunks.set(createHash('sha256').update(chunk).digest('hex'), chunk);
    }
  }

  async *fetch(hashes: readonly ChunkHash[]): AsyncGenerator<PackedChunk> {
    this.requests++;
    this.asked.push(...hashes);
    for (const hash of hashes) {
      const chunk = this.#chunks.get(hash);
      if (chunk !== undefined) yield { hash, packed: await packChunk(chunk) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export function sourcesOf(...sources: readonly ChunkSource[]): SourceSet {
  const specs = sources.map((source) => ({ source }));
  return new SourceSet({ sources: specs, hedgeAfterMs: 60_000 });
}

export function digestOf({ flist }: TestImage): FlistDigest {
  return flistDigestOf(encodeFlist(flist));
}
