import { join } from 'node:path';

import { throwIfAborted } from '@commongrid/base';
import { interleave } from '@commongrid/system/bench';
import type { BenchOptions } from '@commongrid/system/bench';

import { TestServer } from './test-server.ts';
import type { Durability, Product } from './test-server.ts';

/** More than one run of the loader can write. */
const versionsPerLoad = 10_000_000;

/** One run of the benchmark: what the user asked for, and where it happens. */
export class BenchRun {
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly signal: AbortSignal;
  /** How long one side is loaded in one round. */
  readonly loadSeconds: number;
  readonly note: (text: string) => void;
  readonly #only: string;
  readonly #folder: string;
  #servers = 0;
  #loads = 0;

  constructor(options: BenchOptions, folder: string) {
    this.isQuick = options.isQuick ?? false;
    this.rounds = this.isQuick ? 1 : options.rounds;
    this.loadSeconds = this.isQuick ? 0.3 : 1.5;
    this.signal = options.signal;
    this.note = options.note;
    this.#only = options.only ?? '';
    this.#folder = folder;
  }

  /** Whether one of these rows was asked for. */
  wants(...names: readonly string[]): boolean {
    return names.some((name) => name.includes(this.#only));
  }

  /** The full size, or a part of it in a quick run. */
  sized(full: number): number {
    return this.isQuick ? full / 10 : full;
  }

  /** For a run of the loader: far from all that were given before. */
  nextVersion(): number {
    return ++this.#loads * versionsPerLoad;
  }

  start(product: Product, durability: Durability): Promise<TestServer> {
    throwIfAborted(this.signal);
    const folder = join(this.#folder, `${this.#servers++}-${product}`);
    return TestServer.start(product, folder, durability, this.signal);
  }

  /** The same folder again. */
  restart(dataDir: string, durability: Durability): Promise<TestServer> {
    return TestServer.start('ours', dataDir, durability, this.signal);
  }

  async pair(durability: Durability): Promise<ServerPair> {
    await using stack = new AsyncDisposableStack();
    const ours = stack.use(await this.start('ours', durability));
    const redis = stack.use(await this.start('redis', durability));
    return new ServerPair(ours, redis, stack.move());
  }
}

/** Ours and Redis, both alive, each idle while the other is measured. */
export class ServerPair implements AsyncDisposable {
  readonly ours: TestServer;
  readonly redis: TestServer;
  readonly #resources: AsyncDisposableStack;

  constructor(ours: TestServer, redis: TestServer, resources: AsyncDisposableStack) {
    this.ours = ours;
    this.redis = redis;
    this.#resources = resources;
  }

  /** Does the same to each, one after the other. */
  async each<T>(work: (server: TestServer) => Promise<T>): Promise<{ ours: T; rival: T }> {
    return { ours: await work(this.ours), rival: await work(this.redis) };
  }

  interleave<T>(
    rounds: number,
    work: (server: TestServer, round: number) => Promise<T>,
  ): Promise<{ ours: T[]; rival: T[] }> {
    return interleave(rounds, {
      ours: (round) => work(this.ours, round),
      rival: (round) => work(this.redis, round),
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}
