import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';

import { systemClock } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import { hasCode } from '@commongrid/base/testing';
import fc from 'fast-check';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { flistDigestOf } from '../src/format/flist.ts';
import { packFlist } from '../src/format/pack-flist.ts';
import { HubServer } from '../src/hub/hub-server.ts';
import { sha256Of, signRequest } from '../src/hub/request-signature.ts';
import type { SignedRequest } from '../src/hub/request-signature.ts';
import { frameHeader } from '../src/sources/chunk-frames.ts';
import { hashOfChunk, packChunk } from '../src/store/chunk-codec.ts';
import { alice, bob, hubUnderTest, keepImage, keys, stranger } from './hub-harness.ts';
import type { HubUnderTest } from './hub-harness.ts';
import { imageOf } from './store-images.ts';

let hub: HubUnderTest;

interface Raw {
  readonly method?: string;
  readonly path: string;
  readonly body?: Uint8Array;
  readonly key?: SigningKey;
  /** What is signed instead. */
  readonly signed?: Partial<SignedRequest>;
  readonly atMs?: number;
  readonly headers?: Record<string, string>;
}

interface RawAnswer {
  readonly status: number;
  readonly code: string | undefined;
  readonly headers: Headers;
}

function headersOf(raw: Raw): Record<string, string> {
  const { method = 'PUT', path, body = new Uint8Array(), key = alice, signed = {} } = raw;
  const { url: audience } = hub.server;
  const request = { audience, method, target: path, bodySha256: sha256Of(body), ...signed };
  return { ...signRequest(key, request, raw.atMs ?? Date.now()), ...raw.headers };
}

