import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';
import { errorCode, isGridError, waitFor } from '@commongrid/base';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { packFlist } from '../src/format/pack-flist.ts';
import type { ChunkHash, PackedChunk } from '../src/ports.ts';
import { hashOfChunk, packChunk } from '../src/store/chunk-codec.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { imageOf } from './store-images.ts';

const { signal } = new AbortController();

async function fetched(
  source: FlistRepository,
  hashes: readonly ChunkHash[],
): Promise<PackedChunk[]> {
  const chunks: PackedChunk[] = [];
  for await (const chunk of source.fetch(hashes, signal)) chunks.push(chunk);
  return chunks;
}

/** As if it had been put two days ago. */
async function age(folder: string, hash: ChunkHash): Promise<void> {
  const then = new Date(Date.now() - 48 * 3600 * 1000);
  await utimes(join(folder, 'blobs', hash.slice(0, 2), hash), then, then);
}

test('a repository keeps chunks and an flist, and gives them after it was opened anew', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: randomBytes(1_300_000), b: Buffer.from('b'), c: Buffer.alloc(0) });
  let repository = await FlistRepository.open({ folder: folder.path });
  for (const chunk of image.chunks) await repository.put(chunk);
  const digest = await repository.putFlist(await packFlist(encodeFlist(image.flist)));
  await repository.close();
  assert.deepEqual(await readdir(join(folder.path, 'temp')), []);
  repository = await FlistRepository.open({ folder: folder.path });
  await using _ = repository;
  assert.deepEqual(await Array.fromAsync(repository.listFlists()), [digest]);
  const flist = await repository.getFlist(digest);
  assert.ok(flist !== undefined);
  assert.deepEqual(encodeFlist(flist), encodeFlist(image.flist));
  assert.equal((await fetched(repository, image.hashes)).length, image.hashes.length);
  assert.equal((await repository.hasChunks(image.hashes)).size, image.hashes.length);
});

test('a repository that loses chunks as it is closed says so, and is not locked any more', async () => {
  await using folder = await tempFolder('flist');
  const repository = await FlistRepository.open({ folder: folder.path });
  await repository.put(Buffer.from('a'));
  await rm(join(folder.path, 'temp'), { recursive: true });
  await assert.rejects(repository.close(), { code: 'ENOENT' });
  const again = await FlistRepository.open({ folder: folder.path });
  await again.close();
});

test('an flist is refused while chunks of it are missing, which the error names', async () => {
  await using folder = await tempFolder('flist');
  await using repository = await FlistRepository.open({ folder: folder.path });
  const image = imageOf({ a: Buffer.from('a'), b: Buffer.from('b') });
  await repository.put(Buffer.from('a'));
  const packed = await packFlist(encodeFlist(image.flist));
  await assert.rejects(repository.putFlist(packed), (error) => {
    assert.ok(isGridError(error, 'FLIST_CHUNKS_MISSING'));
    const [, missing] = image.hashes;
    assert.deepEqual(error.details, { count: 1, hashes: [missing] });
    return true;
  });
  assert.deepEqual(await Array.fromAsync(repository.listFlists()), []);
  await assert.rejects(repository.putFlist(packed.subarray(9)), hasCode('FLIST_CORRUPT'));
});

test('a packed chunk that is not what it says is refused and leaves nothing', async () => {
  await using folder = await tempFolder('flist');
  await using repository = await FlistRepository.open({ folder: folder.path });
  const hash = await hashOfChunk(Buffer.from('true'));
  const lie = repository.putPacked({ hash, packed: await packChunk(Buffer.from('lie')) });
  await assert.rejects(lie, hasCode('FLIST_CHUNK_CORRUPT'));
  assert.equal((await repository.hasChunks([hash])).size, 0);
  await repository.putPacked({ hash, packed: await packChunk(Buffer.from('true')) });
  assert.equal((await fetched(repository, [hash])).length, 1);
});

test('what was not synced is gone after a crash, and whole when it was', async () => {
  await using folder = await tempFolder('flist');
  await using repository = await FlistRepository.open({ folder: folder.path });
  const kept = await repository.put(Buffer.from('kept'));
  await repository.sync();
  const lost = await repository.put(Buffer.from('lost'));
  assert.equal((await fetched(repository, [kept, lost])).length, 2);
  const names = await readdir(join(folder.path, 'blobs'), { recursive: true });
  assert.ok(names.includes(join(kept.slice(0, 2), kept)));
  assert.ok(!names.includes(join(lost.slice(0, 2), lost)));
});

test('many chunks get their names while others are put', async () => {
  await using folder = await tempFolder('flist');
  await using repository = await FlistRepository.open({ folder: folder.path });
  const put = await Promise.all(
    Array.from({ length: 400 }, () => repository.put(randomBytes(100))),
  );
  const names = (): Promise<string[]> => readdir(join(folder.path, 'blobs'), { recursive: true });
  const areNamed = async (): Promise<boolean> =>
    (await names()).filter((name) => name.length > 2).length > 256;
  await waitFor(areNamed, { timeoutMs: 60_000, what: 'the names of the first chunks' });
  await repository.keepChunks(new Set(put));
  assert.deepEqual(await readdir(join(folder.path, 'temp')), []);
  assert.equal((await fetched(repository, put)).length, put.length);
});

