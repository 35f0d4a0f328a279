import { GridError, networkOf } from '@commongrid/base';
import type { Socket } from 'node:net';
import type { RequestLimits, ServerLimits } from './config.ts';
import type { Budget } from './budget.ts';
import type { RespErrorCode } from './errors.ts';
import { Inbox } from './inbox.ts';
import type { MemoryPool } from './memory-pool.ts';
import { Outbox } from './outbox.ts';
import { ReplyWriter } from './reply-writer.ts';
import type { Request } from './request.ts';
import type { RequestParser } from './request-parser.ts';
import { describePeer } from './socket-adapter.ts';
import { StallWatch } from './stall-watch.ts';
import type { UnsentTotal } from './unsent-total.ts';

/** The application's side of one connection. */
export interface ConnectionHandler {
  /**
   * Answers one request by writing exactly one reply to `connection.reply`. Without a promise the
   * reply is complete on return. With one, later requests of the connection wait until it
   * settles. A throw or a rejection drops what was written of this reply and answers
   * `-Internal Error`; the server's `onError` hears of it.
   */
  handle(request: Request, connection: RespConnection): void | Promise<void>;
  /** The connection is gone; a promise that `handle` returned may still be unsettled. */
  closed?(): void;
}

/** What connections share with their server. */
export interface ConnectionHost {
  readonly limits: ServerLimits;
  readonly pool: MemoryPool;
  readonly partial: Budget;
  readonly unsent: UnsentTotal;
  /** The highest ticket that was released. */
  readonly released: number;
  /** What replies become whose ticket is above it, once that is certain never to be released. */
  readonly refusal: Buffer | undefined;
  /** The connection wants `endTurn` called once, after this turn of the event loop. */
  touch(connection: RespConnection): void;
  /** The connection holds replies for a ticket, or no longer does. */
  gate(connection: RespConnection, isHolding: boolean): void;
  countIn(bytes: number): void;
  failed(error: unknown, connection: RespConnection): void;
  /** The connection and its last request are done. */
  left(connection: RespConnection): void;
}

/**
 * One client. Input: bytes go to the parser, complete requests to the handler, one after the
 * other, as long as the client takes its replies. Output: replies collect in `reply` during a
 * turn of the event loop and leave through the outbox at its end.
 */
export class RespConnection {
  readonly id: number;
  /** Address and port of the peer, or the path of the socket. */
  readonly remote: string;
  /** What the peer cannot change at will: its address, or the upper half of it for IPv6. */
  readonly network: string;
  readonly reply: ReplyWriter;
  /** For the application. */
  state: unknown;
  /** For the server: queued for the end of this turn. */
  isTouched = false;

  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #inbox: Inbox;
  readonly #parser: RequestParser;
  readonly #outbox: Outbox;
  readonly #watch: StallWatch;
  #handler: ConnectionHandler | undefined;
  #abort: AbortController | undefined;
  /** Ticket that the replies of this turn wait for; 0: none. */
  #ticket = 0;
  /** Whole replies that were written and not given to the outbox. */
  #replies: number | 'torn' = 0;
  #isHandling = false;
  #isWorking = false;
  #isClosing = false;
  /** Everything is sent and the socket is ended: what still comes in is thrown away. */
  #isEnding = false;
  #isGone = false;
  #hasPeerEnded = false;
  #hasFlushed = false;
  #countedBytes = 0;
  #requests = 0;
  #deferred: ((reply: ReplyWriter) => void)[] = [];
  #drainWaiters: { resolve: () => void; reject: (error: GridError) => void }[] = [];
  #lingerTimer: NodeJS.Timeout | undefined;

