import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { delay, isGridError } from '@commongrid/base';
import type { Random } from '@commongrid/base';

import { fileBytes, sumOfFile } from './real-files.ts';
import type { KnownObject } from './real-files.ts';

/** A client as people use it: what is tried again, it tries. */
export interface TrafficClient {
  /** Downloads an object to a path at which nothing is. Rejects when it gives up. */
  read(key: string, path: string): Promise<void>;
  write(path: string, key: string): Promise<void>;
  /** Rejects unless it is gone. */
  remove(key: string): Promise<void>;
}

export interface TrafficOptions {
  readonly client: TrafficClient;
  /** What is there already. */
  readonly objects: readonly KnownObject[];
  /** Of all that is written, bytes; what comes after is tiny. */
  readonly writtenBytesMax: number;
  /** After so many writes one of what was written is removed. Default never. */
  readonly removedEvery?: number | undefined;
  readonly random: Random;
  /** For what is under way. */
  readonly folder: string;
  /** From when on one hangs, ms. Default 4 min: a client tries again for a while. */
  readonly hangMs?: number;
  readonly signal: AbortSignal;
}

/** What a reader or a writer did. */
export interface TrafficCounts {
  readonly done: number;
  readonly bytes: number;
  /** Gave up after all its tries. */
  readonly failed: number;
  /** Longest time that one took, also one that failed, ms. */
  readonly longestMs: number;
}

export interface TrafficFigures {
  readonly reads: TrafficCounts;
  readonly writes: TrafficCounts;
  /** While failures were expected: they count here alone. */
  readonly expected: { readonly reads: TrafficCounts; readonly writes: TrafficCounts };
  /** Objects that were written, and removed. */
  readonly removed: number;
  /** Reads that gave other bytes than were written: none may, whenever it is. */
  readonly wrong: number;
  /** That took longer than any answer may, also while failures are expected. */
  readonly hung: number;
  /** Why the first ones failed that nobody expected, and which bytes were wrong. */
  readonly problems: readonly string[];
}

/** Between two objects of a reader or a writer, ms: clients are not all that this machine has to do. */
const pauseMs = 250;
export const hangMsDefault = 240_000;
/** Of what is written, bytes; most are small. */
const writtenBytes = { usual: 64 * 2 ** 10, big: 2 ** 20 } as const;
/** One in so many is big. */
const bigEvery = 8;
/** Problems that are told. */
const problemsMax = 5;

type Kind = 'reads' | 'writes';

/** A reader of random objects and a writer of new ones, both from beginning to end. Each object that was written may be read. */
export class Traffic implements AsyncDisposable {
  readonly #options: TrafficOptions;
  readonly #objects: KnownObject[];
  readonly #closing = new AbortController();
  readonly #counts = { reads: new Count(), writes: new Count() };
  readonly #expected = { reads: new Count(), writes: new Count() };
  readonly #problems: string[] = [];
  readonly #working: Promise<unknown>;
  #wrong = 0;
  #hung = 0;
  #windows = 0;
  #windowsOpen = 0;
  #writtenBytes = 0;
  #removed = 0;
  /** Key of what is read now. */
  #reading: string | undefined;

