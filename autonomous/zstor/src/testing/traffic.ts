import { createHash } from 'node:crypto';
import { seededRandom, waitFor } from '@commongrid/base';
import type { Random } from '@commongrid/base';

/** What readers and writers need of a store. What fails here has failed after all its retries. */
export interface TrafficStore {
  put(name: string, bytes: Buffer): Promise<void>;
  /** Undefined when there is nothing of this name. */
  get(name: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  remove(name: string): Promise<void>;
}

export interface TrafficOptions {
  readonly store: TrafficStore;
  readonly seed: number | string;
  /** Sizes of what is written. */
  readonly sizesBytes: readonly number[];
  /** Default 2. */
  readonly writers?: number;
  /** Default 2. */
  readonly readers?: number;
  /** Names of each writer. Default 12. */
  readonly names?: number;
}

/** What a name held from a moment between these two on. */
interface Version {
  /** Undefined: nothing. */
  readonly sha256: string | undefined;
  readonly calledMs: number;
  answeredMs: number;
}

/** Part of the writes that remove. */
const removalPart = 0.1;
const waitMs = 120_000;

/**
 * Readers and writers that go on until they are stopped, and know what each read may give: each name
 * has one writer, so its versions follow each other.
 */
export class Traffic {
  readonly failures: string[] = [];
  /** Reads that gave what their name never held then. */
  readonly wrong: string[] = [];
  puts = 0;
  gets = 0;
  /** Of reads and writes, in ms. */
  readonly slowestMs = { get: 0, put: 0 };
  readonly #o: TrafficOptions;
  readonly #versions = new Map<string, Version[]>();
  readonly #work: Promise<void>[] = [];
  #isOver = false;

  constructor(options: TrafficOptions) {
    this.#o = options;
  }

  /** Begins, or goes on after `stop`. */
  start(): void {
    this.#isOver = false;
    const { writers = 2, readers = 2, seed } = this.#o;
    for (let i = 0; i < writers; i++) {
      const random = seededRandom(`${seed} writer ${i} ${this.puts}`);
      this.#work.push(this.#write(`writer-${i}`, random));
    }
    for (let i = 0; i < readers; i++) {
      this.#work.push(this.#read(seededRandom(`${seed} reader ${i} ${this.gets}`)));
    }
  }

  /** Resolves when so many more of each have ended. */
  async more(puts: number, gets = 2 * puts): Promise<void> {
    const target = { puts: this.puts + puts, gets: this.gets + gets };
    const what = `${puts} puts and ${gets} gets`;
    const isDone = (): boolean => this.puts >= target.puts && this.gets >= target.gets;
    await waitFor(isDone, { timeoutMs: waitMs, what, everyMs: 20 });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#work.splice(0));
  }

  /** Reads everything once: for after `stop`. */
  async readAll(): Promise<void> {
    for (const name of this.#versions.keys()) await this.#readOne(name);
  }

  async #write(writer: string, random: Random): Promise<void> {
    const { store, sizesBytes, names = 12 } = this.#o;
    while (!this.#isOver) {
      const name = `${writer}/${random.int(0, names)}`;
      const isThere = this.#versions.get(name)?.at(-1)?.sha256 !== undefined;
      const isRemoval = isThere && random.float() < removalPart;
      const size = sizesBytes[random.int(0, sizesBytes.length)] ?? 0;
      const bytes = isRemoval ? undefined : bytesOf(size, `${name} ${this.puts}`);
      const version = this.#begin(name, bytes);
      try {
        if (bytes === undefined) await store.remove(name);
        else await store.put(name, bytes);
        version.answeredMs = performance.now();
        this.slowestMs.put = Math.max(this.slowestMs.put, version.answeredMs - version.calledMs);
      } catch (error) {
        this.failures.push(`${isRemoval ? 'remove' : 'put'} ${name}: ${String(error)}`);
      }
      this.puts++;
    }
  }

  #begin(name: string, bytes: Buffer | undefined): Version {
    const sha256 = bytes && createHash('sha256').update(bytes).digest('hex');
    const calledMs = performance.now();
    const version: Version = { sha256, calledMs, answeredMs: Infinity };
    const first: Version = { sha256: undefined, calledMs: 0, answeredMs: 0 };
    const versions = this.#versions.get(name) ?? [first];
    this.#versions.set(name, [...versions.slice(-50), version]);
    return version;
  }

  async #read(random: Random): Promise<void> {
    while (!this.#isOver) {
      const names = [...this.#versions.keys()];
      const name = names[random.int(0, Math.max(1, names.length))];
      if (name === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
      else await this.#readOne(name);
    }
  }

  async #readOne(name: string): Promise<void> {
    const calledMs = performance.now();
    try {
      const sha256 = await this.#hashOf(name);
      const answeredMs = performance.now();
      this.slowestMs.get = Math.max(this.slowestMs.get, answeredMs - calledMs);
      if (!this.#couldHold(name, sha256, calledMs, answeredMs)) {
        this.wrong.push(`${name}: ${sha256 ?? 'nothing'}`);
      }
    } catch (error) {
      this.failures.push(`get ${name}: ${String(error)}`);
    }
    this.gets++;
  }

  async #hashOf(name: string): Promise<string | undefined> {
    const bytes = await this.#o.store.get(name);
    if (bytes === undefined) return undefined;
    const hash = createHash('sha256');
    for await (const piece of bytes) hash.update(piece);
    return hash.digest('hex');
  }

  /** Whether a version was the latest at some moment between call and answer of a read. */
  #couldHold(
    name: string,
    sha256: string | undefined,
    calledMs: number,
    answeredMs: number,
  ): boolean {
    const versions = this.#versions.get(name) ?? [];
    return versions.some((version, at) => {
      // Whether one that failed was written nobody knows: it ends none before it.
      const isEnded = versions.slice(at + 1).some((later) => later.answeredMs < calledMs);
      return version.sha256 === sha256 && version.calledMs <= answeredMs && !isEnded;
    });
  }
}

/** Bytes that do not shrink, and are others for each seed. */
function bytesOf(sizeBytes: number, seed: string): Buffer {
  const block = seededRandom(seed).bytes(Math.min(sizeBytes, 65_536));
  const all = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at += block.length) {
    all.set(block.subarray(0, sizeBytes - at), at);
    if (at + 4 <= sizeBytes) all.writeUInt32LE(at, at);
  }
  return all;
}
