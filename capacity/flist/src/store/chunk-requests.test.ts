import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';

import { hasCode } from '@commongrid/base/testing';

import type { ObjectId } from '../format/object-id.ts';
import type { ChunkHash, ChunkSource, PackedChunk } from '../ports.ts';
import { SourceSet } from '../sources/source-set.ts';
import { ChunkRequests } from './chunk-requests.ts';
import type { ChunkRequest } from './chunk-requests.ts';

const plaintext = Buffer.from('a chunk that two images name');
const chunk = hash('sha256', plaintext, 'hex') as ChunkHash;

class OneChunk implements ChunkSource {
  readonly name = 'one';

  async *fetch(hashes: readonly ChunkHash[]): AsyncGenerator<PackedChunk> {
    for (const wanted of hashes) {
      if (wanted === chunk) yield { hash: chunk, packed: zstdCompressSync(plaintext) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

for (const isLiarFirst of [true, false]) {
  test(`who claims another size of a chunk spoils it for nobody, first ${isLiarFirst}`, async () => {
    const sources = new SourceSet({ sources: [{ source: new OneChunk() }] });
    const requests = new ChunkRequests({ sources, keep: async () => undefined });
    const honest: ChunkRequest = { hash: chunk, sizeBytes: plaintext.length, object: undefined };
    const object = 'ab'.repeat(32) as ObjectId;
    const liar: ChunkRequest = { hash: chunk, sizeBytes: plaintext.length - 1, object };
    const asked = (isLiarFirst ? [liar, honest] : [honest, liar]).map((request) => ({
      request,
      fetching: requests.fetch(request, 'read', undefined),
    }));
    for (const { request, fetching } of asked) {
      if (request === honest) assert.deepEqual((await fetching).plaintext, plaintext);
      else await assert.rejects(fetching, hasCode('FLIST_CHUNK_UNAVAILABLE'));
    }
    assert.equal(requests.waitingCount, 0);
    await requests.close();
  });
}
