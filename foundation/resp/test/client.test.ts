import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import path from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { RespClient } from '../src/index.ts';
import type { Reply, Request, RespConnection } from '../src/index.ts';
import { addressOf, RawPeer } from './support/raw-peer.ts';
import { openToyStore, toyHandler } from './support/toy-store.ts';

const run = promisify(execFile);

suite('client', { concurrency: false }, () => {
  test('client gets the reply of each command, in any order of asking', async () => {
    await using server = await openToyStore();
    await using client = await RespClient.connect({ port: addressOf(server).port });
    const sets = Array.from({ length: 500 }, (_, i) => client.command(['SET', `k${i}`, i]));
    const gets = Array.from({ length: 500 }, (_, i) => client.command(['GET', `k${i}`]));
    assert.deepEqual(new Set(await Promise.all(sets)), new Set(['OK']));
    const values = await Promise.all(gets);
    assert.deepEqual(
      values,
      values.map((_, i) => Buffer.from(String(i))),
    );
    assert.equal(await client.command(['GET', 'unknown']), null);
    assert.equal(client.inFlight, 0);
  });

  test('client moves values of 8 MiB unchanged, small ones between them', async () => {
    await using server = await openToyStore();
    await using client = await RespClient.connect({ port: addressOf(server).port, protocol: 3 });
    const value = Buffer.alloc(8 * 1024 * 1024);
    for (let i = 0; i < value.length; i += 4) value.writeUInt32LE(i, i);
    const replies = await Promise.all([
      client.command(['SET', 'big', value]),
      client.command(['PING']),
      client.command(['GET', 'big']),
      client.command(['PING']),
      client.command(['GET', 'big']),
    ]);
    assert.deepEqual([replies[0], replies[1], replies[3]], ['OK', 'PONG', 'PONG']);
    for (const reply of [replies[2], replies[4]]) {
      assert.ok(Buffer.isBuffer(reply) && reply.equals(value));
    }
  });

  test('client rejects a command whose reply is an error', async () => {
    await using server = await openToyStore();
    await using client = await RespClient.connect({ port: addressOf(server).port });
    const expected = { code: 'RESP_REPLY_ERROR', message: 'ERR unknown command' };
    await assert.rejects(client.command(['NIX']), expected);
    assert.equal(await client.command(['PING']), 'PONG');
  });

  test('client hands push messages to its callback', async () => {
    const messages: (readonly Reply[])[] = [];
    await using server = await openToyStore();
    const options = { port: addressOf(server).port, protocol: 3 as const };
    await using client = await RespClient.connect({ ...options, onPush: (m) => messages.push(m) });
    const [connection] = server.connections;
    connection?.push((reply) => {
      reply.push(2);
      reply.simple('event');
      reply.integer(5);
    });
    await waitFor(() => messages.length > 0, { timeoutMs: 5000, what: 'a message' });
    assert.deepEqual(messages, [['event', 5]]);
    assert.equal(await client.command(['PING']), 'PONG');
  });

  test('client stops waiting when the signal fires, and later replies still match', async () => {
    const gate = Promise.withResolvers<void>();
    await using server = await openToyStore({ onConnection: () => waitingHandler(gate.promise) });
    await using client = await RespClient.connect({ port: addressOf(server).port });
    const abort = new AbortController();
    const waiting = client.command(['WAIT'], { signal: abort.signal });
    const ping = client.command(['PING']);
    abort.abort();
    await assert.rejects(waiting, { code: 'RESP_ABORTED' });
    await assert.rejects(client.command(['PING'], { signal: abort.signal }), {
      code: 'RESP_ABORTED',
    });
    gate.resolve();
    assert.equal(await ping, 'PONG');
  });

  test('client refuses commands above its limits', async () => {
    const gate = Promise.withResolvers<void>();
    await using server = await openToyStore({ onConnection: () => waitingHandler(gate.promise) });
    await using client = await RespClient.connect({
      port: addressOf(server).port,
      maxInFlight: 3,
      maxUnsentBytes: 1_000_000,
    });
    const waiting = [client.command(['WAIT']), client.command(['SET', 'k', Buffer.alloc(5e6)])];
    await assert.rejects(client.command(['PING']), { code: 'RESP_QUEUE_FULL' });
    gate.resolve();
    await Promise.all(waiting);
    const three = [1, 2, 3].map(() => client.command(['PING']));
    await assert.rejects(client.command(['PING']), { code: 'RESP_QUEUE_FULL' });
    assert.deepEqual(await Promise.all(three), ['PONG', 'PONG', 'PONG']);
  });

  test('client fails when nobody listens, or nobody answers in time', async () => {
    const silent = await listen(() => {});
    const port = portOf(silent);
    await assert.rejects(RespClient.connect({ port, password: 'x', connectTimeoutMs: 50 }), {
      code: 'RESP_CONNECT_FAILED',
    });
    await stop(silent);
    await assert.rejects(RespClient.connect({ port }), { code: 'RESP_CONNECT_FAILED' });
  });

  test('who closes does not wait for a server that says nothing', { timeout: 60_000 }, async () => {
    const sockets: Socket[] = [];
    const silent = await listen((socket) => void sockets.push(socket));
    const where = { port: portOf(silent), connectTimeoutMs: 600_000 };
    for (const begin of [{ password: 'x' }, { tls: {} }]) {
      const client = new RespClient({ ...where, ...begin, reconnect: true });
      const asked = assert.rejects(client.command(['PING']), { code: 'RESP_CLOSED' });
      await waitFor(() => sockets.length > 0, { timeoutMs: 30_000, what: 'the connection' });
      await client.close();
      await asked;
      sockets.length = 0;
      const abort = new AbortController();
      const opening = RespClient.connect({ ...where, ...begin }, abort.signal);
      const refused = assert.rejects(opening, { code: 'RESP_CLOSED' });
      await waitFor(() => sockets.length > 0, { timeoutMs: 30_000, what: 'the other connection' });
      abort.abort();
      await refused;
      await assert.rejects(RespClient.connect(where, abort.signal), { code: 'RESP_CLOSED' });
      sockets.length = 0;
    }
    await stop(silent);
  });

  test('client sends its password and setup before anything else', async () => {
    const seen: string[] = [];
    await using server = await openToyStore({ onConnection: () => recordingHandler(seen) });
    const { port } = addressOf(server);
    const setup = [['SELECT', 'ns']];
    await using first = await RespClient.connect({ port, password: 'secret', setup });
    await first.command(['PING']);
    await using second = await RespClient.connect({ port, password: 'secret', protocol: 3 });
    await second.command(['PING']);
    assert.deepEqual(seen, [
      'AUTH secret',
      'SELECT ns',
      'PING',
      'HELLO 3 AUTH default secret',
      'PING',
    ]);
    await assert.rejects(RespClient.connect({ port, password: 'wrong' }), {
      code: 'RESP_REPLY_ERROR',
    });
  });

  test('client rejects what was in flight when the connection is lost', async () => {
    await using server = await openToyStore({ onConnection: () => waitingHandler(forever) });
    await using client = await RespClient.connect({ port: addressOf(server).port });
    const waiting = [client.command(['WAIT']), client.command(['PING'])];
    for (const connection of server.connections) connection.destroy();
    for (const command of waiting) await assert.rejects(command, { code: 'RESP_CONNECTION_LOST' });
    assert.equal(client.isConnected, false);
    await assert.rejects(client.command(['PING']), { code: 'RESP_CONNECTION_LOST' });
  });

  test('client that may reconnect does so for the next command, setup included', async () => {
    const seen: string[] = [];
    await using server = await openToyStore({ onConnection: () => recordingHandler(seen) });
    const options = { port: addressOf(server).port, reconnect: true, setup: [['SELECT', 'ns']] };
    await using client = await RespClient.connect(options);
    for (const connection of server.connections) connection.destroy();
    await waitFor(() => !client.isConnected, { timeoutMs: 5000, what: 'the loss' });
    const pings = [client.command(['PING']), client.command(['PING'])];
    assert.deepEqual(await Promise.all(pings), ['PONG', 'PONG']);
    assert.deepEqual(seen, ['SELECT ns', 'SELECT ns', 'PING', 'PING']);
  });

  test('client gives up a server that does not speak the protocol', async () => {
    const http = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const connecting = RespClient.connect({ port: portOf(http), protocol: 3 });
    await assert.rejects(connecting, { code: 'RESP_PROTOCOL_BROKEN' });
    await stop(http);
  });

  test('client that closes waits for its replies and takes no more commands', async () => {
    const gate = Promise.withResolvers<void>();
    await using server = await openToyStore({ onConnection: () => waitingHandler(gate.promise) });
    const client = await RespClient.connect({ port: addressOf(server).port });
    const waiting = client.command(['WAIT']);
    const closing = client.close();
    await assert.rejects(client.command(['PING']), { code: 'RESP_CLOSED' });
    gate.resolve();
    assert.equal(await waiting, 'OK');
    await closing;
    await client.close();
  });

  test('client and server speak TLS; a pin is checked before anything is sent', async () => {
    await using folder = await tempFolder('resp-tls');
    const { cert, key, fingerprint256 } = await makeCertificate(folder.path);
    const seen: string[] = [];
    await using server = await openToyStore({
      tls: { cert, key },
      onConnection: () => recordingHandler(seen),
    });
    const { port } = addressOf(server);
    await using byAuthority = await RespClient.connect({ port, tls: { ca: cert } });
    await using byPin = await RespClient.connect({ port, tls: { fingerprint256 } });
    const value = Buffer.alloc(3_000_000, 't');
    assert.equal(await byAuthority.command(['SET', 'k', value]), 'OK');
    const read = await byPin.command(['GET', 'k']);
    assert.ok(Buffer.isBuffer(read) && read.equals(value));
    const wrong = fingerprint256.replace(/^../, fingerprint256.startsWith('AA') ? 'BB' : 'AA');
    const count = seen.length;
    await assert.rejects(
      RespClient.connect({ port, password: 'secret', tls: { fingerprint256: wrong } }),
      { code: 'RESP_PEER_UNTRUSTED' },
    );
    await assert.rejects(RespClient.connect({ port, password: 'secret', tls: {} }), {
      code: 'RESP_CONNECT_FAILED',
    });
    assert.equal(seen.length, count);
  });

  test('server keeps room for handshakes from peers that never finish theirs', async () => {
    await using folder = await tempFolder('resp-tls');
    const idle: RawPeer[] = [];
    try {
      const { cert, key } = await makeCertificate(folder.path);
      await using server = await openToyStore({ tls: { cert, key } });
      const { port } = addressOf(server);
      await using before = await RespClient.connect({ port, tls: { ca: cert } });
      for (let i = 0; i < 515; i++) idle.push(await RawPeer.connect(server));
      await using after = await RespClient.connect({ port, tls: { ca: cert } });
      const isCut = ({ isClosed, hasEnded }: RawPeer): boolean => isClosed || hasEnded;
      await waitFor(() => idle.slice(0, 3).every(isCut), { timeoutMs: 5_000, what: 'the oldest' });
      assert.equal(idle.filter(isCut).length, 4);
      for (const client of [before, after]) assert.equal(await client.command(['PING']), 'PONG');
    } finally {
      for (const { socket } of idle) socket.destroy();
    }
  });
});