test('a chunk that cannot be synced is missing for all who wait for it', async () => {
  await using folder = await tempFolder('flist');
  await using repository = await FlistRepository.open({ folder: folder.path });
  const lost = await repository.put(Buffer.from('lost'));
  const kept = await repository.put(Buffer.from('kept'));
  await rm(join(folder.path, 'temp', '0'));
  const outcomes = await Promise.allSettled([
    repository.sync(),
    repository.keepChunks(new Set([lost])),
    repository.keepChunks(new Set([kept])),
  ]);
  const codes = outcomes.map((it) => (it.status === 'rejected' ? errorCode(it.reason) : 'kept'));
  assert.deepEqual(codes, ['ENOENT', 'FLIST_CHUNKS_MISSING', 'kept']);
  await repository.put(Buffer.from('lost'));
  await repository.keepChunks(new Set([lost, kept]));
});

test('a collection removes what no flist names, and nothing of an upload under way', async () => {
  await using folder = await tempFolder('flist');
  await using repository = await FlistRepository.open({ folder: folder.path });
  const image = imageOf({ a: Buffer.from('a') });
  const named = await repository.put(Buffer.from('a'));
  await repository.putFlist(await packFlist(encodeFlist(image.flist)));
  const old = await repository.put(Buffer.from('old'));
  const asked = await repository.put(Buffer.from('asked'));
  const again = await repository.put(Buffer.from('again'));
  const young = await repository.put(Buffer.from('young'));
  await repository.sync();
  for (const hash of [named, old, asked, again]) await age(folder.path, hash);
  await repository.hasChunks([asked]);
  await repository.put(Buffer.from('again'));
  const result = await repository.collect();
  assert.equal(result.removedChunks, 1);
  assert.equal(result.keptChunks, 4);
  const there = await repository.hasChunks([named, old, asked, again, young]);
  assert.deepEqual([...there], [named, asked, again, young]);
});

test('a collection removes nothing when an flist is damaged', async () => {
  await using folder = await tempFolder('flist');
  await using repository = await FlistRepository.open({ folder: folder.path });
  const hash = await repository.put(Buffer.from('a'));
  const image = imageOf({ a: Buffer.from('a') });
  const digest = await repository.putFlist(await packFlist(encodeFlist(image.flist)));
  await age(folder.path, hash);
  const path = join(folder.path, 'flists', digest.slice(0, 2), `${digest}.flist`);
  await writeFile(path, (await readFile(path)).subarray(0, -1));
  await assert.rejects(repository.collect(), hasCode('FLIST_CORRUPT'));
  assert.equal((await repository.hasChunks([hash])).size, 1);
  assert.ok(await repository.removeFlist(digest));
  assert.ok(!(await repository.removeFlist(digest)));
  await age(folder.path, hash);
  assert.equal((await repository.collect()).removedChunks, 1);
});

test('a scrub removes a damaged chunk, which can be put again', async () => {
  await using folder = await tempFolder('flist');
  await using repository = await FlistRepository.open({ folder: folder.path });
  const plaintext = randomBytes(1000);
  const hash = await repository.put(plaintext);
  await repository.put(Buffer.from('sound'));
  await repository.sync();
  const path = join(folder.path, 'blobs', hash.slice(0, 2), hash);
  const bytes = await readFile(path);
  bytes[500] = (bytes[500] ?? 0) ^ 1;
  await writeFile(path, bytes);
  const { badChunks, checkedChunks } = await repository.scrub();
  assert.deepEqual(badChunks, [hash]);
  assert.equal(checkedChunks, 2);
  assert.equal((await repository.hasChunks([hash])).size, 0);
  await repository.put(plaintext);
  assert.equal((await repository.hasChunks([hash])).size, 1);
});

test('signatures are kept by key, and only under names that are keys', async () => {
  await using folder = await tempFolder('flist');
  await using repository = await FlistRepository.open({ folder: folder.path });
  await repository.put(Buffer.from('a'));
  const image = imageOf({ a: Buffer.from('a') });
  const digest = await repository.putFlist(await packFlist(encodeFlist(image.flist)));
  await repository.putSignature(digest, 'ed25519:one', '{"n":1}');
  await repository.putSignature(digest, 'ed25519:two', '{"n":2}');
  await repository.putSignature(digest, 'ed25519:one', '{"n":3}');
  assert.deepEqual(await repository.listSignatures(digest), ['{"n":3}', '{"n":2}']);
  const escape = repository.putSignature(digest, 'ed25519:../../x', '{}');
  await assert.rejects(escape, hasCode('FLIST_SIGNATURE_INVALID'));
  await repository.removeFlist(digest);
  assert.deepEqual(await repository.listSignatures(digest), []);
});

test('two repositories on one folder are refused', async () => {
  await using folder = await tempFolder('flist');
  await using _ = await FlistRepository.open({ folder: folder.path });
  const other = FlistRepository.open({ folder: folder.path });
  await assert.rejects(other, hasCode('BASE_FOLDER_LOCKED'));
});
