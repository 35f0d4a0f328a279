import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { RespClient, type RespConnection } from '../src/index.ts';
import { encodeRequest, addressOf, RawPeer } from './support/raw-peer.ts';
import { openToyStore, toyHandler } from './support/toy-store.ts';

const soon = { timeoutMs: 10_000, everyMs: 2 };

suite('server limits', { concurrency: false }, () => {
  test('server tells one connection too many and serves the others', async () => {
    await using server = await openToyStore({ limits: { maxConnections: 2 } });
    const first = await RawPeer.connect(server);
    const second = await RawPeer.connect(server);
    await waitFor(() => server.connections.size === 2, { ...soon, what: 'two connections' });
    const third = await RawPeer.connect(server);
    third.send('PING\r\n');
    await third.expect('-ERR max number of clients reached\r\n');
    await third.ended();
    assert.equal(server.stats.connectionsRejected, 1);
    first.socket.destroy();
    await waitFor(() => server.connections.size === 1, { ...soon, what: 'one to leave' });
    const fourth = await RawPeer.connect(server);
    fourth.send('PING\r\n');
    await fourth.expect('+PONG\r\n');
    for (const peer of [second, third, fourth]) peer.socket.destroy();
  });

  test('server takes one connection too many in the place of another', async () => {
    const places: RespConnection[] = [];
    await using server = await openToyStore({
      limits: { maxConnections: 2 },
      onConnection: (connection) => {
        places.push(connection);
        return toyHandler(new Map());
      },
      makeRoom: () => {
        const [first] = places.splice(0, 1);
        first?.destroy();
        return first !== undefined;
      },
    });
    const [first, second] = [await RawPeer.connect(server), await RawPeer.connect(server)];
    await waitFor(() => server.connections.size === 2, { ...soon, what: 'two connections' });
    const third = await RawPeer.connect(server);
    await first.ended();
    for (const peer of [second, third]) {
      peer.send('PING\r\n');
      await peer.expect('+PONG\r\n');
    }
    places.length = 0;
    const fourth = await RawPeer.connect(server);
    await fourth.expect('-ERR max number of clients reached\r\n');
    for (const peer of [first, second, third, fourth]) peer.socket.destroy();
  });

  test('server closes a peer that sends a request too slowly, small or large', async () => {
    await using server = await openToyStore({ limits: { stallMs: 200 } });
    const [small, large] = [await RawPeer.connect(server), await RawPeer.connect(server)];
    const idle = await RawPeer.connect(server);
    small.send('*2\r\n$3\r\nGET');
    large.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8000000\r\n${'x'.repeat(100_000)}`);
    const dripping = setInterval(() => {
      for (const peer of [small, large]) if (!peer.isClosed) peer.send('x');
    }, 20);
    await Promise.all([small.closed(), large.closed()]);
    clearInterval(dripping);
    assert.equal(server.stats.partialBytes, 0);
    idle.send('PING\r\n');
    await idle.expect('+PONG\r\n');
    idle.socket.destroy();
  });

  test('server closes a peer that does not take its replies', async () => {
    const values = new Map([['big', Buffer.alloc(8_000_000)]]);
    await using server = await openToyStore({
      onConnection: () => toyHandler(values),
      limits: { stallMs: 300 },
    });
    const peer = await RawPeer.connect(server);
    peer.socket.pause();
    peer.send(encodeRequest('GET', 'big').repeat(50));
    await waitFor(() => server.stats.unsentBytes > 0, { ...soon, what: 'unsent replies' });
    assert.ok(server.stats.unsentBytes < 10_000_000);
    await waitFor(() => server.connections.size === 0, { ...soon, what: 'it to be closed' });
    assert.equal(server.stats.unsentBytes, 0);
    peer.socket.destroy();
  });

  test('server that closes does not wait for peers that take nothing', async () => {
    const values = new Map([['big', Buffer.alloc(8_000_000)]]);
    const server = await openToyStore({
      onConnection: () => toyHandler(values),
      limits: { closeMs: 100 },
    });
    const peer = await RawPeer.connect(server);
    peer.socket.pause();
    peer.send(encodeRequest('GET', 'big'));
    await waitFor(() => server.stats.unsentBytes > 0, { ...soon, what: 'unsent replies' });
    const started = performance.now();
    await server.close();
    assert.ok(performance.now() - started < 10_000, 'the peer kept the server open');
    peer.socket.destroy();
  });

  test('server gives up a peer that half-closed while its request takes too long', async () => {
    const aborted = Promise.withResolvers<void>();
    await using server = await openToyStore({
      limits: { stallMs: 100 },
      onConnection: () => ({
        handle: (_request, { signal }) => {
          signal.addEventListener('abort', () => aborted.resolve());
          return aborted.promise;
        },
      }),
    });
    const peer = await RawPeer.connect(server);
    peer.send('WAIT\r\n');
    peer.socket.end();
    await aborted.promise;
    await peer.closed();
  });

  test('server serves all of a pipeline whose replies are larger than what it may hold', async () => {
    const values = new Map([['v', Buffer.alloc(100_000, 'v')]]);
    await using server = await openToyStore({
      onConnection: () => toyHandler(values),
      limits: { maxUnsentBytes: 150_000, maxUnsentTotalBytes: 200_000 },
    });
    const port = addressOf(server).port;
    const clients = await Promise.all([1, 2, 3].map(() => RespClient.connect({ port })));
    const replies = clients.flatMap((client) =>
      Array.from({ length: 200 }, () => client.command(['GET', 'v'])),
    );
    for (const reply of await Promise.all(replies)) {
      assert.ok(Buffer.isBuffer(reply) && reply.length === 100_000);
    }
    await Promise.all(clients.map((client) => client.close()));
  });

  test('server admits large requests one after the other when room is short', async () => {
    const limits = { maxBulkBytes: 1_000_000, maxRequestBytes: 2_000_000 };
    await using server = await openToyStore({ limits: { ...limits, maxPartialBytes: 2_000_000 } });
    const port = addressOf(server).port;
    const value = Buffer.alloc(900_000, 'w');
    const clients = await Promise.all([1, 2, 3, 4, 5, 6].map(() => RespClient.connect({ port })));
    const replies = clients.flatMap((client, i) =>
      Array.from({ length: 5 }, (_, k) => client.command(['SET', `${i}-${k}`, value])),
    );
    let most = 0;
    const watching = setInterval(() => (most = Math.max(most, server.stats.partialBytes)), 1);
    assert.deepEqual(new Set(await Promise.all(replies)), new Set(['OK']));
    clearInterval(watching);
    assert.ok(most <= 2_000_000);
    await waitFor(() => server.stats.partialBytes === 0, { ...soon, what: 'the room back' });
    const read = await clients[0]?.command(['GET', '5-4']);
    assert.ok(Buffer.isBuffer(read) && read.equals(value));
    await Promise.all(clients.map((client) => client.close()));
  });

  test('server lets a small client pass while large requests fill the room', async () => {
    const limits = { maxRequestBytes: 8_000_000, maxBulkBytes: 4_000_000 };
    await using server = await openToyStore({ limits: { ...limits, maxPartialBytes: 8_000_000 } });
    const peers = await Promise.all([1, 2, 3, 4].map(() => RawPeer.connect(server)));
    const begin = `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000000\r\n${'z'.repeat(70_000)}`;
    for (const peer of peers) peer.send(begin);
    await waitFor(() => server.stats.partialBytes >= 4_000_000, { ...soon, what: 'a full room' });
    assert.ok(server.stats.partialBytes <= 8_000_000);
    const small = await RawPeer.connect(server);
    small.send('PING\r\n');
    await small.expect('+PONG\r\n');
    for (const peer of [...peers, small]) peer.socket.destroy();
    await waitFor(() => server.stats.partialBytes === 0, { ...soon, what: 'the room back' });
  });

  test('server takes only small requests before it is told of a password', async () => {
    const values = new Map<string, Buffer>();
    await using server = await openToyStore({
      authRequired: true,
      onConnection: () => {
        const toy = toyHandler(values);
        return {
          handle(request, connection) {
            if (!request.is(0, 'AUTH')) return toy.handle(request, connection);
            connection.setLimits();
            connection.reply.ok();
            return undefined;
          },
        };
      },
    });
    const large = encodeRequest('SET', 'k', 'x'.repeat(65_000));
    const larger = encodeRequest('SET', 'k', 'x'.repeat(66_000));
    const trusted = await RawPeer.connect(server);
    trusted.send(`${large}AUTH\r\n`);
    await trusted.expect('+OK\r\n+OK\r\n');
    trusted.send(larger);
    await trusted.expect('+OK\r\n');
    const unknown = await RawPeer.connect(server);
    unknown.send(larger);
    await unknown.expect('-Payload too big\r\n');
    const together = await RawPeer.connect(server);
    together.send(encodeRequest('SET', 'k'.repeat(40_000), 'x'.repeat(40_000)));
    await together.expect('-Payload too big\r\n');
    for (const peer of [trusted, unknown, together]) peer.socket.destroy();
  });
});
