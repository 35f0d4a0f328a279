import assert from 'node:assert/strict';
import { test } from 'node:test';
import { largeMemory } from '@commongrid/base';
import { MemoryPool } from './memory-pool.ts';
import { Outbox } from './outbox.ts';
import type { SendingSocket } from './outbox.ts';
import type { ReplyChunk } from './reply-writer.ts';

test('outbox sends at the end of the turn, in order after what waits for a ticket', () => {
  const { outbox, socket } = setUp();
  outbox.add([chunk('a')], 0);
  outbox.release(1);
  assert.equal(socket.taken(), '');
  outbox.endTurn();
  outbox.release(1);
  assert.equal(socket.taken(), 'a');
  outbox.add([chunk('b')], 2);
  outbox.add([chunk('c')], 0);
  outbox.endTurn();
  outbox.release(1);
  assert.equal(socket.taken(), 'a');
  assert.equal(outbox.heldBytes, 2);
  outbox.release(2);
  assert.equal(socket.taken(), 'abc');
  assert.equal(outbox.unsentBytes, 0);
});

test('outbox lends memory again only when the kernel has all of it', () => {
  const { outbox, socket, pool } = setUp();
  const memory = pool.acquire();
  socket.isFull = true;
  outbox.add([chunk('a', memory)], 0);
  outbox.endTurn();
  outbox.release(0);
  assert.notEqual(pool.acquire(), memory);
  assert.equal(outbox.unsentBytes, 1);
  socket.drain();
  assert.equal(pool.acquire(), memory);
});

test('outbox gives lent memory back piece by piece, and none of what the socket lost', () => {
  const { outbox, socket } = setUp();
  const lent = [1, 2, 3].map(() => largeMemory.acquire(2_000_000));
  socket.isFull = true;
  for (const memory of lent) {
    outbox.add(
      [{ memory: memory.subarray(0, 5), start: 0, end: 5, isLast: false, lent: memory }],
      0,
    );
  }
  outbox.endTurn();
  outbox.release(0);
  assert.equal(lent.includes(largeMemory.acquire(2_000_000)), false);
  socket.takeOne();
  assert.equal(largeMemory.acquire(2_000_000), lent[0]);
  assert.equal(outbox.unsentBytes, 10);
  socket.drain(new Error('the peer is gone'));
  assert.equal(lent.includes(largeMemory.acquire(2_000_000)), false);
});

test('outbox tells when it is drained, also when later bytes overtook the callback', () => {
  const { outbox, socket, drained } = setUp();
  socket.isFull = true;
  outbox.add([chunk('a')], 0);
  outbox.endTurn();
  outbox.release(0);
  socket.takeWithoutCallback();
  outbox.add([chunk('b')], 0);
  outbox.endTurn();
  outbox.release(0);
  assert.equal(drained.count, 0);
  socket.drain();
  assert.equal(drained.count, 1);
  assert.equal(outbox.unsentBytes, 0);
});

test('outbox that was dropped sends nothing more', () => {
  const { outbox, socket } = setUp();
  outbox.add([chunk('a')], 5);
  outbox.endTurn();
  outbox.add([chunk('b')], 5);
  outbox.drop();
  outbox.endTurn();
  outbox.release(5);
  assert.equal(socket.taken(), '');
});

test('outbox puts an error in the place of each reply that will never be released', () => {
  const { outbox, socket } = setUp();
  outbox.add([chunk('abc')], 5, 3);
  outbox.add([chunk('d')], 0, 1);
  outbox.add([chunk('e')], 4, 1);
  outbox.endTurn();
  assert.equal(outbox.refuse(Buffer.from('-'), 4), true);
  assert.equal(socket.taken(), '---de');
  assert.equal(outbox.heldBytes, 0);
});

test('outbox cannot put an error into a reply of which part may have left', () => {
  const { outbox } = setUp();
  outbox.add([chunk('abc')], 5, 'torn');
  outbox.endTurn();
  assert.equal(outbox.refuse(Buffer.from('-'), 4), false);
});

/** A socket whose kernel takes all or, when full, nothing. */
class FakeSocket implements SendingSocket {
  readonly writable = true;
  isFull = false;
  writableLength = 0;
  #text = '';
  readonly #sizes: number[] = [];
  #callbacks: ((error?: Error) => void)[] = [];

  cork(): void {}
  uncork(): void {}

  write(bytes: Uint8Array, done: (error?: Error) => void): boolean {
    this.#text += Buffer.from(bytes).toString();
    this.#callbacks.push(done);
    this.#sizes.push(bytes.length);
    if (this.isFull) this.writableLength += bytes.length;
    return !this.isFull;
  }

  taken(): string {
    return this.#text;
  }

  takeWithoutCallback(): void {
    this.isFull = false;
    this.writableLength = 0;
  }

  takeOne(): void {
    this.writableLength -= this.#sizes.shift() ?? 0;
    this.#callbacks.shift()?.();
  }

  drain(error?: Error): void {
    this.takeWithoutCallback();
    for (const done of this.#callbacks.splice(0)) done(error);
  }
}

function setUp(): {
  outbox: Outbox;
  socket: FakeSocket;
  pool: MemoryPool;
  drained: { count: number };
} {
  const socket = new FakeSocket();
  const pool = new MemoryPool();
  const drained = { count: 0 };
  return { outbox: new Outbox(socket, pool, () => drained.count++), socket, pool, drained };
}

function chunk(text: string, memory: Buffer = Buffer.alloc(16)): ReplyChunk {
  memory.write(text);
  return { memory, start: 0, end: text.length, isLast: true };
}
