import type { SharedMemory } from '@commongrid/base';
import type { Socket } from 'node:net';
import type { Budget } from './budget.ts';
import { readBufferBytes } from './config.ts';
import type { RequestLimits } from './config.ts';
import { RequestParser } from './request-parser.ts';
import { adoptSocket } from './socket-adapter.ts';

/** The one for whom bytes arrive. */
export interface InboxOwner {
  /** Bytes were read from the socket. */
  countIn(bytes: number): void;
  /** There may be requests: take them with `next`, as far as they can be handled now. */
  work(): void;
  /** False while the peer must take replies before it is read again. */
  mayRead(): boolean;
}

/**
 * What one connection receives: the parser and its memory, when to read, and the room that a
 * request larger than the read buffer needs. Such a request is admitted whole or waits outside, so
 * one that has begun can always be completed.
 */
export class Inbox {
  readonly parser: RequestParser;
  readonly socket: Socket;
  readonly #owner: InboxOwner;
  readonly #partial: Budget;
  #isPaused = false;
  #isDropping = false;
  #isWaitingForRoom = false;
  #reservedBytes = 0;
  /** Bytes that were read and have no place yet. */
  #leftover: Buffer | undefined;
  /** What the socket reads into next is in it. Held, since Node keeps it while nothing comes. */
  #readInto: SharedMemory | undefined;

  constructor(accepted: Socket, limits: RequestLimits, partial: Budget, owner: InboxOwner) {
    this.#owner = owner;
    this.#partial = partial;
    this.parser = new RequestParser(limits);
    this.socket = adoptSocket(accepted, {
      memory: () => this.#memory(),
      received: (memory, count) => this.#received(memory, count),
    });
  }

  /** After `next` was false: asks for the room that the request in progress needs, if any. */
  admit(): void {
    const { parser } = this;
    if (parser.neededBytes <= parser.allowance || this.#isWaitingForRoom) return;
    const bytes = parser.declaredBytes;
    const granted = (): void => {
      this.#isWaitingForRoom = false;
      this.#reservedBytes = bytes;
      parser.allowance = bytes;
    };
    this.#isWaitingForRoom = true;
    const isGranted = this.#partial.reserve(this, bytes, () => {
      granted();
      this.resume();
    });
    if (isGranted) granted();
  }

  /** The last request was handled: its memory and its room are free. */
  finish(): void {
    if (this.#reservedBytes === 0) return;
    this.parser.leaveAssembly();
    this.#release();
  }

  /** Parses what has no place yet, then reads on if that was stopped. */
  resume(): void {
    while (this.#leftover !== undefined) {
      const rest = this.#leftover;
      const count = this.parser.push(rest);
      if (count === 0) return;
      this.#leftover = count < rest.length ? rest.subarray(count) : undefined;
      this.#owner.work();
    }
    if (this.#isPaused && this.#wantsMore()) {
      this.#isPaused = false;
      this.socket.resume();
    }
  }

  /** Takes no more requests; what still comes in is thrown away. */
  drop(): void {
    this.#isDropping = true;
    this.#leftover = undefined;
  }

  /** Reads on and throws away, so that the peer is not stuck while it should read. */
  drain(): void {
    this.drop();
    this.#isPaused = false;
    this.socket.resume();
  }

  /** The socket is gone and no handler is at work. */
  close(): void {
    this.drop();
    this.#partial.cancel(this);
    this.#release();
  }

  #release(): void {
    const bytes = this.#reservedBytes;
    if (bytes === 0) return;
    this.#reservedBytes = 0;
    this.#partial.release(bytes);
  }

  /** For the socket, which leaves what it was given before for this. */
  #memory(): Buffer {
    const space = this.#isDropping ? undefined : this.parser.space();
    const hasSpace = space !== undefined && space.length > 0;
    this.#hold(hasSpace ? this.parser.memory : undefined);
    return hasSpace ? space : scratch;
  }

  #hold(memory: SharedMemory | undefined): void {
    if (memory === this.#readInto) return;
    memory?.hold();
    this.#readInto?.letGo();
    this.#readInto = memory;
  }

  #received(memory: Buffer, count: number): boolean {
    this.#owner.countIn(count);
    if (this.#isDropping) return true;
    let taken = this.parser.accept(memory, count);
    this.#owner.work();
    while (taken < count && !this.#isDropping) {
      const more = this.parser.push(memory.subarray(taken, count));
      if (more === 0) {
        // What it lies in is soon read into again, or somebody else's.
        this.#leftover = Buffer.from(memory.subarray(taken, count));
        break;
      }
      taken += more;
      this.#owner.work();
    }
    this.#isPaused = !this.#wantsMore();
    return !this.#isPaused;
  }

  #wantsMore(): boolean {
    if (this.#isDropping) return true;
    if (this.#leftover !== undefined || this.#isWaitingForRoom) return false;
    return this.#owner.mayRead() && this.parser.space().length > 0;
  }
}

/** Where bytes land that have no better place; they are taken out before the next read. */
const scratch = Buffer.allocUnsafeSlow(readBufferBytes);
