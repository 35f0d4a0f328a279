/*
 * The loader's process: `node load-main.ts SPEC`, result as JSON on stdout. A process of its own, so
 * that what measures and what loads do not share a core's time with each other's garbage.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { percentile } from '@commongrid/system/bench';

import type { LoadResult, LoadSpec } from './load-spec.ts';
import { ReplyCounter } from './reply-counter.ts';

const digits = 12;
const receiveBytes = 256 * 1024;
/** A GET in the mix comes with this probability. */
const getPart = 0.8;

/** What all connections share. */
class Load {
  readonly spec: LoadSpec;
  readonly set: Template;
  readonly get: Template;
  readonly latencyMs: number[] = [];
  startMs = 0;
  requests = 0;
  gets = 0;
  #nextKey: number;
  #version: number;

  constructor(spec: LoadSpec) {
    this.spec = spec;
    const { prefix, valueBytes, version } = spec;
    this.set = new Template(['SET', prefix + '0'.repeat(digits), 'v'.repeat(valueBytes)], prefix);
    this.get = new Template(['GET', prefix + '0'.repeat(digits)], prefix);
    this.#nextKey = spec.firstKey;
    this.#version = version;
  }

  get isOver(): boolean {
    const { seconds, work, firstKey, keys } = this.spec;
    if (work === 'fill' && this.#nextKey >= firstKey + keys) return true;
    return seconds !== undefined && performance.now() - this.startMs > seconds * 1000;
  }

  /** Puts a batch into `memory`; returns its requests and bytes. */
  fillBatch(memory: Buffer): { requests: number; bytes: number } {
    const { work, pipeline, firstKey, keys, version } = this.spec;
    let bytes = 0;
    let requests = 0;
    for (; requests < pipeline; requests++) {
      if (work === 'fill') {
        if (this.#nextKey >= firstKey + keys) break;
        bytes = this.set.write(memory, bytes, this.#nextKey++, version);
        continue;
      }
      const key = firstKey + Math.floor(Math.random() * keys);
      if (work === 'mix' && Math.random() < getPart) {
        this.gets++;
        bytes = this.get.write(memory, bytes, key, 0);
      } else {
        bytes = this.set.write(memory, bytes, key, ++this.#version);
      }
    }
    return { requests, bytes };
  }
}

/** A request whose key, and the first bytes of whose value, change. */
class Template {
  readonly bytes: Buffer;
  readonly #keyEnd: number;
  readonly #versionAt: number;

  constructor(args: readonly string[], prefix: string) {
    const text = args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('');
    this.bytes = Buffer.from(`*${args.length}\r\n${text}`, 'latin1');
    this.#keyEnd = this.bytes.indexOf(prefix + '0'.repeat(digits)) + prefix.length + digits;
    this.#versionAt = args.length > 2 ? this.bytes.length - 2 - (args[2]?.length ?? 0) : 0;
  }

  write(memory: Buffer, at: number, key: number, version: number): number {
    this.bytes.copy(memory, at);
    let rest = key;
    for (let i = at + this.#keyEnd - 1; rest > 0; i--) {
      memory[i] = 48 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    if (version > 0) memory.writeUInt32LE(version, at + this.#versionAt);
    return at + this.bytes.length;
  }
}

/** One connection: sends a batch, waits for all its replies, sends the next. */
class Connection {
  readonly #load: Load;
  readonly #memory: Buffer;
  readonly #replies = new ReplyCounter();
  readonly #socket: Socket;
  readonly #opened = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  #expected = 0;
  #inBatch = 0;
  #sentMs = 0;

  constructor(load: Load) {
    this.#load = load;
    this.#memory = Buffer.allocUnsafe(load.set.bytes.length * load.spec.pipeline);
    this.#socket = connect({
      port: load.spec.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(receiveBytes),
        callback: (count, bytes) => this.#received(bytes as Buffer, count),
      },
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the server hung up')));
  }

  get nils(): number {
    return this.#replies.nils;
  }

  /** Enters the namespace; without one asks for a sign of life. */
  open(namespace: string | undefined): Promise<void> {
    const args = namespace === undefined ? ['PING'] : ['SELECT', namespace];
    const text = args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('');
    this.#expected = 1;
    this.#socket.write(`*${args.length}\r\n${text}`);
    return this.#opened.promise;
  }

  async run(): Promise<void> {
    this.#send();
    await this.#done.promise;
    this.#socket.destroy();
  }

  #send(): void {
    const load = this.#load;
    const { requests, bytes } = load.isOver
      ? { requests: 0, bytes: 0 }
      : load.fillBatch(this.#memory);
    if (requests === 0) {
      this.#done.resolve();
      return;
    }
    this.#inBatch = requests;
    this.#expected += requests;
    this.#sentMs = performance.now();
    this.#socket.write(this.#memory.subarray(0, bytes));
  }

  #received(bytes: Buffer, count: number): boolean {
    const replies = this.#replies;
    replies.push(bytes, count);
    if (replies.error !== undefined) this.#fail(new Error(replies.error));
    else if (replies.replies === this.#expected) this.#answered();
    return true;
  }

  #answered(): void {
    const load = this.#load;
    if (this.#inBatch === 0) {
      this.#opened.resolve();
      return;
    }
    load.requests += this.#inBatch;
    load.latencyMs.push(performance.now() - this.#sentMs);
    this.#send();
  }

  /** Whoever waits first hears of it. */
  #fail(error: Error): void {
    this.#opened.reject(error);
    if (this.#inBatch > 0) this.#done.reject(error);
  }
}

async function main(): Promise<void> {
  const load = new Load(JSON.parse(process.argv[2] ?? '') as LoadSpec);
  const { connections, namespaces = [] } = load.spec;
  const all = Array.from({ length: connections }, () => new Connection(load));
  await Promise.all(all.map((one, i) => one.open(namespaces[i % namespaces.length])));
  load.startMs = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(all.map((one) => one.run()));
  const seconds = (performance.now() - load.startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const result: LoadResult = {
    requests: load.requests,
    seconds,
    perSecond: load.requests / seconds,
    p50Ms: percentile(load.latencyMs, 0.5),
    p99Ms: percentile(load.latencyMs, 0.99),
    maxMs: percentile(load.latencyMs, 1),
    gets: load.gets,
    nils: all.reduce((sum, { nils }) => sum + nils, 0),
    loaderCores: (user + system) / 1e6 / seconds,
  };
  console.log(JSON.stringify(result));
}

await main();