const forever = new Promise<void>(() => {});

/** A toy store whose WAIT takes as long as `promise`. */
function waitingHandler(promise: Promise<void>): ReturnType<typeof toyHandler> {
  const toy = toyHandler(new Map());
  return {
    handle(request: Request, connection: RespConnection): void | Promise<void> {
      if (!request.is(0, 'WAIT')) return toy.handle(request, connection);
      const gone = once(connection.signal, 'abort');
      return Promise.race([promise, gone]).then(() => connection.reply.ok());
    },
  };
}

const recorded = new Map<string, Buffer>();

/** A toy store that notes the commands that it gets, and refuses every password but one. */
function recordingHandler(seen: string[]): ReturnType<typeof toyHandler> {
  const toy = toyHandler(recorded);
  return {
    handle(request: Request, connection: RespConnection): void | Promise<void> {
      const words = Array.from({ length: request.argc }, (_, i) => request.text(i).slice(0, 20));
      seen.push(words.join(' '));
      if (request.is(0, 'SELECT')) connection.reply.ok();
      else if (request.is(0, 'AUTH') && request.text(1) === 'secret') connection.reply.ok();
      else return toy.handle(request, connection);
      return undefined;
    },
  };
}

async function listen(onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.resume();
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

async function stop(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}

async function makeCertificate(
  folder: string,
): Promise<{ cert: string; key: string; fingerprint256: string }> {
  const [certFile, keyFile] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=toy', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await run('openssl', ['req', ...kind, '-keyout', keyFile, '-out', certFile, ...subject]);
  const print = ['x509', '-in', certFile, '-noout', '-fingerprint', '-sha256'];
  const { stdout } = await run('openssl', print);
  return {
    cert: await readFile(certFile, 'utf8'),
    key: await readFile(keyFile, 'utf8'),
    fingerprint256: stdout.split('=')[1]?.trim() ?? '',
  };
}
