import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { reservePort, waitFor } from '@commongrid/base';
import { Cable, firstLineOf } from '@commongrid/base/testing';

import { connectionsMax, DoorCounts } from '../src/front-door/door-counts.ts';
import { connectionsPerDoorMax, Door } from '../src/front-door/door.ts';
import { againMs } from '../src/front-door/standings.ts';
import type { Target } from '../src/front-door/target.ts';

const patience = { timeoutMs: 60_000, everyMs: 20 };
/** Longer than a slow machine takes for anything here, ms. */
const heldMs = 300_000;
const mebibyte = 2 ** 20;

/** A server at a free port of loopback, which ends with what it said. */
class Replica implements AsyncDisposable {
  readonly server: Server;
  readonly sockets = new Set<Socket>();

  constructor(server: Server) {
    this.server = server;
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  static async open(server: Server, port = 0): Promise<Replica> {
    const replica = new Replica(server);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return replica;
  }

  /** One that says a word, and then takes what comes. */
  static saying(word: string, port = 0): Promise<Replica> {
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.write(word));
    return Replica.open(server, port);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Its process dies: the system ends its connections. */
  async die(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.resetAndDestroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.server.listening) await this.die();
  }
}

function target(address: string, change: Partial<Target> = {}): Target {
  return { address, contract: 'web', isReady: true, isFormer: false, ...change };
}

interface Client extends Disposable {
  readonly socket: Socket;
  /** The first word that comes. */
  readonly word: Promise<string>;
  /** Resolves with the code of the error, if any, that ended it. */
  readonly closed: Promise<string | undefined>;
}

function clientOf(door: Door): Client {
  const socket = connect(door.port, '127.0.0.1');
  const word = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<string | undefined>();
  let code: string | undefined;
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code;
  });
  socket.once('data', (data) => word.resolve(data.toString()));
  socket.once('close', () => {
    closed.resolve(code);
    word.reject(new Error(`closed: ${code}`));
  });
  word.promise.catch(() => {});
  return {
    ...{ socket, word: word.promise, closed: closed.promise },
    [Symbol.dispose]: () => socket.destroy(),
  };
}

