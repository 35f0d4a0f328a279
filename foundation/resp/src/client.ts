import { GridError, closeOnce, delay } from '@commongrid/base';
import { ClientLink, connectFailed } from './client-link.ts';
import type { ClientTlsOptions, LinkOptions, RespArgument } from './client-link.ts';
import type { RespErrorCode } from './errors.ts';
import type { Reply } from './reply-parser.ts';

export interface RespClientOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly port?: number;
  /** A Unix socket instead of host and port. */
  readonly socketPath?: string;
  /** Speak TLS; an empty object trusts the system's authorities. */
  readonly tls?: ClientTlsOptions;
  /** Sent with AUTH, or with HELLO for protocol 3, before anything else. */
  readonly password?: string;
  readonly username?: string;
  /** Default 2. */
  readonly protocol?: 2 | 3;
  /** Connect again for the next command after a connection was lost. Default false. */
  readonly reconnect?: boolean;
  /** Commands that each new connection begins with, as a SELECT; a failure ends it. */
  readonly setup?: readonly (readonly RespArgument[])[];
  /** Receives RESP3 push messages. */
  readonly onPush?: (message: readonly Reply[]) => void;
  /** Default 10 s, for the connection and what it begins with. */
  readonly connectTimeoutMs?: number;
  /** How long `close` waits for replies. Default 5 s. */
  readonly closeTimeoutMs?: number;
  /** Commands without a reply. Default 16384. */
  readonly maxInFlight?: number;
  /** Bytes of commands that the kernel has not taken. Default 256 MiB. */
  readonly maxUnsentBytes?: number;
  /** Default 64 MiB. */
  readonly maxReplyBytes?: number;
  /**
   * Gives memory of exactly so many bytes for a bulk string of 64 KiB or more; who gets the reply
   * may lend it again. Default: a Buffer of its own.
   */
  readonly bulkMemory?: (sizeBytes: number) => Buffer;
}

export interface CommandOptions {
  /** Stops the waiting; the command may be done all the same. */
  readonly signal?: AbortSignal | undefined;
}

/** A pipelining client: commands may be issued without waiting for the replies before. */
export class RespClient {
  readonly #options: RespClientOptions;
  readonly #limits: { readonly inFlight: number; readonly unsentBytes: number };
  #link: ClientLink | undefined;
  #connecting: Promise<ClientLink> | undefined;
  readonly #closing = new AbortController();
  /** Commands that wait for a connection. */
  #waiting = 0;
  #failures = 0;
  #nextAttemptMs = 0;

  /** Use `connect`. */
  constructor(options: RespClientOptions) {
    const { maxInFlight = 16_384, maxUnsentBytes = 256 * 1024 * 1024 } = options;
    this.#options = options;
    this.#limits = { inFlight: maxInFlight, unsentBytes: maxUnsentBytes };
  }

