import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { reservePort, seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { TempFolder } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';
import { ZdbServer } from '@commongrid/zdb';
import { BackendPool } from '../../src/backends/backend-pool.ts';
import type { BackendSpec } from '../../src/backends/backends-file.ts';
import type { Credit } from '../../src/backends/credit.ts';
import { BlobReader } from '../../src/blob/blob-reader.ts';
import type { ReadOptions } from '../../src/blob/blob-reader.ts';
import { BlobWriter } from '../../src/blob/blob-writer.ts';
import type { StoragePolicy, WriteOptions } from '../../src/blob/blob-writer.ts';
import { ChunkIds } from '../../src/blob/chunk-ids.ts';
import type { ShardFault } from '../../src/blob/shard-fetch.ts';
import { openStreamBudget } from '../../src/blob/stream-budget.ts';
import type { StoredBlob } from '../../src/blob/written-blob.ts';
import { MemoryLocations } from '../../src/testing/memory-locations.ts';
import { CodingThreads } from '../../src/threads/coding-threads.ts';
import { SlowProxy } from './slow-proxy.ts';

export const mebibyte = 2 ** 20;
export const fourPlusTwo: StoragePolicy = {
  dataShards: 4,
  parityShards: 2,
  chunkSizeBytes: 4 * mebibyte,
  compression: 'none',
};
export const sixteenPlusFour: StoragePolicy = { ...fourPlusTwo, dataShards: 16, parityShards: 4 };

interface ClusterOptions {
  readonly servers: number;
  /** How many of them are spares. */
  readonly spares?: number;
  readonly commandTimeoutMs?: number;
  readonly threads?: number;
  readonly budgetBytes?: number;
  readonly budgetWaitMs?: number;
}

/** Real Zero-DB servers in this process, each on a node of its own, and a store over them. */
export class Cluster implements AsyncDisposable {
  readonly folder: TempFolder;
  readonly servers: ServerSlot[];
  readonly pool: BackendPool;
  readonly locations = new MemoryLocations();
  readonly faults: ShardFault[] = [];
  readonly ids = new ChunkIds(() => 1);
  readonly budget: Credit;
  readonly threads: CodingThreads;
  readonly writer: BlobWriter;
  readonly reader: BlobReader;

  private constructor(
    folder: TempFolder,
    servers: ServerSlot[],
    pool: BackendPool,
    { threads = 0, budgetBytes: totalBytes, budgetWaitMs: waitMs }: ClusterOptions,
  ) {
    this.folder = folder;
    this.servers = servers;
    this.pool = pool;
    this.threads = CodingThreads.open({ count: threads, inPlaceBytesMax: -1 });
    this.budget = openStreamBudget({ totalBytes, waitMs });
    const { budget, locations } = this;
    const common = { backends: pool, threads: this.threads, budget, locations };
    this.writer = new BlobWriter({ ...common, ids: this.ids });
    this.reader = new BlobReader({ ...common, onFault: (fault) => this.faults.push(fault) });
  }

  static async open(options: ClusterOptions): Promise<Cluster> {
    await using opened = new AsyncDisposableStack();
    const folder = opened.use(await tempFolder('zstor'));
    const servers = await Promise.all(
      Array.from({ length: options.servers }, async (_, at) => {
        return opened.use(await ServerSlot.open(join(folder.path, String(at))));
      }),
    );
    const regular = options.servers - (options.spares ?? 0);
    const specs = servers.map((server, at) => specOf(server, at, at >= regular));
    const timeout =
      options.commandTimeoutMs === undefined ? {} : { commandTimeoutMs: options.commandTimeoutMs };
    const numberOf = ({ port }: BackendSpec): number => specs.findIndex((s) => s.port === port) + 1;
    const pool = opened.use(await BackendPool.open(specs, { numberOf, ...timeout }));
    opened.move();
    return new Cluster(folder, servers, pool, options);
  }

  /** The server of a backend. */
  server(no: number): ServerSlot {
    const server = this.servers[no - 1];
    if (server === undefined) throw new Error(`there is no server ${no}`);
    return server;
  }

  async put(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: Partial<WriteOptions> = {},
  ): Promise<StoredBlob> {
    const blob = await this.writer.write(source, { policy: fourPlusTwo, ...options });
    await blob.commit(this.locations.register);
    return blob;
  }

  async get(blob: StoredBlob, options: ReadOptions = {}): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const bytes of this.reader.read(blob, options)) parts.push(Buffer.from(bytes));
    return Buffer.concat(parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer.close();
    await this.threads.close();
    await this.pool.close();
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
    await this.folder[Symbol.asyncDispose]();
  }
}

