import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';
import { RespServer } from '@commongrid/resp';

import type { ChunkHash, ChunkSource, PackedChunk } from '../src/ports.ts';
import { frameHeader } from '../src/sources/chunk-frames.ts';
import { DirectorySource } from '../src/sources/directory-source.ts';
import { HttpSource } from '../src/sources/http-source.ts';
import { SourceSet } from '../src/sources/source-set.ts';
import type { SourceEvent } from '../src/sources/source-state.ts';
import { ZdbSource } from '../src/sources/zdb-source.ts';
import { packChunk, unpackChunk } from '../src/store/chunk-codec.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { imageOf } from './store-images.ts';

const image = imageOf(
  Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`f${index}`, randomBytes(20_000)])),
);
const packed = new Map<string, Buffer>();
for (const [index, chunk] of image.chunks.entries()) {
  packed.set(image.hashes[index] ?? '', await packChunk(chunk));
}
const stranger = 'ab'.repeat(32) as ChunkHash;

async function serve(listener: RequestListener): Promise<AsyncDisposable & { url: string }> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/base/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function hashesOf(request: IncomingMessage): Promise<string[]> {
  const body = Buffer.concat(await Array.fromAsync<Buffer>(request));
  return Array.from({ length: body.length / 32 }, (_, index) =>
    body.toString('hex', index * 32, index * 32 + 32),
  );
}