  /**
   * @param signal ends the attempt
   * @throws RESP_CONNECT_FAILED, RESP_PEER_UNTRUSTED, RESP_REPLY_ERROR (of AUTH or setup), RESP_CLOSED
   */
  static async connect(options: RespClientOptions, signal?: AbortSignal): Promise<RespClient> {
    const client = new RespClient(options);
    const stop = (): void => void client.close();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      if (signal?.aborted === true) throw closed();
      await client.#open();
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    return client;
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** True while there is a connection. */
  get isConnected(): boolean {
    return this.#link !== undefined;
  }

  /** Commands without a reply. */
  get inFlight(): number {
    return (this.#link?.inFlight ?? 0) + this.#waiting;
  }

  /**
   * Sends one command and resolves with its reply. Buffers among `args` are sent from where they
   * lie: they must not change before the reply.
   * @throws RESP_REPLY_ERROR, RESP_CONNECTION_LOST, RESP_QUEUE_FULL, RESP_ABORTED, RESP_CLOSED,
   *   and what `connect` throws when it has to connect again
   */
  command(args: readonly RespArgument[], options: CommandOptions = {}): Promise<Reply> {
    const { signal } = options;
    if (this.#isClosed) return Promise.reject(closed());
    if (signal?.aborted === true) return Promise.reject(aborted(signal));
    const unsent = this.#link?.unsentBytes ?? 0;
    if (this.inFlight >= this.#limits.inFlight || unsent > this.#limits.unsentBytes) {
      return Promise.reject(queueFull(this.inFlight, unsent));
    }
    const sent = this.#link === undefined ? this.#sendLater(args) : send(this.#link, args);
    return signal === undefined ? sent : abortable(sent, signal);
  }

  /** Takes no more commands, waits for the replies, ends the connection. */
  readonly close: () => Promise<void> = closeOnce(async () => {
    this.#closing.abort();
    // Commands that wait for an attempt to connect hear that it failed.
    const link = (await this.#connecting?.catch(() => undefined)) ?? this.#link;
    if (link === undefined) return;
    const { closeTimeoutMs = 5_000 } = this.#options;
    const timer = setTimeout(() => link.destroy(closed()), closeTimeoutMs);
    await link.idle();
    clearTimeout(timer);
    link.destroy(closed());
  });

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #sendLater(args: readonly RespArgument[]): Promise<Reply> {
    if (this.#options.reconnect !== true) throw lost();
    this.#waiting++;
    try {
      return await send(await this.#open(), args);
    } finally {
      this.#waiting--;
    }
  }

  /** One attempt at a time; everyone who needs a connection waits for the same one. */
  #open(): Promise<ClientLink> {
    this.#connecting ??= this.#attempt().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #attempt(): Promise<ClientLink> {
    try {
      const pauseMs = this.#nextAttemptMs - performance.now();
      if (pauseMs > 0) await delay(pauseMs, { signal: this.#closing.signal });
      const link = await this.#openLink(this.#linkOptions());
      this.#failures = 0;
      this.#link = link;
      return link;
    } catch (error) {
      const pauseMs = Math.min(firstPauseMs * 2 ** this.#failures, maxPauseMs);
      this.#failures++;
      this.#nextAttemptMs = performance.now() + pauseMs;
      throw this.#isClosed ? closed() : error;
    }
  }

  async #openLink(options: LinkOptions): Promise<ClientLink> {
    const link = await ClientLink.open(options);
    const timer = setTimeout(
      () => link.destroy(connectFailed(options, 'no answer in time')),
      options.connectTimeoutMs,
    );
    const stop = (): void => link.destroy(closed());
    options.signal.addEventListener('abort', stop, { once: true });
    try {
      await this.#begin(link);
      if (this.#isClosed) throw closed();
      if (link.lost !== undefined) throw link.lost;
      return link;
    } catch (error) {
      link.destroy(closed());
      throw error;
    } finally {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', stop);
    }
  }

  #linkOptions(): LinkOptions {
    const { host = '127.0.0.1', port = 6379, socketPath, tls, onPush } = this.#options;
    const { connectTimeoutMs = 10_000, maxReplyBytes = 64 * 1024 * 1024 } = this.#options;
    return {
      host,
      port,
      socketPath,
      tls,
      connectTimeoutMs,
      maxReplyBytes,
      bulkMemory: this.#options.bulkMemory,
      signal: this.#closing.signal,
      onPush: onPush ?? (() => {}),
      onLost: () => (this.#link = undefined),
    };
  }

  /** Who we are, in which protocol, and what else each connection begins with. */
  async #begin(link: ClientLink): Promise<void> {
    const { username, password, protocol, setup = [] } = this.#options;
    if (protocol === 3) {
      const auth = password === undefined ? [] : ['AUTH', username ?? 'default', password];
      await send(link, ['HELLO', 3, ...auth]);
    } else if (password !== undefined) {
      const user = username === undefined ? [] : [username];
      await send(link, ['AUTH', ...user, password]);
    }
    for (const args of setup) await send(link, args);
  }
}

function send(link: ClientLink, args: readonly RespArgument[]): Promise<Reply> {
  return new Promise((resolve, reject) => link.send(args, { resolve, reject }));
}

async function abortable(sent: Promise<Reply>, signal: AbortSignal): Promise<Reply> {
  const stopped = Promise.withResolvers<never>();
  const onAbort = (): void => stopped.reject(aborted(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([sent, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function aborted(signal: AbortSignal): GridError<RespErrorCode> {
  const cause: unknown = signal.reason;
  return new GridError('RESP_ABORTED', 'the caller waits no more for the reply', { cause });
}

function closed(): GridError<RespErrorCode> {
  return new GridError('RESP_CLOSED', 'the client is closed');
}

function lost(): GridError<RespErrorCode> {
  return new GridError('RESP_CONNECTION_LOST', 'the connection was lost', {
    hint: 'connect again, or open the client with reconnect',
    retryable: true,
  });
}

function queueFull(inFlight: number, unsentBytes: number): GridError<RespErrorCode> {
  return new GridError('RESP_QUEUE_FULL', 'too many commands wait for their reply', {
    hint: 'wait for replies before sending more',
    retryable: true,
    details: { inFlight, unsentBytes },
  });
}

/** Pause before connecting again after the first failure; it doubles. */
const firstPauseMs = 50;
/** Longest pause before connecting again. */
const maxPauseMs = 2_000;
