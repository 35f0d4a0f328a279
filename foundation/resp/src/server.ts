import { closeOnce, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { Socket } from 'node:net';
import { Budget } from './budget.ts';
import { resolveLimits, unauthenticatedLimits } from './config.ts';
import type { ServerLimits } from './config.ts';
import { RespConnection } from './connection.ts';
import type { ConnectionHandler, ConnectionHost } from './connection.ts';
import { Listener } from './listener.ts';
import type { ListenAddress, TlsOptions } from './listener.ts';
import { MemoryPool } from './memory-pool.ts';
import { UnsentTotal } from './unsent-total.ts';

export interface RespServerOptions {
  /** TCP addresses; port 0 takes a free one, see `addresses`. */
  readonly listen?: readonly ListenAddress[];
  /** A Unix socket beside or instead of them; a stale file of a dead server is replaced. */
  readonly socketPath?: string;
  /** With it the TCP addresses speak TLS; the Unix socket never does. */
  readonly tls?: TlsOptions;
  readonly limits?: Partial<ServerLimits>;
  /** New connections get `unauthenticatedLimits` until `setLimits` is called. Default false. */
  readonly authRequired?: boolean;
  /** Called for each connection before it is read. */
  readonly onConnection: (connection: RespConnection) => ConnectionHandler;
  /**
   * Called when there are `maxConnections`: destroys one and answers true, and the new one is taken
   * in its place. Default: the new one is rejected.
   */
  readonly makeRoom?: () => boolean;
  /** Called once after each turn of the event loop in which a request was handled. */
  readonly onTurn?: () => void;
  /** What the application's code threw or rejected with. Default: a warning of the process. */
  readonly onError?: (error: unknown, connection: RespConnection) => void;
  readonly clock?: Clock;
}

export interface RespServerStats {
  readonly connections: number;
  /** Connections since the start, without the rejected ones. */
  readonly connectionsLifetime: number;
  readonly connectionsRejected: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Reply bytes that the kernel has not taken. */
  readonly unsentBytes: number;
  /** Bytes that are reserved for requests larger than a read buffer. */
  readonly partialBytes: number;
}

/**
 * A RESP server. One turn of the event loop goes like this:
 *
 * 1. Every readable socket is read, its complete requests are handled, replies collect.
 * 2. `onTurn`, once: the application commits what this turn did.
 * 3. Each connection that has replies sends them in one write, or holds them for the ticket that
 *    it needs until `release` reaches it.
 */
export class RespServer {
  readonly #options: RespServerOptions;
  readonly #limits: ServerLimits;
  readonly #listener: Listener;
  readonly #connections = new Set<RespConnection>();
  readonly #gated = new Set<RespConnection>();
  readonly #host: ConnectionHost;
  readonly #partial: Budget;
  readonly #unsent: UnsentTotal;
  #touched: RespConnection[] = [];
  #isTurnPlanned = false;
  #isInTurn = false;
  #isClosing = false;
  #released = 0;
  #refusal: Buffer | undefined;
  #lifetime = 0;
  #rejected = 0;
  #rejecting = 0;
  #bytesIn = 0;
  #bytesOutOfLeft = 0;
  #stallTimer: NodeJS.Timeout | undefined;
  #onEmpty: (() => void) | undefined;

  /** Use `open`. */
  constructor(options: RespServerOptions, limits: ServerLimits) {
    this.#options = options;
    this.#limits = limits;
    this.#partial = new Budget(limits.maxPartialBytes);
    this.#unsent = new UnsentTotal(limits.maxUnsentTotalBytes);
    this.#host = this.#makeHost();
    this.#listener = new Listener((socket) => this.#accept(socket));
  }

  /** @throws RESP_OPTION_INVALID, RESP_LISTEN_FAILED */
  static async open(options: RespServerOptions): Promise<RespServer> {
    const limits = resolveLimits(options.limits);
    const server = new RespServer(options, limits);
    await server.#listener.open(options);
    const periodMs = Math.ceil(Math.min(limits.stallMs, limits.pressureStallMs) / 4);
    server.#stallTimer = setInterval(() => server.#checkStalls(), periodMs);
    server.#stallTimer.unref();
    return server;
  }

  /** The TCP addresses that are listened on, with the ports that were given. */
  get addresses(): readonly ListenAddress[] {
    return this.#listener.addresses;
  }

  get connections(): ReadonlySet<RespConnection> {
    return this.#connections;
  }

  get stats(): RespServerStats {
    let bytesOut = this.#bytesOutOfLeft;
    for (const connection of this.#connections) bytesOut += connection.sentBytes;
    return {
      connections: this.#connections.size,
      connectionsLifetime: this.#lifetime,
      connectionsRejected: this.#rejected,
      bytesIn: this.#bytesIn,
      bytesOut,
      unsentBytes: this.#unsent.bytes,
      partialBytes: this.#partial.usedBytes,
    };
  }

  /**
   * Lets replies go that need a ticket up to this one. Tickets only rise: a lower one than before
   * changes nothing. May be called at any time, `onTurn` included.
   */
  release(ticket: number): void {
    if (ticket <= this.#released) return;
    this.#released = ticket;
    this.#wakeGated();
  }

  /**
   * No ticket above the released one will ever be: each reply that needs one becomes the error
   * `text`, those that are held and those to come.
   */
  refuse(text: string): void {
    this.#refusal = Buffer.from(`-${text}\r\n`);
    this.#wakeGated();
  }

  /**
   * Takes `refuse` back: tickets above the released one are given anew, and mean something else. So each
   * connection in the middle of a request is cut off, whose reply may need one of before.
   */
  accept(): void {
    this.#refusal = undefined;
    for (const connection of this.#connections) if (connection.isHandling) connection.destroy();
  }

  /**
   * As `release`, but each reply that needed a ticket up to this one becomes the error `text`. For
   * tickets that came too late, not never.
   */
  expire(ticket: number, text: string): void {
    if (ticket <= this.#released) return;
    const error = Buffer.from(`-${text}\r\n`);
    for (const connection of this.#gated) connection.expired(error, ticket);
    this.release(ticket);
  }

  #wakeGated(): void {
    for (const connection of this.#gated) {
      if (this.#isInTurn) this.#touch(connection);
      else connection.released();
    }
  }

  /**
   * Stops listening, lets each connection send what it has, closes them, and waits for handlers
   * that are still at work; their `signal` fires. Peers that do not take their replies are cut off
   * after `closeMs`.
   */
  readonly close: () => Promise<void> = closeOnce(async () => {
    this.#isClosing = true;
    const stopped = this.#listener.close();
    for (const connection of this.#connections) connection.shutDown();
    const late = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy();
    }, this.#limits.closeMs);
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      if (this.#connections.size === 0) resolve();
    });
    clearTimeout(late);
    this.#listener.cut();
    await stopped;
    clearInterval(this.#stallTimer);
  });

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #makeHost(): ConnectionHost {
    const released = (): number => this.#released;
    const refusal = (): Buffer | undefined => this.#refusal;
    return {
      limits: this.#limits,
      pool: new MemoryPool(),
      partial: this.#partial,
      unsent: this.#unsent,
      get released() {
        return released();
      },
      get refusal() {
        return refusal();
      },
      touch: (connection) => this.#touch(connection),
      gate: (connection, isHolding) => {
        if (isHolding) this.#gated.add(connection);
        else this.#gated.delete(connection);
      },
      countIn: (bytes) => {
        this.#bytesIn += bytes;
      },
      failed: (error, connection) => this.#failed(error, connection),
      left: (connection) => this.#left(connection),
    };
  }

  #accept(socket: Socket): void {
    if (this.#isClosing || !this.#hasRoom()) {
      this.#reject(socket);
      return;
    }
    this.#lifetime++;
    const limits = this.#options.authRequired === true ? unauthenticatedLimits : this.#limits;
    const connection = new RespConnection(this.#host, socket, this.#lifetime, limits);
    this.#connections.add(connection);
    try {
      connection.attach(this.#options.onConnection(connection));
    } catch (error) {
      this.#failed(error, connection);
      connection.destroy();
    }
  }

  #hasRoom(): boolean {
    if (this.#connections.size < this.#limits.maxConnections) return true;
    return this.#options.makeRoom?.() ?? false;
  }

  /** Says why and hangs up; a crowd of them, which cannot be told one by one, is just cut off. */
  #reject(socket: Socket): void {
    this.#rejected++;
    socket.on('error', () => socket.destroy());
    if (this.#rejecting >= maxRejecting) {
      socket.destroy();
      return;
    }
    this.#rejecting++;
    const timer = setTimeout(() => socket.destroy(), this.#limits.lingerMs);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#rejecting--;
    });
    socket.resume();
    socket.end('-ERR max number of clients reached\r\n');
  }

  #failed(error: unknown, connection: RespConnection): void {
    const { onError } = this.#options;
    if (onError !== undefined) onError(error, connection);
    else process.emitWarning(error instanceof Error ? error : String(error));
  }

  #left(connection: RespConnection): void {
    this.#bytesOutOfLeft += connection.sentBytes;
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #touch(connection: RespConnection): void {
    if (connection.isTouched) return;
    connection.isTouched = true;
    this.#touched.push(connection);
    if (this.#isTurnPlanned) return;
    this.#isTurnPlanned = true;
    setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#isInTurn = true;
    this.#options.onTurn?.();
    this.#isInTurn = false;
    const touched = this.#touched;
    this.#touched = [];
    this.#isTurnPlanned = false;
    for (const connection of touched) {
      connection.isTouched = false;
      connection.endTurn();
    }
  }

  #checkStalls(): void {
    const nowMs = (this.#options.clock ?? systemClock).monotonicMs();
    for (const connection of this.#connections) connection.checkStall(nowMs);
  }
}

/** Rejected connections that are told the reason at the same time. */
const maxRejecting = 64;
