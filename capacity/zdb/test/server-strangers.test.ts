import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { suite, test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { Door, field } from './support/door.ts';

const denied = '-Access denied';
const lastDenied = '-Access denied, too many attempts';
const soon = { timeoutMs: 60_000, everyMs: 2 };

/** A connection from any address of this machine, and what it received. */
class Peer {
  readonly socket: Socket;
  received = '';
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => (this.received += bytes.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => (this.isClosed = true));
  }

  static async connect({ port }: Door, localAddress = '127.0.0.1'): Promise<Peer> {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    await once(socket, 'connect');
    return new Peer(socket);
  }

  async ask(command: string): Promise<string> {
    this.received = '';
    this.socket.write(`${command}\r\n`);
    const what = `an answer to ${command}`;
    await waitFor(() => this.received.endsWith('\r\n') || this.isClosed, { ...soon, what });
    return this.received.trim();
  }

  async closed(): Promise<void> {
    await waitFor(() => this.isClosed, { ...soon, what: 'the end of the connection' });
  }
}

async function peers(door: Door, count: number, address?: string): Promise<Peer[]> {
  const made: Peer[] = [];
  for (let i = 0; i < count; i++) made.push(await Peer.connect(door, address));
  return made;
}

function destroy(all: readonly Peer[]): void {
  for (const { socket } of all) socket.destroy();
}

suite('strangers', { concurrency: false }, () => {
  test('server closes a connection at its tenth wrong password', async () => {
    await using door = await Door.open({ adminPassword: 'secret' });
    const admin = await door.client({ password: 'secret' });
    await admin('NSNEW', 'ns');
    await admin('NSSET', 'ns', 'password', 'pass');
    const ask = await door.client();
    const attempts = [
      ['AUTH', 'wrong'],
      ['AUTH', 'default', 'wrong'],
      ['SELECT', 'ns', 'wrong'],
      ['SELECT', 'default', 'wrong'],
      ['HELLO', '3', 'AUTH', 'default', 'wrong'],
    ];
    for (const attempt of [...attempts, ...attempts.slice(1)]) {
      assert.equal(await ask(...attempt), denied);
    }
    assert.equal(await ask('SELECT', 'ns', 'wrong', 'EPOCH', '1'), lastDenied);
    await assert.rejects(ask('PING'), (error) => isGridError(error, 'RESP_CONNECTION_LOST'));
    assert.equal(field(await admin('INFO'), 'authentication_failures'), '10');
  });

  test('server slows an address that guesses, and takes its right password all the same', async () => {
    // It stands still: how long the rest takes says nothing.
    const clock = new ManualClock(1_800_000_000_000);
    await using door = await Door.open({ adminPassword: 'secret', clock });
    const guessers = await peers(door, 2);
    // Each of them is looked at before the other's failures slow both.
    for (const guesser of guessers) assert.equal(await guesser.ask('PING'), '+PONG');
    const [guesser, knower] = guessers as [Peer, Peer];
    const timers = clock.timerCount;
    const isPaused = (): Promise<boolean> =>
      waitFor(() => clock.timerCount > timers, { ...soon, what: 'a pause' });
    for (const pauseMs of [0, 0, 0, 0, 0, 0, 100, 200]) {
      const wrong = guesser.ask('AUTH wrong');
      if (pauseMs > 0) await isPaused();
      await clock.advance(pauseMs);
      assert.equal(await wrong, denied);
    }
    const late = knower.ask('AUTH secret');
    await isPaused();
    // Others, and what shows no password, do not wait.
    const other = await Peer.connect(door, '127.0.0.2');
    assert.equal(await other.ask('AUTH secret'), '+OK');
    const same = await Peer.connect(door);
    assert.equal(await same.ask('PING'), '+PONG');
    await clock.advance(390);
    assert.equal(knower.received, '');
    await clock.advance(10);
    assert.equal(await late, '+OK');
    destroy([...guessers, other, same]);
  });

  test('server closes who shows no password in time, and nobody else', async () => {
    const clock = new ManualClock(1_800_000_000_000);
    await using door = await Door.open({ adminPassword: 'secret', authTimeoutMs: 300, clock });
    const [known, guest, talker] = [
      await Peer.connect(door),
      await Peer.connect(door),
      await Peer.connect(door),
    ];
    assert.equal(await known.ask('AUTH secret'), '+OK');
    assert.equal(await known.ask('NSNEW open'), '+OK');
    assert.equal(await guest.ask('SELECT open'), '+OK');
    assert.equal(await talker.ask('RESET'), '+RESET');
    assert.equal(await talker.ask('PING'), '+PONG');
    talker.received = '';
    await clock.advance(300);
    await talker.closed();
    assert.equal(talker.received, '-No password in time\r\n');
    const late = await Peer.connect(door);
    assert.equal(await late.ask('PING'), '+PONG');
    await clock.advance(300);
    await late.closed();
    assert.equal(await known.ask('RESET'), '+RESET');
    assert.equal(await guest.ask('PING'), '+PONG');
    assert.equal(await known.ask('AUTH secret'), '+OK');
    assert.equal(field(await known.ask('INFO'), 'unauthenticated_closed'), '2');
    destroy([known, guest, talker, late]);
  });

  test('server without a password, and one that everybody reads, keep those who wait', async () => {
    await using free = await Door.open({ authTimeoutMs: 50 });
    await using open = await Door.open({ adminPassword: 's', protect: true, authTimeoutMs: 50 });
    const [idle, reader] = [await Peer.connect(free), await Peer.connect(open)];
    assert.equal(await reader.ask('GET k'), '$-1');
    await (await Peer.connect(open)).closed();
    assert.equal(await idle.ask('PING'), '+PONG');
    assert.equal(await reader.ask('GET k'), '$-1');
    destroy([idle, reader]);
  });

  test('server sends away the oldest stranger of the address that has most', async () => {
    await using door = await Door.open({ adminPassword: 'secret', maxUnauthenticated: 4 });
    const elsewhere = await Peer.connect(door, '127.0.0.2');
    const known = await Peer.connect(door);
    assert.equal(await known.ask('AUTH secret'), '+OK');
    const crowd = await peers(door, 20);
    for (const peer of crowd.slice(0, 17)) await peer.closed();
    for (const peer of [elsewhere, known, ...crowd.slice(17)]) {
      assert.equal(await peer.ask('PING'), '+PONG');
    }
    assert.equal(field(await known.ask('INFO'), 'unauthenticated_clients'), '4');
    destroy([elsewhere, known, ...crowd]);
  });
});