/** Answers as the format says. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'GET') {
    const chunk = packed.get(request.url?.replace('/base/chunks/', '') ?? '');
    response.statusCode = chunk === undefined ? 404 : 200;
    response.end(chunk);
    return;
  }
  assert.equal(request.url, '/base/chunks');
  for (const hash of await hashesOf(request)) {
    const chunk = packed.get(hash);
    response.write(frameHeader(hash as ChunkHash, chunk?.length));
    if (chunk !== undefined) response.write(chunk);
  }
  response.end();
}

async function fetched(source: ChunkSource, hashes: readonly ChunkHash[]): Promise<PackedChunk[]> {
  const { signal } = new AbortController();
  return Array.fromAsync(source.fetch(hashes, signal));
}

async function assertGives(source: ChunkSource): Promise<void> {
  const chunks = await fetched(source, [stranger, ...image.hashes]);
  assert.deepEqual(new Set(chunks.map(({ hash }) => hash)), new Set(image.hashes));
  for (const { hash, packed: bytes } of chunks) await unpackChunk(hash, bytes);
  assert.equal((await fetched(source, image.hashes.slice(3, 4))).length, 1);
  assert.deepEqual(await fetched(source, [stranger]), []);
  assert.deepEqual(await fetched(source, []), []);
}

test('a source over HTTP gives what the server has, one or many', async () => {
  await using server = await serve((request, response) => void answer(request, response));
  await using source = new HttpSource({ url: server.url });
  await assertGives(source);
});

test('a folder of a repository is a source while somebody writes it', async () => {
  await using folder = await tempFolder('flist');
  await using repository = await FlistRepository.open({ folder: folder.path });
  for (const chunk of image.chunks) await repository.put(chunk);
  await repository.sync();
  await using source = new DirectorySource(folder.path);
  await assertGives(source);
});

test('a namespace of Zero-DB is filled and is a source', async () => {
  const values = new Map<string, Buffer>();
  const selects: string[] = [];
  await using server = await RespServer.open({
    listen: [{ host: '127.0.0.1', port: 0 }],
    onConnection: () => ({
      handle(request, { reply }) {
        const [command, key] = [request.text(0), request.latin1(1)];
        const value = values.get(key);
        if (command === 'SELECT') selects.push(`${key} ${request.text(2)}`);
        if (command === 'SET') values.set(key, request.copy(2));
        if (command !== 'GET') reply.ok();
        else if (value === undefined) reply.nil();
        else reply.bulk(value);
      },
    }),
  });
  const [address] = server.addresses;
  assert.ok(address !== undefined && 'port' in address);
  const target = { host: '127.0.0.1', port: address.port, namespace: 'chunks', password: 'pass' };
  await using source = new ZdbSource(target);
  for (const [hash, bytes] of packed) {
    await source.put({ hash: hash as ChunkHash, packed: bytes });
  }
  await assertGives(source);
  assert.deepEqual(selects, ['chunks pass']);
  const key = Buffer.concat([
    Buffer.from('flist-chunk:'),
    Buffer.from(image.hashes[0] ?? '', 'hex'),
  ]);
  assert.ok(values.has(key.toString('latin1')));
});

test('servers that fail, lie, stall or end early are reported, and the next one is asked', async () => {
  const stalled = new Set<ServerResponse>();
  const faults: RequestListener[] = [
    (request, response) => void request.resume().once('end', () => response.writeHead(500).end()),
    (_request, response) => void response.writeHead(302, { location: '/elsewhere' }).end(),
    (_request, response) => void response.socket?.destroy(),
    (_request, response) => {
      const [hash, chunk] = [...packed][0] ?? [stranger, Buffer.alloc(0)];
      response.write(frameHeader(hash as ChunkHash, chunk.length));
      response.end(chunk.subarray(5));
    },
    (_request, response) => void response.end(frameHeader(stranger, 2_000_000_000)),
    (request, response) => {
      request.resume();
      stalled.add(response.writeHead(200));
      response.write(Buffer.alloc(7));
    },
  ];
  await using stack = new AsyncDisposableStack();
  const sources: ChunkSource[] = [];
  for (const [index, fault] of faults.entries()) {
    const server = stack.use(await serve(fault));
    sources.push(new HttpSource({ url: server.url, name: `fault ${index}` }));
  }
  const honest = stack.use(await serve((request, response) => void answer(request, response)));
  sources.push(new HttpSource({ url: honest.url, name: 'honest' }));
  const events: SourceEvent[] = [];
  await using set = new SourceSet({
    sources: sources.map((source) => ({ source })),
    onEvent: (event) => events.push(event),
    hedgeAfterMs: 200,
  });
  const got = new Set<string>();
  const wants = image.hashes.map((hash) => ({ hash, sizeBytes: 20_000 }));
  const { signal } = new AbortController();
  await set.fetch(wants, (hash) => void got.add(hash), { signal });
  assert.deepEqual(got, new Set(image.hashes));
  const named = new Set(events.map(({ source }) => source));
  for (const index of faults.keys()) assert.ok(named.has(`fault ${index}`), `fault ${index}`);
  assert.ok(!events.some(({ kind, source }) => kind === 'source-paused' && source === 'honest'));
});

test('a server that nobody reaches is a failed source', async () => {
  const server = await serve(() => undefined);
  await server[Symbol.asyncDispose]();
  await using source = new HttpSource({ url: server.url });
  await assert.rejects(fetched(source, image.hashes), hasCode('FLIST_SOURCE_FAILED'));
});

test('a server that changes to another protocol unasked is a failed source at once', async () => {
  await using server = await serve((_request, { socket }) => {
    socket?.write('HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
  });
  await using source = new HttpSource({ url: server.url });
  await assert.rejects(fetched(source, image.hashes), hasCode('FLIST_SOURCE_FAILED'));
});

test('a server that sends a chunk without end is stopped', async () => {
  await using server = await serve((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    more();
  });
  await using source = new HttpSource({ url: server.url });
  await assert.rejects(fetched(source, [stranger]), hasCode('FLIST_SOURCE_FAILED'));
});

test('sources are replaced while they are asked: what the former ones owe, the new ones give', async () => {
  await using silent = await serve(() => undefined);
  await using honest = await serve((request, response) => void answer(request, response));
  await using set = new SourceSet({
    sources: [{ source: new HttpSource({ url: silent.url, name: 'silent' }) }],
    giveUpAfterMs: 500,
  });
  const got = new Set<string>();
  const wants = image.hashes.map((hash) => ({ hash, sizeBytes: 20_000 }));
  const { signal } = new AbortController();
  const fetching = set.fetch(wants, (hash) => void got.add(hash), { signal });
  await set.replace([{ source: new HttpSource({ url: honest.url, name: 'honest' }) }]);
  assert.deepEqual(
    set.status.map(({ name }) => name),
    ['honest'],
  );
  await fetching;
  assert.deepEqual(got, new Set(image.hashes));
});
