import { GridError } from '@commongrid/base';
import type { Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import type { RespErrorCode } from './errors.ts';
import { MemoryPool } from './memory-pool.ts';
import { Outbox } from './outbox.ts';
import { ReplyParser } from './reply-parser.ts';
import type { Reply } from './reply-parser.ts';
import { ReplyWriter } from './reply-writer.ts';
import { connectSocket, readEvents } from './socket-adapter.ts';
import type { Reader } from './socket-adapter.ts';

/** What goes to the server: text as UTF-8, numbers in decimal, Buffers as they are. */
export type RespArgument = string | Buffer | number | bigint;

/** How the server proves who it is. */
export interface ClientTlsOptions {
  /** PEM of the authority that must have signed; without it and a pin, the system's ones. */
  readonly ca?: string | Buffer;
  /** SHA-256 of the server's certificate in hex, colons allowed: trusted in place of any CA. */
  readonly fingerprint256?: string;
  /** Name that the certificate must be for; default the host. */
  readonly servername?: string;
  /** PEM of our own certificate and key, where the server asks for them. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | undefined;
  readonly tls: ClientTlsOptions | undefined;
  readonly connectTimeoutMs: number;
  readonly maxReplyBytes: number;
  readonly bulkMemory?: ((sizeBytes: number) => Buffer) | undefined;
  /** Ends an attempt to connect. */
  readonly signal: AbortSignal;
  readonly onPush: (message: readonly Reply[]) => void;
  readonly onLost: (error: GridError) => void;
}

/** Who waits for the next reply. */
export interface Waiter {
  resolve(reply: Reply): void;
  reject(error: GridError): void;
}

/**
 * One connection to a server: commands go out in one write for each turn, replies come back in
 * the same order. It ends at the first failure and is not used again.
 */
export class ClientLink {
  readonly #options: LinkOptions;
  readonly #waiters = new WaiterQueue();
  readonly #pool = new MemoryPool();
  readonly #writer = new ReplyWriter(this.#pool);
  readonly #parser: ReplyParser;
  #socket: Socket | undefined;
  #outbox: Outbox | undefined;
  #isFlushPlanned = false;
  #lost: GridError | undefined;
  #onIdle: (() => void) | undefined;

  /** Use `open`. */
  constructor(options: LinkOptions) {
    this.#options = options;
    this.#parser = new ReplyParser({
      maxReplyBytes: options.maxReplyBytes,
      bulkMemory: options.bulkMemory,
      onPush: options.onPush,
      onReply: (reply) => this.#answer(reply),
    });
  }

  /** @throws RESP_CONNECT_FAILED, RESP_PEER_UNTRUSTED */
  static async open(options: LinkOptions): Promise<ClientLink> {
    const link = new ClientLink(options);
    await link.#connect();
    return link;
  }

  /** Why the link ended; `undefined` while it works. */
  get lost(): GridError | undefined {
    return this.#lost;
  }

  /** Commands without a reply. */
  get inFlight(): number {
    return this.#waiters.size;
  }

  /** Bytes of commands that the kernel has not taken. */
  get unsentBytes(): number {
    return this.#writer.size + (this.#outbox?.unsentBytes ?? 0);
  }

  /** Queues a command; large Buffers are not copied and must not change before the reply. */
  send(args: readonly RespArgument[], waiter: Waiter): void {
    if (this.#lost !== undefined) {
      waiter.reject(this.#lost);
      return;
    }
    this.#waiters.push(waiter);
    this.#writer.array(args.length);
    for (const arg of args) {
      if (typeof arg !== 'object') this.#writer.bulkText(String(arg));
      else if (arg.length < referenceBytes) this.#writer.bulk(arg);
      else this.#writer.bulkReference(arg);
    }
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    // After all promise callbacks of this turn, which may send more.
    process.nextTick(() => this.#flush());
  }

  /** Resolves when every command that was sent has its reply, or the link is lost. */
  async idle(): Promise<void> {
    if (this.#waiters.size === 0) return;
    await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  /** Ends the connection; commands in flight are rejected with `error`. */
  destroy(error: GridError): void {
    this.#lose(error);
  }

  async #connect(): Promise<void> {
    const { connectTimeoutMs, signal, tls } = this.#options;
    const socket = this.#dial();
    this.#socket = socket;
    const connected = Promise.withResolvers<void>();
    const fail = (cause: unknown): void => connected.reject(connectFailed(this.#options, cause));
    const timer = setTimeout(() => fail('timed out'), connectTimeoutMs);
    const stop = (): void => fail('closed');
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    socket.on('error', fail);
    socket.once('close', () => fail('closed'));
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => connected.resolve());
    try {
      await connected.promise;
      this.#checkPin(socket);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
    this.#outbox = new Outbox(socket, this.#pool, () => {});
    socket.on('error', (cause) => this.#lose(connectionLost(cause)));
    socket.once('end', () => this.#lose(connectionLost('the server closed the connection')));
    socket.once('close', () => this.#lose(connectionLost('closed')));
  }

  #dial(): Socket {
    const { host, port, socketPath, tls } = this.#options;
    const reader: Reader = {
      memory: () => this.#parser.memory(),
      received: (memory, count) => this.#received(memory, count),
    };
    const where = socketPath === undefined ? { host, port } : { path: socketPath };
    const common = { ...where, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };
    if (tls === undefined) return connectSocket(common, reader);
    const { fingerprint256, ...rest } = tls;
    // With a pin the certificate itself is compared, before anything is sent.
    const socket = connectTls({ ...common, ...rest, rejectUnauthorized: !fingerprint256 });
    return readEvents(socket, reader);
  }

  #checkPin(socket: Socket): void {
    const pin = this.#options.tls?.fingerprint256;
    if (pin === undefined) return;
    const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    const shown = certificate?.fingerprint256 ?? '';
    if (normalize(shown) === normalize(pin)) return;
    throw new GridError<RespErrorCode>(
      'RESP_PEER_UNTRUSTED',
      'the server shows another certificate than the pinned one',
      {
        hint: 'at the server: openssl x509 -in CERT -noout -fingerprint -sha256',
        details: { shown },
      },
    );
  }

  #received(memory: Buffer, count: number): boolean {
    if (this.#lost !== undefined) return true;
    try {
      this.#parser.write(memory, count);
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      this.#lose(error);
    }
    return true;
  }

  #answer(reply: Reply): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      // Some servers say why they hang up before any command: the reason is worth keeping.
      this.#lose(reply instanceof GridError ? reply : connectionLost('a reply to no command'));
      return;
    }
    if (reply instanceof GridError) waiter.reject(reply);
    else waiter.resolve(reply);
    if (this.#waiters.size === 0) this.#onIdle?.();
  }

  #flush(): void {
    this.#isFlushPlanned = false;
    if (this.#lost !== undefined || this.#outbox === undefined) return;
    this.#outbox.add(this.#writer.take(), 0);
    this.#outbox.endTurn();
    this.#outbox.release(0);
  }

  #lose(error: GridError): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    this.#socket?.destroy();
    this.#outbox?.drop();
    for (let waiter = this.#waiters.shift(); waiter; waiter = this.#waiters.shift()) {
      waiter.reject(error);
    }
    this.#onIdle?.();
    this.#options.onLost(error);
  }
}

/** Nobody answers there, or not in time. */
export function connectFailed(options: LinkOptions, cause: unknown): GridError<RespErrorCode> {
  const { host, port, socketPath } = options;
  const place = socketPath ?? `${host}:${String(port)}`;
  const why = cause instanceof Error && cause.message !== '' ? `: ${cause.message}` : '';
  return new GridError('RESP_CONNECT_FAILED', `cannot connect to ${place}${why}`, {
    hint: 'start the server, or correct the address',
    retryable: true,
    details: { place },
    cause,
  });
}

function connectionLost(cause: unknown): GridError<RespErrorCode> {
  return new GridError('RESP_CONNECTION_LOST', 'the connection ended before the reply', {
    hint: 'the command may have been done: look before you repeat it',
    retryable: true,
    cause,
  });
}

function normalize(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase();
}

/** A queue that does not move its items: `Array.shift` would, for each reply. */
class WaiterQueue {
  #items: (Waiter | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(waiter: Waiter): void {
    this.#items.push(waiter);
  }

  shift(): Waiter | undefined {
    const waiter = this.#items[this.#head];
    if (waiter === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length || this.#head === compactEvery) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return waiter;
  }
}

/** Answered places that a queue keeps before it moves what is left. */
const compactEvery = 1024;
/** From this size on an argument is sent from where it lies. */
const referenceBytes = 16 * 1024;