async function send(raw: Raw, headers = headersOf(raw)): Promise<RawAnswer> {
  const { method = 'PUT', path, body } = raw;
  const answer = await fetch(`${hub.server.url}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: Uint8Array.from(body) }),
  });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type') === 'application/json';
  const json: { code?: string } = isJson ? JSON.parse(text) : {};
  return { status: answer.status, code: json.code, headers: answer.headers };
}

async function refuses(raw: Raw, status: number, code: string): Promise<void> {
  const answer = await send(raw);
  assert.deepEqual([answer.status, answer.code], [status, code]);
}

/** What a hub says to these very bytes, until it closes the connection. */
async function say(bytes: string | Uint8Array, { url } = hub.server): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => socket.destroy());
  let said = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    said += text;
  });
  socket.write(bytes);
  await once(socket, 'close');
  return said;
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const missing = { method: 'POST', path: '/v1/chunks/missing', body: Buffer.alloc(32) };

suite('a hub among strangers', () => {
  before(async () => {
    hub = await hubUnderTest();
  });
  after(() => hub[Symbol.asyncDispose]());

  test('signatures of another method, path, body, hub, key or time are refused', async () => {
    assert.equal((await send(missing)).status, 200);
    const refused = [
      { method: 'PUT' },
      { target: '/v1/chunks/missing?x=1' },
      { audience: 'http://other.example' },
    ];
    for (const signed of refused) {
      await refuses({ ...missing, signed }, 401, 'HUB_SIGNATURE_REFUSED');
    }
    await refuses(
      { ...missing, path: '/v1/chunks/missing?', signed: { target: missing.path } },
      401,
      'HUB_SIGNATURE_REFUSED',
    );
    await refuses(
      { ...missing, headers: { 'grid-key': bob.publicKey.text } },
      401,
      'HUB_SIGNATURE_REFUSED',
    );
    await refuses(
      { ...missing, signed: { bodySha256: sha256Of(Buffer.alloc(31)) } },
      400,
      'HUB_BODY_MISMATCH',
    );
    await refuses({ ...missing, key: stranger }, 401, 'HUB_KEY_UNKNOWN');
    for (const offMs of [-301_000, 330_000]) {
      await refuses({ ...missing, atMs: Date.now() + offMs }, 401, 'HUB_TIME_REFUSED');
    }
    assert.equal((await send({ ...missing, atMs: Date.now() - 290_000 })).status, 200);
    const bare = await send(missing, {});
    assert.deepEqual([bare.status, bare.code], [401, 'HUB_SIGNATURE_NEEDED']);
  });

  test('a request counts once, also over a restart', async () => {
    const { folder } = hub;
    const headers = headersOf(missing);
    const both = await Promise.all([send(missing, headers), send(missing, headers)]);
    assert.deepEqual(
      both.map(({ status }) => status).toSorted((a, b) => a - b),
      [200, 401],
    );
    const audience = hub.server.url;
    const listen = { port: hub.server.port };
    await hub.server.close();
    const server = await HubServer.open({ folder, keys, listen, audience });
    hub = { ...hub, server, [Symbol.asyncDispose]: disposeBoth(server, hub) };
    const again = await send(missing, headers);
    assert.deepEqual([again.status, again.code], [401, 'HUB_REPLAYED']);
  });

  test('chunks that lie are refused, and leave nothing', async () => {
    const plaintext = randomBytes(1_000);
    const hash = await hashOfChunk(plaintext);
    const packed = await packChunk(plaintext);
    const path = `/v1/chunks/${hash}`;
    const bomb = zstdCompressSync(Buffer.alloc(100 << 20));
    for (const body of [
      bomb,
      Buffer.from('no zstd'),
      await packChunk(Buffer.alloc(5)),
      Buffer.alloc(0),
    ]) {
      await refuses({ path, body }, 400, 'FLIST_CHUNK_CORRUPT');
    }
    await refuses({ path, body: randomBytes(600_000) }, 413, 'HUB_TOO_LARGE');
    const frame = Buffer.concat([frameHeader(hash, packed.length), packed]);
    const long = frameHeader(hash, 0xff_ff_ff_fe);
    for (const body of [frame.subarray(0, -1), frame.subarray(0, 20), long, Buffer.alloc(37)]) {
      await refuses({ path: '/v1/chunks', body }, 400, 'HUB_REQUEST_INVALID');
    }
    assert.equal((await send({ method: 'GET', path })).code, 'HUB_NOT_FOUND');
    assert.equal((await send({ path: '/v1/chunks', body: frame })).status, 200);
    const got = await send({ method: 'GET', path });
    assert.equal(got.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  });

  test('flists that lie are refused, and leave nothing', async () => {
    const image = imageOf({ a: randomBytes(10) });
    const bytes = encodeFlist(image.flist);
    const path = `/v1/flists/${flistDigestOf(bytes)}`;
    await refuses({ path, body: await packFlist(bytes) }, 409, 'FLIST_CHUNKS_MISSING');
    await refuses({ path, body: zstdCompressSync(Buffer.alloc(1 << 20)) }, 400, 'FLIST_CORRUPT');
    await refuses({ path, body: Buffer.alloc(0) }, 400, 'FLIST_CORRUPT');
    const junk = bytes.subarray(0, -1);
    const junkPath = `/v1/flists/${flistDigestOf(junk)}`;
    await refuses({ path: junkPath, body: await packFlist(junk) }, 400, 'FLIST_CORRUPT');
    assert.equal((await send({ method: 'GET', path })).code, 'HUB_NOT_FOUND');
    const name = { path: '/v1/names/alice/x', body: json({ digest: flistDigestOf(bytes) }) };
    await refuses(name, 404, 'HUB_NOT_FOUND');
  });

  test('an flist is given by digest for ever, and by name as it is now', async () => {
    const image = imageOf({ a: Buffer.from('a') });
    const digest = await keepImage(hub.repository, image);
    const client = hub.client(alice, { url: hub.server.url });
    await client.upload(digest, hub.repository);
    await client.name('alice/a', digest);
    const byDigest = await send({ method: 'GET', path: `/v1/flists/${digest}` });
    assert.match(byDigest.headers.get('cache-control') ?? '', /immutable/);
    const path = '/v1/flists/alice/a';
    const byName = await send({ method: 'GET', path });
    assert.equal(byName.headers.get('cache-control'), 'no-cache');
    assert.equal(byName.headers.get('grid-digest'), digest);
    const headers = { 'if-none-match': `"${digest}"` };
    assert.equal((await send({ method: 'GET', path }, headers)).status, 304);
    const head = await send({ method: 'HEAD', path });
    assert.equal(head.headers.get('content-length'), byName.headers.get('content-length'));
    const signed = { ...(await client.sign(digest)), key: bob.publicKey.text };
    await refuses(
      { path: `/v1/signatures/${digest}`, body: json(signed) },
      400,
      'FLIST_SIGNATURE_INVALID',
    );
    const forAlice = await client.sign(digest);
    await refuses(
      { path: `/v1/signatures/${digest}`, body: json(forAlice), key: bob },
      403,
      'HUB_DENIED',
    );
  });

  test('paths, names and bodies of other shapes are refused', async () => {
    const paths = [
      '/',
      '/v1',
      '/v1/chunks/../../x',
      '/v1//chunks',
      '/v1/chunks/%2e%2e',
      '/v1/users/',
    ];
    for (const path of paths) {
      assert.match(
        await say(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
        / 404 /,
      );
    }
    const hash = 'AB'.repeat(32);
    await refuses({ method: 'GET', path: `/v1/chunks/${hash}` }, 400, 'FLIST_HASH_INVALID');
    await refuses({ method: 'PUT', path: '/v1/users' }, 405, 'HUB_METHOD_REFUSED');
    await refuses({ method: 'GET', path: '/v1/names/Alice/x' }, 400, 'HUB_NAME_INVALID');
    await refuses({ method: 'GET', path: '/v1/search?limit=1001' }, 400, 'HUB_REQUEST_INVALID');
    await refuses({ method: 'GET', path: '/v1/search?after=nonsense' }, 400, 'HUB_NAME_INVALID');
    const odd = [
      json([]),
      json(null),
      Buffer.from('{'),
      json({ digest: 5 }),
      json({}),
      json({ digest: 'f'.repeat(64), link: 'alice/x' }),
    ];
    for (const body of odd) {
      await refuses({ path: '/v1/names/alice/x', body }, 400, 'HUB_REQUEST_INVALID');
    }
    const deep = Buffer.from('['.repeat(60_000));
    await refuses({ path: '/v1/names/alice/x', body: deep }, 400, 'HUB_REQUEST_INVALID');
    const huge = { path: '/v1/names/alice/x', body: Buffer.alloc(70_000, ' ') };
    await refuses(huge, 413, 'HUB_TOO_LARGE');
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`l${at}`, 'x']));
    for (const labels of [{ a: 5 }, { '': 'x' }, { a: 'x'.repeat(300) }, [], many]) {
      const body = json({ description: '', labels });
      await refuses({ path: '/v1/repositories/alice/x', body }, 400, 'HUB_REQUEST_INVALID');
    }
    const described = json({ description: 'x'.repeat(4_097), labels: {} });
    const repository = { path: '/v1/repositories/alice/x', body: described };
    await refuses(repository, 400, 'HUB_REQUEST_INVALID');
    const from = Array<string>(17).fill('alice/x');
    const merge = { method: 'POST', path: '/v1/merge', body: json({ from, to: 'alice/y' }) };
    await refuses(merge, 400, 'HUB_REQUEST_INVALID');
    const long = { method: 'GET', path: `/v1/${'x'.repeat(4_094)}` };
    await refuses(long, 400, 'HUB_REQUEST_INVALID');
    await refuses({ method: 'GET', path: `/v1/${'x'.repeat(4_092)}` }, 404, 'HUB_NOT_FOUND');
    const sought = { method: 'GET', path: `/v1/search?q=${'x'.repeat(257)}` };
    await refuses(sought, 400, 'HUB_REQUEST_INVALID');
  });

  test('bodies without a length, and lengths that lie, are refused', async () => {
    const head = 'POST /v1/chunks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n';
    const chunked = `${head}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`;
    assert.match(await say(chunked), / 400 [^]*HUB_REQUEST_INVALID/);
    assert.match(await say(`${head}content-length: 99999999\r\n\r\n`), / 413 /);
    assert.match(await say(`${head}content-length: -1\r\n\r\n`), / 400 /);
    assert.match(await say(`${head}content-length: 31\r\n\r\n${'x'.repeat(31)}`), / 400 /);
    assert.equal(
      await say(randomBytes(4_000)).then((said) => said.startsWith('HTTP/1.1 2')),
      false,
    );
    assert.match(
      await say(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`),
      / 431 /,
    );
  });

  test('no bytes of a path or header make the hub fail', async () => {
    const character = fc.constantFrom(...'/v1chunksnames.:%?&=\\~ -_aZ09'.split(''));
    const path = fc.array(character, { maxLength: 60 }).map((parts) => `/${parts.join('')}`);
    const known = fc.constantFrom('/v1/names/', '/v1/flists/', '/v1/chunks/', '/v1/search?');
    const header = fc.string({ maxLength: 90 });
    const request = fc.record({
      method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD'),
      path: fc.oneof(
        path,
        fc.tuple(known, path).map(([one, two]) => one + two),
      ),
      fields: fc.dictionary(
        fc.constantFrom('grid-key', 'grid-time', 'grid-nonce', 'grid-body', 'grid-signature'),
        header.map((text) => text.replaceAll(/[^\x20-\x7e]/g, '')),
      ),
    });
    const property = fc.asyncProperty(request, async ({ method, path: target, fields }) => {
      const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
      const said = await say(
        `${method} ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${lines.join('')}\r\n`,
      );
      assert.match(said, /^HTTP\/1\.1 [1-4]\d\d /);
    });
    await fc.assert(property, { numRuns: 150 });
    assert.equal((await send(missing)).status, 200);
  });

  test('slow clients are cut off, and others are told when there are too many', async () => {
    const limits = { bodyMs: 50, takeMs: 500, requestsMax: 1 };
    await using slow = await hubUnderTest({ limits }, hub.repository);
    const head = 'POST /v1/chunks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n';
    const one = say(`${head}content-length: 32\r\n\r\nx`, slow.server);
    assert.match(await one, / 408 [^]*HUB_TOO_SLOW/);

    const image = imageOf({ a: randomBytes(4 << 20) });
    const digest = await keepImage(slow.repository, image);
    await slow.client(alice, { triesMax: 20 }).upload(digest, slow.repository);
    const { hostname, port } = new URL(slow.server.url);
    const socket = connect({ port: Number(port), host: hostname });
    const asked = Buffer.from(
      Array.from({ length: 10 }, () => image.hashes)
        .flat()
        .join(''),
      'hex',
    );
    // Nothing of the answer is read.
    socket.pause();
    socket.on('error', () => {});
    const closed = once(socket, 'close');
    socket.write(`${head}content-length: ${asked.length}\r\n\r\n`);
    socket.write(asked);
    const reader = slow.client(undefined, { triesMax: 1 });
    const deadlineMs = systemClock.monotonicMs() + 10_000;
    let isBusy = false;
    while (!isBusy && systemClock.monotonicMs() < deadlineMs) {
      isBusy = await reader.listUsers().then(() => false, hasCode('HUB_BUSY'));
    }
    assert.ok(isBusy, 'the one answer under way is all that it may have');
    await slow.client(undefined, { triesMax: 20 }).listUsers();
    socket.resume();
    await closed;
  });
});

function disposeBoth(server: HubServer, under: HubUnderTest): () => Promise<void> {
  return async () => {
    await server.close();
    await under[Symbol.asyncDispose]();
  };
}