/** A server that can be ended, started again and emptied, always at the same address. */
class ServerSlot implements AsyncDisposable {
  readonly #dataDir: string;
  readonly proxy: SlowProxy;
  readonly #port: number;
  #server: ZdbServer | undefined;

  private constructor(dataDir: string, port: number, proxy: SlowProxy, server: ZdbServer) {
    this.#dataDir = dataDir;
    this.#port = port;
    this.proxy = proxy;
    this.#server = server;
  }

  static async open(dataDir: string): Promise<ServerSlot> {
    const port = await reservePort();
    const server = await openServer(dataDir, port);
    const slot = new ServerSlot(dataDir, port, await SlowProxy.open(port), server);
    await slot.#makeNamespace();
    return slot;
  }

  /** Through the proxy, where answers can be slow. */
  get port(): number {
    return this.proxy.port;
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  async start(): Promise<void> {
    this.#server ??= await openServer(this.#dataDir, this.#port);
  }

  async wipe(): Promise<void> {
    await this.stop();
    await rm(this.#dataDir, { recursive: true });
    await this.start();
    await this.#makeNamespace();
  }

  /** Changes what the server has under a key. */
  async replace(key: Buffer, change: (value: Buffer) => Buffer): Promise<void> {
    await using client = await this.#client();
    await client.command(['SELECT', 'shards']);
    const value = await client.command(['GET', key]);
    if (!Buffer.isBuffer(value)) throw new Error('the server does not have this shard');
    await client.command(['SET', key, change(value)]);
  }

  /** What the namespace takes on disk. */
  async usedBytes(): Promise<number> {
    await using client = await this.#client();
    const info = await client.command(['NSINFO', 'shards']);
    const text = Buffer.isBuffer(info) ? info.toString() : '';
    return Number(/^used_bytes: ?(\d+)/m.exec(text)?.[1]);
  }

  async keyCount(): Promise<number> {
    await using client = await this.#client();
    await client.command(['SELECT', 'shards']);
    return Number(await client.command(['DBSIZE']));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.stop();
  }

  #client(): Promise<RespClient> {
    return RespClient.connect({ port: this.#port });
  }

  async #makeNamespace(): Promise<void> {
    await using client = await this.#client();
    await client.command(['NSNEW', 'shards']);
  }
}

function openServer(dataDir: string, port: number): Promise<ZdbServer> {
  return ZdbServer.open({
    dataDir,
    listen: [{ host: '127.0.0.1', port }],
    // What the disk does is tested elsewhere.
    durability: 'os',
    segmentBytes: 16 * mebibyte,
  });
}

function specOf(server: ServerSlot, at: number, isSpare: boolean): BackendSpec {
  return {
    host: '127.0.0.1',
    port: server.port,
    namespace: 'shards',
    password: undefined,
    tlsFingerprint: undefined,
    node: `node-${at}`,
    farm: `farm-${Math.floor(at / 2)}`,
    country: 'BE',
    isSpare,
  };
}

/** Bytes that do not shrink, in pieces of odd lengths. */
export function* randomPieces(sizeBytes: number, seed: number | string): Generator<Buffer> {
  const all = randomBytesOf(sizeBytes, seed);
  for (let at = 0; at < all.length; at += 65_521) yield all.subarray(at, at + 65_521);
}

export function randomBytesOf(sizeBytes: number, seed: number | string): Buffer {
  // A block again and again, each with its number: cheap, and no two chunks are the same.
  const block = seededRandom(seed).bytes(Math.min(sizeBytes, 65_536));
  const all = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at += block.length) {
    all.set(block.subarray(0, sizeBytes - at), at);
    if (at + 4 <= sizeBytes) all.writeUInt32LE(at, at);
  }
  return all;
}