  constructor(host: ConnectionHost, accepted: Socket, id: number, limits: RequestLimits) {
    this.#host = host;
    this.id = id;
    this.remote = describePeer(accepted);
    this.network = networkOf(accepted.remoteAddress ?? this.remote);
    this.reply = new ReplyWriter(host.pool);
    this.#inbox = new Inbox(accepted, limits, host.partial, {
      countIn: (bytes) => host.countIn(bytes),
      work: () => this.#work(),
      mayRead: () => this.#canSend(),
    });
    this.#parser = this.#inbox.parser;
    this.#socket = this.#inbox.socket;
    this.#outbox = new Outbox(this.#socket, host.pool, () => this.#drained());
    this.#watch = new StallWatch(host.limits);
    this.#socket.on('error', () => this.destroy());
    this.#socket.on('end', () => this.#peerEnded());
    this.#socket.on('close', () => this.#gone());
  }

  /** Aborted when the connection is gone: the peer left, was cut off, or the server closes. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isGone) this.#abort.abort();
    return this.#abort.signal;
  }

  /** Reply bytes that the kernel has not taken: written, held for a ticket, or queued. */
  get pendingBytes(): number {
    return this.reply.size + this.#outbox.unsentBytes;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** A request is being worked at. */
  get isHandling(): boolean {
    return this.#isHandling;
  }

  /** Bytes given to the socket so far. */
  get sentBytes(): number {
    return this.#outbox.totalBytes;
  }

  /** Sets who answers; before the first byte is read. For the server. */
  attach(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  /**
   * The replies of this turn may leave only when the server's `release` reached `ticket`, which is
   * positive and later than the tickets before.
   */
  need(ticket: number): void {
    if (ticket > this.#ticket) this.#ticket = ticket;
  }

  /** Limits from the next request on; the server's are the widest, and the default. */
  setLimits(limits: RequestLimits = this.#host.limits): void {
    const maxRequestBytes = Math.min(limits.maxRequestBytes, this.#host.limits.maxRequestBytes);
    this.#parser.setLimits({ ...limits, maxRequestBytes });
  }

  /**
   * Writes something that answers no request, in order with the replies; behind the reply of the
   * request in progress when there is one. False, and nothing is written, when the connection is
   * closing or the peer is slow: then `drained` tells when to go on.
   */
  push(write: (reply: ReplyWriter) => void): boolean {
    const { maxUnsentBytes, maxDeferredPushes } = this.#host.limits;
    if (this.#isClosing || this.pendingBytes > maxUnsentBytes) return false;
    if (this.#isHandling) {
      if (this.#deferred.length >= maxDeferredPushes) return false;
      this.#deferred.push(write);
      return true;
    }
    write(this.reply);
    this.#host.touch(this);
    return true;
  }

  /**
   * Lets what the handler has written leave at the end of this turn although its promise is not
   * settled: for a reply that streams. All that was reserved in `reply` must be filled in.
   */
  flush(): void {
    this.#hasFlushed = true;
    this.#replies = 'torn';
    this.#queue();
    this.#host.touch(this);
  }

  /**
   * Resolves once no more than `maxUnsentBytes` is pending.
   * @throws RESP_CONNECTION_LOST when the connection goes first.
   */
  drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#drainWaiters.push({ resolve, reject });
      this.#wakeDrainWaiters();
    });
  }

  /** Handles no further request, sends what is queued, then closes. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#inbox.drop();
    this.#host.touch(this);
  }

  /** `close`, and a handler at work is asked to stop. For the server that closes. */
  shutDown(): void {
    this.close();
    this.#abort ??= new AbortController();
    this.#abort.abort();
  }

  /** Closes at once; what is queued is lost. */
  destroy(): void {
    this.#isClosing = true;
    this.#inbox.drop();
    this.#socket.destroy();
  }

  /** Sends the replies of this turn, then goes on with requests that waited. For the server. */
  endTurn(): void {
    if (this.#isGone) return;
    if (!this.#isHandling) this.#queue();
    this.#outbox.endTurn();
    this.released();
  }

  /** Sends what was held for tickets up to the released one. For the server. */
  released(): void {
    const { released, refusal } = this.#host;
    this.#outbox.release(released);
    if (refusal !== undefined && !this.#outbox.refuse(refusal, released)) this.destroy();
    this.#settle();
  }

  /** Puts `error` in the place of replies that were held for tickets up to `ticket`. For the server. */
  expired(error: Buffer, ticket: number): void {
    if (!this.#outbox.refuse(error, this.#host.released, ticket)) this.destroy();
  }

  /** Goes on after the output of all connections fell below its limit. For the server. */
  resume(): void {
    this.#work();
    this.#inbox.resume();
  }

  /** Closes the connection when its peer makes no progress. `nowMs` is monotonic. */
  checkStall(nowMs: number): void {
    const isOwedInput =
      !this.#isHandling && this.#parser.neededBytes > 0 && this.#outbox.givenBytes === 0;
    const isStalled = this.#watch.check(nowMs, {
      socket: this.#socket,
      isOwedInput: isOwedInput || (this.#hasPeerEnded && this.#isHandling),
      requests: this.#requests,
      isUnderPressure: this.#host.unsent.isOver,
    });
    if (isStalled) this.destroy();
  }

  #canSend(): boolean {
    return this.pendingBytes <= this.#host.limits.maxUnsentBytes;
  }

  #mayHandle(): boolean {
    if (this.#isHandling || this.#isClosing || !this.#canSend()) return false;
    return this.#host.unsent.admits(this, this.pendingBytes > 0);
  }

  /** Handles complete requests while that is allowed. */
  #work(): void {
    const handler = this.#handler;
    if (this.#isWorking || handler === undefined) return;
    this.#isWorking = true;
    const before = this.#requests;
    let isParsed = false;
    while (this.#mayHandle()) {
      if (!this.#parser.next()) {
        isParsed = true;
        break;
      }
      this.#requests++;
      this.#handle(handler);
    }
    this.#isWorking = false;
    if (this.#requests > before) this.#host.touch(this);
    if (isParsed) this.#parsed();
  }

  #handle(handler: ConnectionHandler): void {
    this.reply.mark();
    this.#hasFlushed = false;
    try {
      const working = handler.handle(this.#parser.request, this);
      if (working !== undefined) {
        this.#wait(working);
        return;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#handled();
  }

  /** All complete requests are handled: what about the bytes after them? */
  #parsed(): void {
    const parser = this.#parser;
    if (parser.error !== undefined) {
      this.reply.error(parser.error);
      this.#handled();
      this.close();
    } else if (this.#hasPeerEnded) {
      this.close();
    } else {
      this.#inbox.admit();
    }
  }

  #wait(working: Promise<void>): void {
    this.#isHandling = true;
    this.#parser.isPinned = true;
    this.#outbox.add(this.reply.takeMarked(), this.#ticket, this.#replies);
    this.#replies = 0;
    void this.#finish(working);
  }

  /** The request's promise has the word; then the connection goes on. */
  async #finish(working: Promise<void>): Promise<void> {
    try {
      await working;
    } catch (error) {
      this.#fail(error);
    }
    this.#isHandling = false;
    this.#parser.isPinned = false;
    this.#handled();
    if (this.#isGone) return this.#leave();
    for (const write of this.#deferred.splice(0)) write(this.reply);
    this.#host.touch(this);
    this.resume();
  }

  #fail(error: unknown): void {
    this.#host.failed(error, this);
    if (this.#hasFlushed) {
      this.destroy(); // Half of the reply has left: nothing can follow it.
      return;
    }
    this.reply.rewind();
    this.reply.error('Internal Error');
  }

  #handled(): void {
    if (this.#replies !== 'torn') this.#replies++;
    this.#inbox.finish();
    if (this.reply.size > accountStepBytes) this.#account();
  }

  #queue(): void {
    if (this.reply.size === 0) return;
    this.#outbox.add(this.reply.take(), this.#ticket, this.#replies);
    this.#ticket = 0;
    if (!this.#isHandling) this.#replies = 0;
  }

  /** After sending: gate, accounts, the end of a connection that closes, waiting requests. */
  #settle(): void {
    this.#host.gate(this, this.#outbox.heldBytes > 0);
    this.#account();
    this.#wakeDrainWaiters();
    if (!this.#isClosing) {
      this.resume();
    } else if (!this.#isHandling && this.reply.size === 0 && this.#outbox.heldBytes === 0) {
      this.#end();
    }
  }

  #drained(): void {
    if (!this.#isGone) this.#settle();
  }

  #account(): void {
    const bytes = this.#isGone ? 0 : this.pendingBytes;
    const change = bytes - this.#countedBytes;
    this.#countedBytes = bytes;
    if (change !== 0) this.#host.unsent.add(change);
  }

  #wakeDrainWaiters(): void {
    if (this.#drainWaiters.length === 0) return;
    if (this.#isGone) {
      const error = new GridError<RespErrorCode>('RESP_CONNECTION_LOST', 'the peer is gone');
      for (const { reject } of this.#drainWaiters.splice(0)) reject(error);
    } else if (this.#canSend()) {
      for (const { resolve } of this.#drainWaiters.splice(0)) resolve();
    }
  }

  /**
   * Ends the socket and reads on for a while: closing with unread input would make the kernel
   * reset the connection, and the peer could lose our last reply.
   */
  #end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const linger = (): void => {
      if (this.#isGone) return;
      this.#lingerTimer = setTimeout(() => this.#socket.destroy(), this.#host.limits.lingerMs);
      if (this.#hasPeerEnded) this.#socket.destroySoon();
    };
    this.#socket.end(linger);
    this.#inbox.drain();
  }

  #peerEnded(): void {
    this.#hasPeerEnded = true;
    if (this.#isEnding) this.#socket.destroySoon();
    else this.#work();
  }

  #gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#isClosing = true;
    clearTimeout(this.#lingerTimer);
    this.#inbox.drop();
    this.#host.unsent.forget(this);
    this.#host.gate(this, false);
    this.#outbox.drop();
    this.#deferred = [];
    this.#account();
    this.#wakeDrainWaiters();
    this.#abort?.abort();
    this.#handler?.closed?.();
    if (!this.#isHandling) this.#leave();
  }

  #leave(): void {
    this.#inbox.close();
    this.#host.left(this);
  }
}

/** Replies of one turn are counted in the server's total at least so often. */
const accountStepBytes = 64 * 1024;