test('a door carries both directions whole, at the pace of whoever is slower, and each may end first', async () => {
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await using replica = await Replica.open(echo);
  await using door = await Door.open({ kind: 'tcp', port: 0, counts: new DoorCounts() });
  door.lead([target(replica.address)]);
  const sent = randomBytes(48 * mebibyte);
  const socket = connect({ port: door.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(sent);
  const hash = createHash('sha256');
  let isPausedOnce = false;
  for await (const data of socket as AsyncIterable<Buffer>) {
    hash.update(data);
    if (isPausedOnce) continue;
    isPausedOnce = true;
    // It takes no more until all buffers between are full.
    await waitFor(
      () => {
        const [own] = replica.sockets;
        return own !== undefined && own.writableNeedDrain;
      },
      { ...patience, what: 'the replica to wait for the client' },
    );
  }
  assert.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'));
});

test('a connection is held while no replica takes it, and ended when that lasts', async () => {
  const port = await reservePort();
  const address = `127.0.0.1:${port}`;
  await using door = await Door.open({ kind: 'tcp', port: 0, counts: new DoorCounts(), heldMs });
  using early = clientOf(door);
  door.lead([target(address)]);
  using late = clientOf(door);
  await waitFor(() => door.connections === 2, { ...patience, what: 'both to be held' });
  await using back = await Replica.saying('back', port);
  assert.deepEqual(await Promise.all([early.word, late.word]), ['back', 'back']);
  await back.die();

  const counts = new DoorCounts();
  await using hasty = await Door.open({ kind: 'tcp', port: 0, counts, heldMs: 300 });
  hasty.lead([target(address)]);
  using unserved = clientOf(hasty);
  assert.equal(await unserved.closed, undefined);
  assert.deepEqual([counts.unserved, counts.accepted], [1, 1]);
});

test('connections go to the replica that worked last, to another one when it is gone, and stay there', async () => {
  const port = await reservePort();
  await using one = await Replica.saying('one', port);
  await using other = await Replica.saying('other');
  await using door = await Door.open({ kind: 'tcp', port: 0, counts: new DoorCounts() });
  const targets = [target(one.address), target(other.address)];
  door.lead(targets);
  using first = clientOf(door);
  assert.equal(await first.word, 'one');
  await one.die();
  // What ended in the middle does not look as if it were whole.
  assert.equal(await first.closed, 'ECONNRESET');
  using second = clientOf(door);
  assert.equal(await second.word, 'other');
  await using back = await Replica.saying('one again', port);
  using third = clientOf(door);
  assert.equal(await third.word, 'other');
  assert.equal(door.active, other.address);
  assert.equal(back.sockets.size, 0);
});

test('what is placed elsewhere loses its connections once it is there', async () => {
  await using former = await Replica.saying('former');
  const port = await reservePort();
  const address = `127.0.0.1:${port}`;
  await using door = await Door.open({ kind: 'tcp', port: 0, counts: new DoorCounts() });
  door.lead([target(former.address)]);
  using client = clientOf(door);
  assert.equal(await client.word, 'former');
  door.lead([target(address, { isReady: false })]);
  for (let looks = 0; looks < 4; looks += 1) await door.look();
  assert.equal(client.socket.destroyed, false, 'nobody else takes it');
  await using come = await Replica.saying('next', port);
  const isCut = async (): Promise<boolean> => {
    await door.look();
    return client.socket.destroyed;
  };
  await waitFor(isCut, { ...patience, what: 'the connection to be cut' });
  using again = clientOf(door);
  assert.equal(await again.word, 'next');
  assert.equal(come.sockets.size > 0, true);
});

test('a server that listens no more may finish what it began, for a while', async () => {
  await using replica = await Replica.saying('hello');
  await using door = await Door.open({ kind: 'tcp', port: 0, counts: new DoorCounts() });
  door.lead([target(replica.address)]);
  using client = clientOf(door);
  await client.word;
  replica.server.close();
  for (let looks = 0; looks < 9; looks += 1) await door.look();
  assert.equal(client.socket.destroyed, false);
  await door.look();
  assert.equal(await client.closed, 'ECONNRESET');
});

/** Longer than from one question of a connection that waits to the next, ms. */
const lateMs = againMs + 150;

interface HeadState {
  is: 'serves' | 'serves late' | 'stands by' | 'hangs';
  /** Called when it is asked whether it serves. */
  onAsked?: () => void;
}

/** A head of S3, as far as a door asks it. */
function openHead(name: string, state: HeadState): Promise<Replica> {
  const server = createHttpServer((request, response) => {
    if (request.url === '/-/health') state.onAsked?.();
    if (request.url === '/endless') response.write(name);
    else if (request.url !== '/-/health') response.end(name);
    else if (state.is === 'serves late') setTimeout(() => response.end(), lateMs);
    else if (state.is !== 'hangs') response.writeHead(state.is === 'serves' ? 200 : 503).end();
  });
  // A slow machine takes longer between two requests than it would leave a connection open.
  server.keepAliveTimeout = 0;
  return Replica.open(server);
}

test('of the heads of S3 the one that serves answers, and connections to one that does not any more are cut', async () => {
  const one: HeadState = { is: 'serves' };
  const other: HeadState = { is: 'stands by' };
  await using first = await openHead('one', one);
  await using second = await openHead('other', other);
  await using door = await Door.open({ kind: 's3', port: 0, counts: new DoorCounts(), heldMs });
  door.lead([target(second.address), target(first.address)]);
  const ask = async (client: Client, path = '/bucket'): Promise<string> => {
    client.socket.write(`GET ${path} HTTP/1.1\r\nhost: s3\r\n\r\n`);
    return (await client.word).split('\r\n\r\n')[1] ?? '';
  };
  const untilCut = async (client: Client): Promise<void> => {
    const look = async (): Promise<boolean> => {
      await door.look();
      return client.socket.destroyed;
    };
    await waitFor(look, { ...patience, what: 'the connection to be cut' });
    assert.equal(await client.closed, 'ECONNRESET');
  };
  using before = clientOf(door);
  assert.equal(await ask(before), 'one');
  // A head that is slow to say so, or lost its right for a moment, keeps its connections while no other one serves.
  one.is = 'hangs';
  await door.look();
  using late = clientOf(door);
  assert.equal(await ask(late), 'one');
  one.is = 'stands by';
  for (let looks = 0; looks < 3; looks += 1) await door.look();
  assert.equal(before.socket.destroyed, false);
  other.is = 'serves late';
  await untilCut(before);
  await untilCut(late);
  using after = clientOf(door);
  assert.equal(await ask(after), 'other');
  other.is = 'hangs';
  one.is = 'serves';
  await untilCut(after);
  // One that ends refuses; what it has begun gets no further.
  using again = clientOf(door);
  assert.match(await ask(again, '/endless'), /one/);
  first.server.close();
  await door.look();
  assert.equal(again.socket.destroyed, false);
  await untilCut(again);
});

test('a head of S3 that does not answer holds up nobody: the other one is asked on meanwhile', async () => {
  let isAskedMeanwhile = false;
  // While the machine stood still the first one's time may have run out.
  for (let tries = 0; tries < 5 && !isAskedMeanwhile; tries += 1)
    isAskedMeanwhile = await isOtherAskedMeanwhile();
  assert.ok(isAskedMeanwhile);
});

/** One head is silent; the other serves when it is asked for the second time. */
async function isOtherAskedMeanwhile(): Promise<boolean> {
  let asks = 0;
  const silent: HeadState = { is: 'hangs', onAsked: () => (asks += 1) };
  let looks = 0;
  const other: HeadState = {
    is: 'stands by',
    onAsked: () => {
      looks += 1;
      if (looks === 2) other.is = 'serves';
    },
  };
  await using first = await openHead('one', silent);
  await using second = await openHead('other', other);
  await using door = await Door.open({ kind: 's3', port: 0, counts: new DoorCounts(), heldMs });
  door.lead([target(first.address), target(second.address)]);
  using client = clientOf(door);
  client.socket.write('GET /bucket HTTP/1.1\r\nhost: s3\r\n\r\n');
  assert.match(await client.word, /other/);
  assert.equal(looks, 2);
  return asks === 1;
}

test('connections to a machine that lost its power are cut at the second look, and the next go elsewhere', async () => {
  await using stack = new AsyncDisposableStack();
  const cable = stack.use(await Cable.open());
  const program = `require('net').createServer((s) => { s.on('error', () => {}); s.write('there\\n'); })
    .listen(7000, '${Cable.right}', () => console.log('ready'));`;
  const run = (end: 'left' | 'right', ...words: readonly string[]) => {
    const [command = '', ...rest] = cable.at(end);
    const child = spawn(command, [...rest, process.execPath, ...words], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const over = once(child, 'exit');
    stack.defer(async () => {
      child.kill('SIGKILL');
      await over;
    });
    return child;
  };
  await firstLineOf(run('right', '--eval', program));
  const fixture = join(import.meta.dirname, 'fixtures', 'door-beside-cable.ts');
  const door = run('left', fixture, `${Cable.right}:7000`);
  const lines = createInterface(door.stdout)[Symbol.asyncIterator]();
  assert.deepEqual(JSON.parse((await lines.next()).value ?? '{}'), { reached: 'there' });
  // From there on nothing is heard, not even a refusal.
  const [command = '', ...words] = cable.at('right');
  execFileSync(command, [...words, ...'ip link set cable down'.split(' ')]);
  door.stdin.write('cut\n');
  assert.deepEqual(JSON.parse((await lines.next()).value ?? '{}'), {
    ...{ reached: 'here', looks: 2, cut: 1 },
  });
});

test('connections beyond a limit are ended at once, and those below are none the worse', async () => {
  const counts = new DoorCounts();
  await using door = await Door.open({ kind: 'tcp', port: 0, counts, heldMs });
  const held = Array.from({ length: connectionsPerDoorMax }, () => clientOf(door));
  await waitFor(() => door.connections === connectionsPerDoorMax, {
    ...{ ...patience, what: 'the door to be full' },
  });
  using beyond = clientOf(door);
  assert.equal(await beyond.closed, undefined);
  assert.equal(counts.refused, 1);
  await using replica = await Replica.saying('hello');
  door.lead([target(replica.address)]);
  assert.deepEqual(new Set(await Promise.all(held.map(({ word }) => word))), new Set(['hello']));

  // All doors together.
  while (counts.open < connectionsMax) assert.equal(counts.enter(), true);
  await using second = await Door.open({ kind: 'tcp', port: 0, counts });
  second.lead([target(replica.address)]);
  using refused = clientOf(second);
  assert.equal(await refused.closed, undefined);
  counts.leave();
  using taken = clientOf(second);
  assert.equal(await taken.word, 'hello');
  for (const client of held) client[Symbol.dispose]();
});
