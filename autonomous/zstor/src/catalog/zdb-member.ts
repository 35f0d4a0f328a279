import { GridError, isGridError, systemClock, withTimeout } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import type { ClientTlsOptions, Reply, RespArgument } from '@commongrid/resp';
import type { ZstorErrorCode } from '../errors.ts';
import { identityKey } from './tlog-member.ts';
import type { TlogBinding, TlogEntry, TlogMember } from './tlog-member.ts';

export interface ZdbMemberOptions {
  /** What the configuration calls it. */
  readonly name: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly port?: number;
  /** A Unix socket instead of host and port. */
  readonly socketPath?: string;
  readonly tls?: ClientTlsOptions;
  readonly namespace: string;
  /** Password of the namespace; one without is open to whoever reaches the server. */
  readonly password?: string;
  /** An answer that takes longer ends the connection. Default 2 s. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

/**
 * A namespace of Zero-DB in user mode as a member of the log. Its server must sync before it answers
 * (durability `always`). Who the member is, is looked at on each new connection.
 */
export class ZdbMember implements TlogMember {
  readonly name: string;
  readonly #options: ZdbMemberOptions;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  #binding: TlogBinding | undefined;
  /** The fence that this head was the first to bring. */
  #raisedTo = 0;
  #client: RespClient | undefined;
  #opening: Promise<RespClient> | undefined;
  readonly #dropped = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(options: ZdbMemberOptions) {
    this.name = options.name;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 2_000;
    this.#clock = options.clock ?? systemClock;
  }

  fence(): Promise<number> {
    return this.#do('the fence', async (client) => {
      const info = await client.command(['NSINFO', this.#options.namespace]);
      const text = Buffer.isBuffer(info) ? info.toString() : '';
      return Number(/^epoch: ?(\d+)/m.exec(text)?.[1] ?? 0);
    });
  }

  async bind(binding: TlogBinding): Promise<void> {
    this.#binding = binding;
    this.#drop(this.#client);
    await this.#do('the binding', async () => {});
  }

