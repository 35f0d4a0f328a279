import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import { packChunk, SourceSet, unpackChunk } from '@commongrid/flist';
import type { ChunkHash, PackedChunk } from '@commongrid/flist';
import type { ZdbServer } from '@commongrid/zdb';

import { openFleet } from './fixtures/zdb-fleet.ts';
import { openPlugged } from '../src/open-source.ts';
import { ZstorSource } from '../src/zstor-source.ts';
import type { ChunkStore } from '../src/zstor-source.ts';

interface Place extends AsyncDisposable {
  readonly servers: readonly ZdbServer[];
  /** A head of the store over them, with tables of its own. */
  readonly source: (head: string) => ZstorSource;
}

async function openPlace(): Promise<Place> {
  const fleet = await openFleet();
  const { path, backends, servers } = fleet;
  return {
    servers,
    source: (head) =>
      openPlugged(
        {
          kind: 'zstor',
          options: { data: join(path, head), backends, keyFile: join(path, 'key') },
        },
        { canBegin: true, shards: { dataShards: 4, parityShards: 2 } },
      ),
    [Symbol.asyncDispose]: () => fleet[Symbol.asyncDispose](),
  };
}

/** Chunks of all sizes, the largest one of random bytes. */
function plaintexts(): Buffer[] {
  return [Buffer.from('a'), Buffer.alloc(100_000, 'text'), randomBytes(524_288)];
}

function hashOf(plaintext: Buffer): ChunkHash {
  return createHash('sha256').update(plaintext).digest('hex') as ChunkHash;
}

async function chunkOf(plaintext: Buffer): Promise<PackedChunk> {
  return { hash: hashOf(plaintext), packed: await packChunk(plaintext) };
}

test('a Zero-Stor gives the chunks that it was given, also with two of six servers gone', async () => {
  await using place = await openPlace();
  await using set = new SourceSet({ sources: [{ source: place.source('head') }] });
  const texts = plaintexts();
  await using filling = place.source('head-that-fills');
  for (const text of texts) await filling.put(await chunkOf(text));
  await filling[Symbol.asyncDispose]();
  for (const server of place.servers.slice(0, 2)) await server.close();
  const found = new Map<ChunkHash, Buffer>();
  const wants = texts.map((text) => ({ hash: hashOf(text), sizeBytes: text.length }));
  await set.fetch(wants, (hash, plaintext) => void found.set(hash, Buffer.from(plaintext)), {
    signal: AbortSignal.timeout(60_000),
  });
  assert.deepEqual(
    texts.map((text) => found.get(hashOf(text))?.equals(text)),
    [true, true, true],
  );
});

test('a Zero-Stor leaves out what it lacks, and is opened again when another head took over', async () => {
  await using place = await openPlace();
  await using one = place.source('one');
  const [, text = Buffer.alloc(0), large = Buffer.alloc(0)] = plaintexts();
  await one.put(await chunkOf(text));
  await using other = place.source('other');
  await other.put(await chunkOf(large));
  const signal = AbortSignal.timeout(60_000);
  const wanted = [hashOf(large), hashOf(Buffer.from('not there')), hashOf(text)];
  const fetchAll = (): Promise<PackedChunk[]> => Array.fromAsync(one.fetch(wanted, signal));
  await assert.rejects(fetchAll(), hasCode('FLIST_SOURCE_FAILED'));
  const chunks = await fetchAll();
  assert.deepEqual(
    chunks.map(({ hash }) => hash),
    [hashOf(large), hashOf(text)],
  );
  for (const { hash, packed } of chunks) await unpackChunk(hash, packed);
});

test('a chunk that cannot be read takes no other along, and a store that is away is left soon', async () => {
  const chunks = await Promise.all(
    Array.from({ length: 20 }, (_, at) => chunkOf(Buffer.from(`chunk ${at}`))),
  );
  const byName = new Map(chunks.map(({ hash, packed }) => [hash, packed]));
  const lost = new Set([chunks[3]?.hash]);
  const asked: string[] = [];
  const store: ChunkStore = {
    get: async function* (name) {
      const hash = name.slice(name.indexOf('/') + 1) as ChunkHash;
      asked.push(hash);
      if (lost.has(hash)) throw new Error('too few shards');
      yield Buffer.from(byName.get(hash) ?? []);
    },
    put: () => Promise.reject(new Error('not here')),
    close: async () => {},
  };
  await using source = new ZstorSource({ name: 'store', open: async () => store });
  const hashes = chunks.map(({ hash }) => hash);
  const found: string[] = [];
  const fetchAll = async (): Promise<void> => {
    const signal = AbortSignal.timeout(60_000);
    for await (const { hash } of source.fetch(hashes, signal)) found.push(hash);
  };
  await assert.rejects(fetchAll(), hasCode('FLIST_SOURCE_FAILED'));
  assert.deepEqual(
    found,
    hashes.filter((hash) => !lost.has(hash)),
  );
  for (const hash of hashes) lost.add(hash);
  asked.length = 0;
  await assert.rejects(fetchAll(), hasCode('FLIST_SOURCE_FAILED'));
  assert.ok(asked.length < hashes.length);
});

test('a source whose store cannot be opened fails, and does not keep others from closing', async () => {
  const options = { data: '/nowhere/data', backends: '/nowhere/backends.json' };
  const source = openPlugged({ kind: 'zstor', options });
  const { signal } = new AbortController();
  const fetching = Array.fromAsync(source.fetch([hashOf(Buffer.from('a'))], signal));
  await assert.rejects(fetching, { code: 'FLIST_SOURCE_FAILED', retryable: true });
  await source[Symbol.asyncDispose]();
  assert.throws(() => openPlugged({ kind: 'other', options }), {
    code: 'FLIST_SERVICE_CONFIG_INVALID',
  });
});