  private constructor(options: TrafficOptions) {
    this.#options = options;
    this.#objects = [...options.objects];
    this.#working = Promise.all([
      this.#repeat('reads', () => this.#read()),
      this.#repeat('writes', (at) => this.#write(at)),
    ]);
  }

  /** @param options with at least one object */
  static start(options: TrafficOptions): Traffic {
    return new Traffic(options);
  }

  /** What has to be there: loaded, or written and acknowledged, and not asked to be removed. */
  get objects(): readonly KnownObject[] {
    return this.#objects;
  }

  figures(): TrafficFigures {
    const [own, expected] = [this.#counts, this.#expected];
    return {
      ...{ reads: own.reads.figures, writes: own.writes.figures },
      expected: { reads: expected.reads.figures, writes: expected.writes.figures },
      ...{ removed: this.#removed, wrong: this.#wrong, hung: this.#hung, problems: this.#problems },
    };
  }

  /** What begins or is under way meanwhile may fail. */
  async expectingFailures<T>(work: () => Promise<T>): Promise<T> {
    this.#windows++;
    this.#windowsOpen++;
    try {
      return await work();
    } finally {
      this.#windowsOpen--;
    }
  }

  /** Lets what is under way come to its end, and begins nothing more. */
  async stop(): Promise<void> {
    this.#closing.abort();
    await this.#working;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #repeat(kind: Kind, work: (at: number) => Promise<number>): Promise<void> {
    const over = AbortSignal.any([this.#closing.signal, this.#options.signal]);
    for (let at = 0; !over.aborted; at++) {
      await this.#once(kind, () => work(at));
      await delay(pauseMs, { signal: over }).catch(() => {});
    }
  }

  async #once(kind: Kind, work: () => Promise<number>): Promise<void> {
    const { signal } = this.#options;
    const startedMs = performance.now();
    const [windows, isExpected] = [this.#windows, this.#windowsOpen > 0];
    const counts = (): Count => {
      const own = isExpected || this.#windows > windows ? this.#expected : this.#counts;
      return own[kind];
    };
    const took = (): number => {
      const ms = performance.now() - startedMs;
      if (ms > (this.#options.hangMs ?? hangMsDefault)) this.#hung++;
      return ms;
    };
    try {
      const bytes = await work();
      counts().add(bytes, took());
    } catch (error) {
      if (signal.aborted || isGridError(error, 'BASE_ABORTED')) return;
      const count = counts();
      count.addFailure(took());
      if (count === this.#counts[kind]) this.#tell(`${kind}: ${String(error)}`);
    }
  }

  /** @returns bytes */
  async #read(): Promise<number> {
    const { client, random, folder, signal } = this.#options;
    const object = this.#objects[random.int(0, this.#objects.length)];
    if (object === undefined) throw new Error('there is nothing to read');
    this.#reading = object.key;
    const path = join(folder, 'read');
    await rm(path, { force: true });
    await client.read(object.key, path);
    const { sha256, bytes } = await sumOfFile(path, signal);
    if (sha256 === object.sha256) return bytes;
    this.#wrong++;
    this.#tell(`${object.key} has other bytes than were written`);
    throw new Error(`${object.key} is wrong`);
  }

  /** @returns bytes */
  async #write(at: number): Promise<number> {
    const { client, random, folder, writtenBytesMax, signal } = this.#options;
    const most = at % bigEvery === 0 ? writtenBytes.big : writtenBytes.usual;
    const left = writtenBytesMax - this.#writtenBytes;
    const size = Math.min(random.int(fileBytes.min, most), Math.max(left, fileBytes.min));
    const path = join(folder, 'written');
    await writeFile(path, randomBytes(size));
    const key = `new/${String(at).padStart(5, '0')}`;
    const sum = await sumOfFile(path, signal);
    this.#writtenBytes += size;
    await client.write(path, key);
    this.#objects.push({ key, ...sum });
    const { removedEvery } = this.#options;
    if (removedEvery !== undefined && at % removedEvery === removedEvery - 1) await this.#remove();
    return size;
  }

  /** Removes something that was written, and is not read just now. */
  async #remove(): Promise<void> {
    const { client, random, objects } = this.#options;
    const at = random.int(objects.length, this.#objects.length);
    const key = this.#objects[at]?.key;
    if (key === undefined || key === this.#reading) return;
    this.#objects.splice(at, 1);
    await client.remove(key);
    this.#removed++;
  }

  #tell(problem: string): void {
    if (this.#problems.length < problemsMax) this.#problems.push(problem);
  }
}

class Count {
  #figures: TrafficCounts = { done: 0, bytes: 0, failed: 0, longestMs: 0 };

  get figures(): TrafficCounts {
    return this.#figures;
  }

  add(bytes: number, tookMs: number): void {
    const { done, bytes: before } = this.#figures;
    this.#figures = { ...this.#figures, done: done + 1, bytes: before + bytes };
    this.#wait(tookMs);
  }

  addFailure(tookMs: number): void {
    this.#figures = { ...this.#figures, failed: this.#figures.failed + 1 };
    this.#wait(tookMs);
  }

  #wait(tookMs: number): void {
    const longestMs = Math.max(this.#figures.longestMs, tookMs);
    this.#figures = { ...this.#figures, longestMs };
  }
}