  confirm(kept?: Buffer): Promise<void> {
    return this.#do('the fence', async (client) => {
      const { fence = 0 } = this.#binding ?? {};
      // In one go: the namespace can be emptied while we are connected.
      const [found] = await Promise.all([
        kept === undefined ? undefined : read(client, kept),
        client.command(['EPOCH', fence]),
        this.#checkIdentity(client),
      ]);
      if (kept !== undefined && found === undefined) throw forgot(this.name);
    });
  }

  timeMs(): Promise<number> {
    return this.#do('the time', async (client) => {
      const reply = await client.command(['TIME']);
      const [seconds = Number.NaN, micros = 0] = Array.isArray(reply) ? reply.map(Number) : [];
      if (!Number.isSafeInteger(seconds)) throw failed(this.name, 'it does not tell the time');
      return seconds * 1000 + micros / 1000;
    });
  }

  put(entries: readonly TlogEntry[]): Promise<void> {
    return this.#do('a write', async (client) => {
      const args: RespArgument[] = [entries.length === 1 ? 'SET' : 'MSET'];
      for (const { key, value } of entries) args.push(key, value);
      // SET answers nil when the same value is there already.
      await client.command(args);
    });
  }

  get(keys: readonly Buffer[]): Promise<readonly (Buffer | undefined)[]> {
    // One reply for each: a reply that holds all could be larger than a client takes.
    return this.#do('a read', (client) => Promise.all(keys.map((key) => read(client, key))));
  }

  async remove(keys: readonly Buffer[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#do('a deletion', (client) => client.command(['MDEL', ...keys]));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#drop(this.#client);
    await this.#opening?.then(
      (client) => this.#drop(client),
      () => {},
    );
    await Promise.all(this.#dropped);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #do<T>(what: string, run: (client: RespClient) => Promise<T>): Promise<T> {
    let used: RespClient | undefined;
    try {
      return await withTimeout(
        async () => {
          used = this.#client ?? (await this.#connection());
          return run(used);
        },
        { timeoutMs: this.#timeoutMs, what: `${what} of ${this.name}`, clock: this.#clock },
      );
    } catch (error) {
      if (!isGridError(error, 'RESP_REPLY_ERROR')) this.#drop(used);
      throw this.#explain(error);
    }
  }

  /** One attempt at a time; everyone who needs a connection waits for the same one. */
  #connection(): Promise<RespClient> {
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async #open(): Promise<RespClient> {
    const { name: _name, namespace, password, timeoutMs: _, clock: __, ...where } = this.#options;
    const binding = this.#binding;
    const select = ['SELECT', namespace, ...(password === undefined ? [] : [password])];
    const isNew = binding?.isNew === true && this.#raisedTo !== binding.fence;
    const fence = binding === undefined ? [] : ['EPOCH', binding.fence, ...(isNew ? ['NEW'] : [])];
    const client = await RespClient.connect(
      {
        ...where,
        setup: [[...select, ...fence]],
        connectTimeoutMs: this.#timeoutMs,
        closeTimeoutMs: 1,
      },
      this.#closing.signal,
    );
    if (isNew) this.#raisedTo = binding.fence;
    try {
      // Of a server that stands still from here on nothing would come, not even an end of the connection.
      if (binding !== undefined) await this.#inTime(() => this.#checkIdentity(client));
      if (this.#closing.signal.aborted || binding !== this.#binding)
        throw failed(this.name, 'bound anew');
    } catch (error) {
      this.#drop(client);
      throw error;
    }
    this.#client = client;
    return client;
  }

  #inTime<T>(run: () => Promise<T>): Promise<T> {
    const [timeoutMs, clock, { signal }] = [this.#timeoutMs, this.#clock, this.#closing];
    return withTimeout(run, { timeoutMs, clock, signal, what: `an answer of ${this.name}` });
  }

  async #checkIdentity(client: RespClient): Promise<void> {
    const identity = this.#binding?.identity;
    const found = await read(client, identityKey);
    if (identity === undefined ? found === undefined : found?.equals(identity) === true) return;
    throw wiped(this.name, found !== undefined);
  }

  #drop(client: RespClient | undefined): void {
    if (client === undefined) return;
    if (this.#client === client) this.#client = undefined;
    const closing = client.close().finally(() => this.#dropped.delete(closing));
    this.#dropped.add(closing);
  }

  #explain(error: unknown): unknown {
    if (isGridError(error) && error.code.startsWith('ZSTOR_')) return error;
    if (isGridError(error, 'RESP_REPLY_ERROR') && error.message === 'Fenced') {
      return fenced(this.name);
    }
    return failed(this.name, error);
  }
}

async function read(client: RespClient, key: Buffer): Promise<Buffer | undefined> {
  const reply: Reply = await client.command(['GET', key]);
  return Buffer.isBuffer(reply) ? reply : undefined;
}

/** The member has taken a higher fence. */
export function fenced(name: string): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_FENCED', `${name} follows another head by now`, {
    hint: 'ask the other head',
    details: { member: name },
  });
}

/** The member does not have the identity that is asked for. */
export function wiped(name: string, isOther: boolean): GridError<ZstorErrorCode> {
  const what = isOther ? 'is another member, or one of another log' : 'has lost what it had';
  return new GridError('ZSTOR_CATALOG_MEMBER_WIPED', `${name} ${what}`, {
    hint: 'take it in anew: it gets a copy of the log',
    details: { member: name, isOther },
  });
}

/** The member has who it is, but not what it confirmed last. */
export function forgot(name: string): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_MEMBER_FORGOT', `${name} lacks a record that it confirmed`, {
    hint: 'it is filled again by itself; was its disk brought back from an old copy?',
    details: { member: name },
  });
}

/** The member did not answer, or not as it should. */
export function failed(name: string, cause: unknown): GridError<ZstorErrorCode> {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new GridError('ZSTOR_CATALOG_MEMBER_FAILED', `${name}: ${why}`, {
    hint: 'see whether its node is up, and its namespace and password are right',
    retryable: true,
    details: { member: name },
    cause,
  });
}
