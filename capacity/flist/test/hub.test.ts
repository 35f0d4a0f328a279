import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import { createRegistry, isGridError, systemClock } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';

import { encodeFlist } from '../src/format/encode-flist.ts';
import type { FlistDigest } from '../src/format/flist.ts';
import type { TransferProgress } from '../src/hub/transfer-image.ts';
import { frameHeader } from '../src/sources/chunk-frames.ts';
import { packChunk } from '../src/store/chunk-codec.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { alice, bob, hubUnderTest, keepImage } from './hub-harness.ts';
import type { HubUnderTest } from './hub-harness.ts';
import { imageOf } from './store-images.ts';

/** Most tests share a hub, a maker of images and somebody who fetches them: folders take time. */
let shared: HubUnderTest;
let other: FlistRepository;
let stack: AsyncDisposableStack;
const registry = createRegistry();

suite('images on a hub', () => {
  before(async () => {
    stack = new AsyncDisposableStack();
    shared = stack.use(await hubUnderTest({ registry }));
    const folder = stack.use(await tempFolder('hub'));
    other = stack.use(await FlistRepository.open({ folder: folder.path }));
  });
  after(() => stack.disposeAsync());

  test('a hub takes what it lacks of an image, and gives the whole to somebody else', async () => {
    const image = imageOf({ a: randomBytes(1_200_000), b: Buffer.from('b'), c: Buffer.alloc(0) });
    const digest = await keepImage(shared.repository, image);
    const seen: TransferProgress[] = [];
    const onProgress = (progress: TransferProgress): number => seen.push(progress);
    const result = await shared.client(alice).upload(digest, shared.repository, { onProgress });
    assert.equal(result.doneChunks, 4);
    assert.deepEqual(seen.at(-1), { totalChunks: 4, doneChunks: 4, movedBytes: result.movedBytes });

    const newer = imageOf({ a: image.contents['a'] ?? assert.fail(), d: Buffer.from('d') });
    const newerDigest = await keepImage(shared.repository, newer);
    const second = await shared.client(bob).upload(newerDigest, shared.repository);
    assert.ok(second.movedBytes < 100, 'one chunk of one byte is new');

    await shared.client().download(digest, other);
    const flist = await other.getFlist(digest);
    assert.deepEqual(flist && encodeFlist(flist), encodeFlist(image.flist));
    const again = await shared.client().download(newerDigest, other);
    assert.ok(again.movedBytes < 100, 'the rest was there already');
    assert.match(
      await registry.render(),
      /hub_requests_total\{route="PUT \/v1\/chunks",status="200"\} \d+/,
    );
  });

  test('two uploads of one image at once both succeed', async () => {
    const digest = await keepImage(shared.repository, imageOf({ a: randomBytes(2_000_000) }));
    const uploads = [alice, bob].map((key) => shared.client(key).upload(digest, shared.repository));
    for (const { digest: uploaded } of await Promise.all(uploads)) assert.equal(uploaded, digest);
  });

  test('a broken upload goes on where it stopped', async () => {
    const image = imageOf({ a: randomBytes(9 << 20) });
    const digest = await keepImage(shared.repository, image);
    const stop = new AbortController();
    const onProgress = ({ doneChunks }: TransferProgress): void => {
      if (doneChunks > 0) stop.abort();
    };
    const client = shared.client(alice);
    const broken = client.upload(digest, shared.repository, { onProgress, signal: stop.signal });
    await assert.rejects(broken, hasCode('BASE_ABORTED'));
    const rest = await client.upload(digest, shared.repository);
    assert.ok(rest.movedBytes > 0 && rest.movedBytes < 2 << 20);
  });

  test('an upload stops when its source lacks a chunk, and the image has no name then', async () => {
    const image = imageOf({ here: Buffer.from('here'), gone: Buffer.from('gone') });
    const digest = await keepImage(shared.repository, image);
    const source = {
      getPackedFlist: (wanted: FlistDigest) => shared.repository.getPackedFlist(wanted),
      async *fetch() {
        yield* shared.repository.fetch(image.hashes.slice(1), new AbortController().signal);
      },
    };
    const refused = shared.client(alice).upload(digest, source);
    await assert.rejects(refused, (error) => {
      assert.ok(isGridError(error, 'FLIST_CHUNK_UNAVAILABLE'));
      return error.details['lacking'] === 1;
    });
    await assert.rejects(shared.client(alice).name('alice/a', digest), hasCode('HUB_NOT_FOUND'));
  });

  test('a download from a hub that falls silent, or lies, ends with a code', async () => {
    const image = imageOf({ lied: Buffer.from('lied'), of: Buffer.from('of') });
    const digest = await keepImage(shared.repository, image);
    const packed = await shared.repository.getPackedFlist(digest);
    const [hash = assert.fail()] = image.hashes;
    let answerChunks: ((response: ServerResponse) => void) | undefined;
    const server = createServer(({ method, url }, response) => {
      if (method === 'POST') answerChunks?.(response);
      else response.end(url === `/v1/flists/${digest}` ? packed : 'no flist');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const close = async (): Promise<void> => {
      server.closeAllConnections();
      server.close();
    };
    await using _ = { [Symbol.asyncDispose]: close };
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const hasty = shared.client(undefined, { url, silenceMs: 20 });
    await assert.rejects(hasty.download(digest, other), hasCode('FLIST_SOURCE_FAILED'));
    const client = shared.client(undefined, { url });
    const download = (): Promise<unknown> => client.download(digest, other);
    answerChunks = (response) => void response.end(frameHeader(hash, 5_000));
    await assert.rejects(download(), hasCode('FLIST_SOURCE_FAILED'));
    const lie = await packChunk(Buffer.from('a lie'));
    answerChunks = (response) =>
      void response.end(Buffer.concat([frameHeader(hash, lie.length), lie]));
    await assert.rejects(download(), hasCode('FLIST_CHUNK_CORRUPT'));
    answerChunks = (response) => void response.end(frameHeader(hash, undefined));
    await assert.rejects(download(), hasCode('FLIST_CHUNKS_MISSING'));
    const unknown = 'f'.repeat(64) as FlistDigest;
    await assert.rejects(client.download(unknown, other), hasCode('FLIST_CORRUPT'));
    assert.equal(await other.getFlist(digest), undefined);
  });

  test('a quota bounds what names say, and what is brought', async () => {
    await using hub = await hubUnderTest({ limits: { quotaBytes: 1_000_000 } }, shared.repository);
    const client = hub.client(alice);
    const image = imageOf({ a: randomBytes(600_000), same: Buffer.alloc(300_000) });
    const digest = await keepImage(hub.repository, image);
    await client.upload(digest, hub.repository);
    await client.name('alice/app', digest);
    await client.promote('alice/app', 'alice/twin');
    const { usedBytes } = await client.user('alice');
    assert.ok(usedBytes > 900_000 && usedBytes < 901_000, 'one image counts once');

    const more = await keepImage(hub.repository, imageOf({ b: randomBytes(200_000) }));
    await hub.client(bob).upload(more, hub.repository);
    await assert.rejects(client.name('alice/more', more), hasCode('HUB_QUOTA_REACHED'));
    await assert.rejects(client.resolve('alice/more'), hasCode('HUB_NOT_FOUND'));
    await hub.client(bob).name('bob/more', more);
    const third = await keepImage(hub.repository, imageOf({ c: randomBytes(500_000) }));
    await assert.rejects(client.upload(third, hub.repository), hasCode('HUB_QUOTA_REACHED'));
    await client.remove('alice/app');
    await client.remove('alice/twin');
    await client.name('alice/more', more);
  });

  test('a collection removes what nothing names, and nothing of an upload under way', async () => {
    let aheadMs = 0;
    const clock = { ...systemClock, nowMs: () => Date.now() + aheadMs };
    await using hub = await hubUnderTest({ clock }, shared.repository);
    const image = imageOf({ a: randomBytes(1_000_000), b: Buffer.from('b') });
    const kept = imageOf({ kept: Buffer.from('kept') });
    const client = hub.client(alice, { clock });
    const keptDigest = await keepImage(hub.repository, kept);
    await client.upload(keptDigest, hub.repository);
    await client.name('alice/kept', keptDigest);
    const digest = await keepImage(hub.repository, image);
    await client.upload(digest, hub.repository);

    // Two days later nothing has named the image.
    aheadMs = 48 * 3600 * 1000;
    const then = new Date(Date.now() - aheadMs);
    for (const hash of [...image.hashes, ...kept.hashes]) {
      await utimes(join(hub.folder, 'images', 'blobs', hash.slice(0, 2), hash), then, then);
    }
    const [first = assert.fail()] = image.hashes;
    const asked = imageOf({ a: image.chunks[0] ?? assert.fail(), late: Buffer.from('late') });
    const askedDigest = await keepImage(hub.repository, asked);
    const source = {
      getPackedFlist: (wanted: FlistDigest) => hub.repository.getPackedFlist(wanted),
      async *fetch(...args: Parameters<FlistRepository['fetch']>) {
        const { removedFlists, removedChunks } = await hub.server.collect();
        assert.deepEqual({ removedFlists, removedChunks }, { removedFlists: 1, removedChunks: 2 });
        yield* hub.repository.fetch(...args);
      },
    };
    await client.upload(askedDigest, source);
    await client.name('alice/asked', askedDigest);
    const result = await hub.server.collect();
    assert.deepEqual(result, {
      removedFlists: 0,
      keptChunks: 3,
      removedChunks: 0,
      removedBytes: 0,
    });
    await client.download(keptDigest, other);
    await client.download(askedDigest, other);
    assert.equal((await other.hasChunks([first])).size, 1);
    await assert.rejects(client.download(digest, other), hasCode('HUB_NOT_FOUND'));
  });
});
