import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { RespClient } from '../src/index.ts';
import type { RespConnection, RespServer } from '../src/index.ts';
import { addressOf, encodeRequest, RawPeer } from './support/raw-peer.ts';
import { openToyStore, toyHandler } from './support/toy-store.ts';

const run = promisify(execFile);

suite('server', { concurrency: false }, () => {
  test('server answers redis-cli in RESP2 and RESP3', async () => {
    await using server = await openToyStore();
    const port = String(addressOf(server).port);
    const ask = async (...args: string[]): Promise<string> =>
      (await run('redis-cli', ['-p', port, ...args])).stdout;
    assert.equal(await ask('SET', 'k', 'value'), 'OK\n');
    assert.equal(await ask('GET', 'k'), 'value\n');
    assert.match(await ask('-3', 'HELLO', '3'), /proto\s3/);
    assert.match(await ask('NIX'), /ERR unknown command/);
  });

  test('server answers redis-benchmark, inline commands included', async () => {
    await using server = await openToyStore();
    const port = String(addressOf(server).port);
    const args = ['-p', port, '-t', 'ping,set,get', '-n', '20000', '-d', '512', '-P', '16'];
    const { stdout } = await run('redis-benchmark', [...args, '-c', '20', '-r', '100', '--csv']);
    for (const name of ['PING_INLINE', 'PING_MBULK', 'SET', 'GET']) {
      assert.match(stdout, new RegExp(`"${name}","[1-9]`));
    }
    await waitFor(() => server.connections.size === 0, { timeoutMs: 5000, what: 'all to leave' });
    assert.equal(server.stats.unsentBytes, 0);
    assert.ok(server.stats.bytesIn > 20_000 * 512);
  });

  test('server answers pipelined requests in order however they are cut', async () => {
    await using server = await openToyStore();
    const peer = await RawPeer.connect(server);
    const sets = Array.from({ length: 300 }, (_, i) => encodeRequest('SET', `k${i}`, `v${i}`));
    const gets = Array.from({ length: 300 }, (_, i) => encodeRequest('GET', `k${i}`));
    const stream = [...sets, ...gets].join('');
    for (let at = 0; at < stream.length; at += 777) peer.send(stream.slice(at, at + 777));
    const values = Array.from({ length: 300 }, (_, i) => `$${`v${i}`.length}\r\nv${i}\r\n`);
    await peer.expect('+OK\r\n'.repeat(300) + values.join(''));
    peer.socket.destroy();
  });

  test('server says what is wrong with a request and closes', async () => {
    await using server = await openToyStore();
    const cases: readonly (readonly [string, string])[] = [
      ['+PING\r\n', '-Malformed request, array expected\r\n'],
      ['*0\r\n', '-Missing arguments\r\n'],
      ['*1025\r\n', '-Too many arguments\r\n'],
      ['*1\r\n:5\r\n', '-Malformed query string\r\n'],
      ['*1\r\n$-1\r\n', '-Malformed query string\r\n'],
      ['*1\r\n$8388609\r\n', '-Payload too big\r\n'],
    ];
    for (const [bad, reply] of cases) {
      const peer = await RawPeer.connect(server);
      peer.send(`${encodeRequest('PING')}${bad}${encodeRequest('PING')}`);
      await peer.expect(`+PONG\r\n${reply}`);
      await peer.ended();
      peer.socket.destroy();
    }
    await waitFor(() => server.connections.size === 0, { timeoutMs: 5000, what: 'all to leave' });
  });

  test('server lets a peer that is still sending read why it is closed', async () => {
    await using server = await openToyStore();
    const peer = await RawPeer.connect(server);
    peer.send(Buffer.concat([Buffer.from('*2\r\n$99999999\r\n'), Buffer.alloc(4_000_000)]));
    await peer.expect('-Payload too big\r\n');
    await peer.ended();
    peer.socket.destroy();
  });

  test('server answers everything before a half-close, then closes', async () => {
    await using server = await openToyStore();
    const peer = await RawPeer.connect(server);
    peer.send(`${encodeRequest('SET', 'a', '1')}${encodeRequest('GET', 'a')}*2\r\n$3\r\nGE`);
    peer.socket.end();
    await peer.expect('+OK\r\n$1\r\n1\r\n');
    await peer.closed();
  });

  test('server survives peers that reset in the middle', async () => {
    await using server = await openToyStore();
    for (let i = 0; i < 20; i++) {
      const peer = await RawPeer.connect(server);
      peer.send(`${encodeRequest('PING').repeat(50)}*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000\r\nabc`);
      peer.socket.resetAndDestroy();
    }
    await waitFor(() => server.connections.size === 0, { timeoutMs: 5000, what: 'all to leave' });
    assert.equal(server.stats.partialBytes, 0);
    const peer = await RawPeer.connect(server);
    peer.send('PING\r\n');
    await peer.expect('+PONG\r\n');
    peer.socket.destroy();
  });

  test('server holds replies until their ticket is released, in order', async () => {
    let next = 0;
    const values = new Map<string, Buffer>();
    await using server = await openToyStore({
      onConnection: () => {
        const toy = toyHandler(values);
        return {
          handle(request, connection) {
            if (request.is(0, 'SET')) connection.need(++next);
            return toy.handle(request, connection);
          },
        };
      },
    });
    const [writer, reader] = [await RawPeer.connect(server), await RawPeer.connect(server)];
    writer.send(encodeRequest('SET', 'a', '1'));
    await waitFor(() => next === 1, { timeoutMs: 5000, what: 'the first SET' });
    writer.send('PING\r\n');
    reader.send('PING\r\n');
    await reader.expect('+PONG\r\n');
    writer.send(encodeRequest('SET', 'a', '2'));
    await waitFor(() => next === 2, { timeoutMs: 5000, what: 'the second SET' });
    reader.send('PING\r\n');
    await reader.expect('+PONG\r\n');
    assert.equal(writer.received, '');
    server.release(1);
    await writer.expect('+OK\r\n+PONG\r\n');
    server.release(2);
    await writer.expect('+OK\r\n');
    writer.socket.destroy();
    reader.socket.destroy();
  });

  test('server answers an error for each reply whose ticket will never be released', async () => {
    let next = 0;
    await using server = await openToyStore({
      onConnection: () => ({
        handle(request, connection) {
          if (request.is(0, 'SET')) connection.need(++next);
          connection.reply.ok();
        },
      }),
    });
    const [writer, late] = [await RawPeer.connect(server), await RawPeer.connect(server)];
    writer.send('SET\r\n');
    await waitFor(() => next === 1, { timeoutMs: 5000, what: 'the first SET' });
    server.release(1);
    await writer.expect('+OK\r\n');
    writer.send('SET\r\nSET\r\nPING\r\n');
    await waitFor(() => next === 3, { timeoutMs: 5000, what: 'two more SET' });
    server.refuse('no disk');
    await writer.expect('-no disk\r\n'.repeat(3));
    late.send('PING\r\n');
    await late.expect('+OK\r\n');
    late.send('SET\r\n');
    await late.expect('-no disk\r\n');
    writer.socket.destroy();
    late.socket.destroy();
  });

  test('server that takes a refusal back gives nothing away that was asked for before', async () => {
    const gate = Promise.withResolvers<void>();
    let isHandling = false;
    await using server = await openToyStore({
      onConnection: () => ({
        handle(request, connection) {
          connection.need(2);
          connection.reply.ok();
          isHandling = request.is(0, 'SLOW');
          return isHandling ? gate.promise : undefined;
        },
      }),
    });
    const [slow, other] = [await RawPeer.connect(server), await RawPeer.connect(server)];
    server.release(1);
    slow.send('SLOW\r\n');
    await waitFor(() => isHandling, { timeoutMs: 5000, what: 'the slow request' });
    server.refuse('no disk');
    other.send('GET\r\n');
    await other.expect('-no disk\r\n');
    server.accept();
    gate.resolve();
    await slow.ended();
    slow.socket.destroy();
    assert.equal(slow.received, '');
    other.send('GET\r\n');
    await waitFor(() => server.stats.bytesIn === 16, { timeoutMs: 5000, what: 'the request' });
    server.release(2);
    await other.expect('+OK\r\n');
    other.socket.destroy();
  });

  test('server calls onTurn before the replies of a turn leave, and lets it release', async () => {
    let turns = 0;
    let ticket = 0;
    await using server: RespServer = await openToyStore({
      onConnection: () => ({
        handle(_request, connection) {
          connection.need(++ticket);
          connection.reply.integer(turns);
        },
      }),
      onTurn: () => {
        turns++;
        server.release(ticket);
      },
    });
    const peer = await RawPeer.connect(server);
    peer.send('PING\r\n');
    await peer.expect(':0\r\n');
    assert.equal(turns, 1);
    peer.send('PING\r\nPING\r\n');
    await peer.expect(':1\r\n:1\r\n');
    peer.socket.destroy();
  });

  test('server lets later requests wait for a promise, and earlier replies go', async () => {
    const gate = Promise.withResolvers<void>();
    await using server = await openToyStore({
      onConnection: () => ({
        async handle(request, { reply }) {
          const at = reply.reserveBulk(4);
          const { buffer } = reply;
          await gate.promise;
          buffer.write('slow', at);
          assert.equal(request.text(0), 'SLOW');
        },
      }),
    });
    server.connections.forEach(() => assert.fail('nobody is connected yet'));
    const peer = await RawPeer.connect(server);
    peer.send('SLOW\r\n');
    peer.send('SLOW\r\n'.repeat(5000));
    await waitFor(() => server.stats.bytesIn > 6 * 1000, { timeoutMs: 5000, what: 'input' });
    assert.equal(peer.received, '');
    gate.resolve();
    await peer.expect('$4\r\nslow\r\n'.repeat(5001));
    peer.socket.destroy();
  });

  test('server sends what was answered before a request that takes long', async () => {
    const gate = Promise.withResolvers<void>();
    const values = new Map<string, Buffer>();
    await using server = await openToyStore({
      onConnection: () => {
        const toy = toyHandler(values);
        return {
          handle(request, connection) {
            if (!request.is(0, 'WAIT')) return toy.handle(request, connection);
            return gate.promise.then(() => connection.reply.integer(7));
          },
        };
      },
    });
    const peer = await RawPeer.connect(server);
    peer.send('PING\r\nWAIT\r\nPING\r\n');
    await peer.expect('+PONG\r\n');
    const [connection] = server.connections;
    assert.ok(connection?.push((reply) => reply.simple('pushed')));
    gate.resolve();
    await peer.expect(':7\r\n+pushed\r\n+PONG\r\n');
    peer.socket.destroy();
  });

  test('server answers Internal Error for a handler that fails, and goes on', async () => {
    const errors: unknown[] = [];
    await using server = await openToyStore({
      onConnection: () => ({
        handle(request, { reply }): undefined | Promise<void> {
          reply.array(3);
          reply.ok();
          if (request.is(0, 'SYNC')) throw new Error('sync');
          if (request.is(0, 'ASYNC')) return Promise.reject(new Error('async'));
          reply.ok();
          reply.ok();
          return undefined;
        },
      }),
      onError: (error) => errors.push(error),
    });
    const peer = await RawPeer.connect(server);
    peer.send('FINE\r\nSYNC\r\nASYNC\r\nFINE\r\n');
    const fine = '*3\r\n+OK\r\n+OK\r\n+OK\r\n';
    await peer.expect(`${fine}-Internal Error\r\n-Internal Error\r\n${fine}`);
    assert.deepEqual(errors.map(String), ['Error: sync', 'Error: async']);
    peer.socket.destroy();
  });

  test('server streams a reply that a handler flushes, and tells it when the peer leaves', async () => {
    const seen: RespConnection[] = [];
    const done = Promise.withResolvers<unknown>();
    await using server = await openToyStore({
      onConnection: () => ({
        async handle(_request, connection) {
          seen.push(connection);
          for (let i = 0; !connection.signal.aborted; i++) {
            connection.reply.integer(i % 10);
            connection.flush();
            await connection.drained().catch(done.resolve);
            await new Promise((resolve) => setImmediate(resolve));
          }
          done.resolve('aborted');
        },
      }),
    });
    const peer = await RawPeer.connect(server);
    peer.send('STREAM\r\n');
    await waitFor(() => peer.received.length > 1000, { timeoutMs: 5000, what: 'a stream' });
    assert.ok(peer.received.startsWith(':0\r\n:1\r\n:2\r\n'));
    peer.socket.destroy();
    await done.promise;
    await waitFor(() => server.connections.size === 0, { timeoutMs: 5000, what: 'it to leave' });
    assert.ok(seen[0]?.signal.aborted);
  });

  test('server does not push to a peer that does not read', async () => {
    await using server = await openToyStore();
    const peer = await RawPeer.connect(server);
    peer.send('PING\r\n');
    await peer.expect('+PONG\r\n');
    peer.socket.pause();
    const [connection] = server.connections;
    assert.ok(connection);
    const text = 'x'.repeat(200_000);
    let pushed = 0;
    await waitFor(
      () => {
        const isTaken = connection.push((reply) => reply.bulkText(text));
        if (isTaken) pushed++;
        return !isTaken;
      },
      { timeoutMs: 10_000, everyMs: 1, what: 'the peer to be full' },
    );
    assert.ok(connection.pendingBytes < 2_000_000);
    const drained = connection.drained();
    peer.socket.resume();
    await drained;
    await peer.expect(`$200000\r\n${text}\r\n`.repeat(pushed));
    peer.socket.destroy();
  });

  test('server closes a connection after what is queued, when the handler asks', async () => {
    await using server = await openToyStore({
      onConnection: () => ({
        handle(_request, connection) {
          connection.reply.bulkText('y'.repeat(500_000));
          connection.close();
        },
      }),
    });
    const peer = await RawPeer.connect(server);
    peer.send('QUIT\r\nQUIT\r\n');
    await peer.expect(`$500000\r\n${'y'.repeat(500_000)}\r\n`);
    await peer.ended();
    peer.socket.destroy();
  });

  test('server that closes sends what is queued and waits for its handlers', async () => {
    let isFinished = false;
    const server = await openToyStore({
      onConnection: () => ({
        async handle(_request, { reply, signal }) {
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          reply.simple('LAST');
          isFinished = true;
        },
      }),
    });
    const peer = await RawPeer.connect(server);
    peer.send('WAIT\r\n');
    await waitFor(() => server.stats.bytesIn === 6, { timeoutMs: 5000, what: 'the request' });
    const closing = server.close();
    await peer.expect('+LAST\r\n');
    await peer.ended();
    peer.socket.end();
    await closing;
    assert.ok(isFinished);
    assert.equal(await server.close(), undefined);
  });

  test('server listens on a Unix socket, also where a dead one left its file', async () => {
    await using folder = await tempFolder('resp');
    const socketPath = path.join(folder.path, 's');
    await assert.rejects(run(process.execPath, ['-e', leaveSocketBehind, socketPath]));
    await using server = await openToyStore({ listen: [], socketPath });
    assert.deepEqual(server.addresses, []);
    await using client = await RespClient.connect({ socketPath });
    assert.equal(await client.command(['PING']), 'PONG');
    await assert.rejects(openToyStore({ listen: [], socketPath }), {
      code: 'RESP_LISTEN_FAILED',
    });
    const file = path.join(folder.path, 'file');
    await writeFile(file, 'precious');
    await assert.rejects(openToyStore({ socketPath: file }), { code: 'RESP_LISTEN_FAILED' });
    assert.equal(await readFile(file, 'utf8'), 'precious');
  });

  test('server that cannot have one of its addresses opens none', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    assert.ok(address !== null && typeof address === 'object');
    const listen = [
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: address.port },
    ];
    await assert.rejects(openToyStore({ listen }), { code: 'RESP_LISTEN_FAILED' });
    await new Promise((resolve) => taken.close(resolve));
  });
});

/** Dies without closing, so that the file stays. */
const leaveSocketBehind = `
  require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 9));
`;
