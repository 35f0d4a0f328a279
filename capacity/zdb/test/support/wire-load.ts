import { isGridError, type Random } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';

/** Key -> value. */
export type Content = Map<string, string>;

/** Changes that one command makes: all of them or none. A value of undefined deletes. */
type Change = ReadonlyMap<string, string | undefined>;

const KEYS = 60;
/** Commands on their way before the client waits for replies. */
const IN_FLIGHT_MAX = 40;
/** Of the longest values: from 64 KiB on the server writes them out of the memory they came in. */
const KEPT_BYTES_MAX = 300_000;

/**
 * One client with a namespace of its own that writes until its connection breaks. Its commands take
 * effect in order, so that afterwards the namespace must hold what was acknowledged and a whole number
 * of the commands that were not.
 */
export class WireLoad {
  readonly namespace: string;
  /** After all that was acknowledged. */
  readonly acknowledged: Content = new Map();
  /** Commands without a reply, oldest first. */
  readonly pending: Change[] = [];
  acknowledgedCount = 0;
  /** Called at each reply to a write, with what it acknowledged. */
  onAcknowledged: (() => void) | undefined;
  /** Every key that it may write. */
  readonly keys = Array.from({ length: KEYS }, (_unused, i) => `key-${i}`);
  readonly #done: Change[] = [];
  #counter = 0;
  readonly #random: Random;
  #client: RespClient | undefined;

  constructor(namespace: string, random: Random) {
    this.namespace = namespace;
    this.#random = random;
  }

  async connect(port: number): Promise<void> {
    const client = await RespClient.connect({ port });
    this.#client = client;
    try {
      await client.command(['SELECT', this.namespace]);
    } catch {
      await client.command(['NSNEW', this.namespace]);
      await client.command(['SELECT', this.namespace]);
    }
  }

  /** Writes until the connection breaks, or so many commands were sent. */
  async run(commands = Number.POSITIVE_INFINITY): Promise<void> {
    const replies = new Set<Promise<void>>();
    let isBroken = false;
    for (let i = 0; i < commands && !isBroken; i++) {
      const reply = this.#write().catch((error: unknown) => {
        isBroken = true;
        if (!isGridError(error) || error.code === 'RESP_REPLY_ERROR') throw error;
      });
      replies.add(reply);
      void reply.then(
        () => replies.delete(reply),
        () => undefined,
      );
      if (replies.size >= IN_FLIGHT_MAX) await Promise.race(replies);
    }
    await Promise.all(replies);
  }

  async #write(): Promise<void> {
    const client = this.#connected();
    const { args, change } = this.#command();
    this.pending.push(change);
    try {
      await client.command(args);
    } catch (error) {
      // A key that is not there: nothing changes, and that was acknowledged.
      if (!isGridError(error, 'RESP_REPLY_ERROR') || args[0] !== 'DEL') throw error;
    }
    if (this.pending.shift() !== change) throw new Error('replies came in another order');
    apply(this.acknowledged, change);
    this.#done.push(change);
    this.acknowledgedCount++;
    this.onAcknowledged?.();
  }

  #command(): { args: string[]; change: Change } {
    const dice = this.#random.int(0, 10);
    if (dice < 6) {
      const [key, value] = [this.#key(), this.#value()];
      return { args: ['SET', key, value], change: new Map([[key, value]]) };
    }
    if (dice < 8) {
      const key = this.#key();
      return { args: ['DEL', key], change: new Map([[key, undefined]]) };
    }
    const change = new Map<string, string>();
    for (let i = this.#random.int(2, 6); i > 0; i--) change.set(this.#key(), this.#value());
    return { args: ['MSET', ...[...change].flat()], change };
  }

  #key(): string {
    return this.keys[this.#random.int(0, KEYS)] as string;
  }

  /** No value comes twice, so that each part of it tells which command wrote it. */
  #value(): string {
    const dice = this.#random.int(0, 72);
    const most = dice === 0 ? KEPT_BYTES_MAX : dice < 6 ? 30_000 : 400;
    const own = `${this.#counter++}.`;
    return own.padEnd(this.#random.int(0, most), own);
  }

  #connected(): RespClient {
    if (this.#client === undefined) throw new Error('connect() comes first');
    return this.#client;
  }

  /** What the server holds now. */
  async read(): Promise<Content> {
    const client = this.#connected();
    const values = await client.command(['MGET', ...this.keys]);
    const content: Content = new Map();
    if (!Array.isArray(values)) throw new Error('MGET answers with a list');
    for (const [i, value] of values.entries()) {
      if (Buffer.isBuffer(value)) content.set(this.keys[i] as string, value.toString('latin1'));
    }
    return content;
  }

  /** Compares what is there now with what must be; takes it for the new beginning. */
  settle(found: Content): string[] {
    const content = new Map(this.acknowledged);
    for (let count = 0; count <= this.pending.length; count++) {
      if (count > 0) apply(content, this.pending[count - 1] as Change);
      if (!isEqual(content, found)) continue;
      this.pending.length = 0;
      this.acknowledged.clear();
      for (const [key, value] of found) this.acknowledged.set(key, value);
      return [];
    }
    return [
      `${this.namespace} holds neither what ${this.acknowledgedCount} replies acknowledged nor that ` +
        `with some of the ${this.pending.length} commands after them: ` +
        firstDifference(this.acknowledged, found),
    ];
  }

  /** Whether the namespace held this after `from` commands, or after some that came later. */
  wasEver(found: Content, from: number): boolean {
    const content: Content = new Map();
    for (const [i, change] of this.#done.entries()) {
      if (i >= from && isEqual(content, found)) return true;
      apply(content, change);
    }
    return isEqual(content, found);
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}

function apply(content: Content, change: Change): void {
  for (const [key, value] of change) {
    if (value === undefined) content.delete(key);
    else content.set(key, value);
  }
}

function isEqual(one: Content, other: Content): boolean {
  if (one.size !== other.size) return false;
  for (const [key, value] of one) if (other.get(key) !== value) return false;
  return true;
}

function firstDifference(expected: Content, found: Content): string {
  for (const key of new Set([...expected.keys(), ...found.keys()])) {
    const [was, is] = [expected.get(key), found.get(key)];
    if (was !== is) return `${key} was ${was?.slice(0, 20)}, is ${is?.slice(0, 20)}`;
  }
  return 'none';
}
