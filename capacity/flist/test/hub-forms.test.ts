import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import type { ChunkHash, PackedChunk } from '../src/ports.ts';
import { readFrames } from '../src/sources/chunk-frames.ts';
import { DirectorySource } from '../src/sources/directory-source.ts';
import { HttpSource } from '../src/sources/http-source.ts';
import { unpackChunk } from '../src/store/chunk-codec.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { isSplit } from '../src/store/split-form.ts';
import { programBytes } from '../src/testing/program-bytes.ts';
import { alice, hubUnderTest, keepImage } from './hub-harness.ts';
import { imageOf } from './store-images.ts';

test('a hub gives programs split to who takes that, and as frames to others', async () => {
  await using hub = await hubUnderTest();
  const program = programBytes(100_000);
  const image = imageOf({ a: program, b: randomBytes(2_000), c: Buffer.alloc(9_000, 'text') });
  const digest = await keepImage(hub.repository, image);
  await hub.client(alice).upload(digest, hub.repository);
  await hub.server.repack();
  const hashes = image.hashes as ChunkHash[];
  const [first = assert.fail()] = hashes;

  await using source = new HttpSource({ url: `${hub.server.url}/v1` });
  const taken = await collect(source.fetch(hashes, AbortSignal.timeout(60_000)));
  assert.deepEqual(formsOf(taken, hashes), [true, false, false]);
  const alone = await collect(source.fetch([first], AbortSignal.timeout(60_000)));
  assert.deepEqual(alone.get(first), taken.get(first));

  // Somebody of before: the header is not there, or names other forms only.
  const url = `${hub.server.url}/v1/chunks`;
  const one = await fetch(`${url}/${first}`, { headers: { 'grid-chunk-forms': 'zstd, next' } });
  assert.equal(one.headers.get('vary'), 'grid-chunk-forms');
  const frame = Buffer.from(await one.arrayBuffer());
  assert.ok(!isSplit(frame) && frame.length > (taken.get(first)?.length ?? 0));
  const body = Buffer.from(hashes.join(''), 'hex');
  const answer = await fetch(url, { method: 'POST', body });
  const frames = await collect(readFrames(answer.body ?? assert.fail(), 'hub'));
  assert.deepEqual(formsOf(frames, hashes), [false, false, false]);
  for (const packed of [taken, frames]) await areSound(packed, image.chunks);

  // What came so is taken, kept and read like any other.
  await using folder = await tempFolder('forms');
  await using mirror = await FlistRepository.open({ folder: folder.path });
  await hub.client().download(digest, mirror);
  await using files = new DirectorySource(folder.path);
  await areSound(await collect(files.fetch(hashes, AbortSignal.timeout(60_000))), image.chunks);
  await using next = await hubUnderTest({}, mirror);
  await next.client(alice).upload(digest, mirror);
  assert.deepEqual((await mirror.scrub()).badChunks, []);
});

async function collect(chunks: AsyncIterable<PackedChunk>): Promise<Map<ChunkHash, Uint8Array>> {
  const packed = new Map<ChunkHash, Uint8Array>();
  for await (const chunk of chunks) packed.set(chunk.hash, chunk.packed);
  return packed;
}

function formsOf(packed: ReadonlyMap<ChunkHash, Uint8Array>, hashes: ChunkHash[]): boolean[] {
  return hashes.map((hash) => isSplit(packed.get(hash) ?? assert.fail()));
}

async function areSound(
  packed: ReadonlyMap<ChunkHash, Uint8Array>,
  plaintexts: readonly Uint8Array[],
): Promise<void> {
  const found: Buffer[] = [];
  for (const [hash, bytes] of packed) found.push(await unpackChunk(hash, bytes));
  const sorted = (all: readonly Uint8Array[]): Uint8Array[] =>
    all.toSorted((a, b) => Buffer.compare(a, b));
  assert.deepEqual(sorted(found), sorted(plaintexts.map((bytes) => Buffer.from(bytes))));
}
