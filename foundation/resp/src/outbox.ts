import { largeMemory } from '@commongrid/base';
import type { MemoryPool } from './memory-pool.ts';
import type { ReplyChunk } from './reply-writer.ts';

/** The part of a socket that sends. */
export interface SendingSocket {
  readonly writable: boolean;
  readonly writableLength: number;
  cork(): void;
  uncork(): void;
  /** Calls `done` in the order of writing, once the kernel has the bytes or the socket is gone. */
  write(bytes: Uint8Array, done: (error?: Error | null) => void): boolean;
}

/**
 * What one connection has to send, in order. Replies wait here until the ticket that they need is
 * released, then go to the socket in one write; their memory returns to the pool when the kernel
 * has all of it.
 */
export class Outbox {
  /** Bytes that wait for the end of the turn or for a ticket. */
  heldBytes = 0;
  /** Bytes that the socket has and the kernel has not, as of the last write. */
  givenBytes = 0;
  /** Bytes given to the socket so far. */
  totalBytes = 0;

  readonly #socket: SendingSocket;
  readonly #pool: MemoryPool;
  readonly #onDrained: () => void;
  /** Of this turn. */
  readonly #staged: Held[] = [];
  /** Of earlier turns, most of them waiting for a ticket. */
  readonly #held: Held[] = [];
  /** What the socket has and has not told about. */
  readonly #given: ReplyChunk[] = [];
  /** Writes whose memory is back, of which the socket will tell before those of `#given`. */
  #early = 0;

  constructor(socket: SendingSocket, pool: MemoryPool, onDrained: () => void) {
    this.#socket = socket;
    this.#pool = pool;
    this.#onDrained = onDrained;
  }

  /** Bytes that the kernel has not taken. */
  get unsentBytes(): number {
    return this.heldBytes + this.givenBytes;
  }

  /**
   * Queues chunks that may leave after this turn, once `ticket` is released. They are `replies`
   * whole replies, or torn: parts of one that streams.
   */
  add(chunks: readonly ReplyChunk[], ticket: number, replies: number | 'torn' = 'torn'): void {
    if (chunks.length === 0) return;
    this.heldBytes += sizeOf(chunks);
    this.#staged.push({ chunks, ticket, replies });
  }

  /** The turn is over: what it added may leave from now on. */
  endTurn(): void {
    for (const staged of this.#staged) this.#held.push(staged);
    this.#staged.length = 0;
  }

  /** Sends what `released` lets go, in one write. */
  release(released: number): void {
    let count = 0;
    for (const { ticket } of this.#held) {
      if (ticket > released) break;
      count++;
    }
    if (count === 0) return;
    const leaving = this.#held.splice(0, count);
    const [first] = leaving;
    for (const held of leaving) this.heldBytes -= sizeOf(held.chunks);
    this.#write(count === 1 && first ? first.chunks : leaving.flatMap((held) => held.chunks));
  }

  /**
   * Puts `error` in the place of each reply whose ticket is above the released one, and sends all up
   * to the first whose ticket is above `upTo`. False when such a reply is torn: part of it may have
   * left, so nothing can follow.
   */
  refuse(error: Buffer, released: number, upTo = Infinity): boolean {
    const waiting = this.#held.findIndex(({ ticket }) => ticket > upTo);
    const leaving = this.#held.splice(0, waiting < 0 ? this.#held.length : waiting);
    for (const { chunks, ticket, replies } of leaving) {
      this.heldBytes -= sizeOf(chunks);
      if (ticket <= released) {
        this.#write(chunks);
        continue;
      }
      if (replies === 'torn') return false;
      this.#recycle(chunks);
      const memory = Buffer.alloc(error.length * replies, error);
      this.#write([{ memory, start: 0, end: memory.length, isLast: false }]);
    }
    return true;
  }

  /** Forgets everything: the socket is gone. */
  drop(): void {
    this.#staged.length = 0;
    this.#held.length = 0;
    this.#given.length = 0;
    this.heldBytes = 0;
    this.givenBytes = 0;
  }

  #write(chunks: readonly ReplyChunk[]): void {
    const socket = this.#socket;
    if (!socket.writable) return;
    if (chunks.length > 1) socket.cork();
    let writes = 0;
    for (const { memory, start, end } of chunks) {
      if (end === start) continue;
      writes++;
      this.totalBytes += end - start;
      socket.write(memory.subarray(start, end), this.#written);
    }
    if (chunks.length > 1) socket.uncork();
    this.givenBytes = socket.writableLength;
    if (this.givenBytes > 0 || this.#given.length > 0) {
      for (const chunk of chunks) if (chunk.end > chunk.start) this.#given.push(chunk);
      return;
    }
    this.#early += writes;
    this.#recycle(chunks);
  }

  readonly #written = (error?: Error | null): void => {
    if (this.#early > 0) {
      this.#early--;
      return;
    }
    const chunk = this.#given.shift();
    if (chunk === undefined) return;
    if (!error) this.#recycle([chunk]);
    this.givenBytes = this.#socket.writableLength;
    if (this.givenBytes === 0 && this.#given.length === 0) this.#onDrained();
  };

  #recycle(chunks: readonly ReplyChunk[]): void {
    for (const { memory, isLast, lent } of chunks) {
      if (isLast) this.#pool.release(memory);
      if (lent !== undefined) largeMemory.release(lent);
    }
  }
}

function sizeOf(chunks: readonly ReplyChunk[]): number {
  let size = 0;
  for (const { start, end } of chunks) size += end - start;
  return size;
}

interface Held {
  readonly chunks: readonly ReplyChunk[];
  readonly ticket: number;
  readonly replies: number | 'torn';
}
