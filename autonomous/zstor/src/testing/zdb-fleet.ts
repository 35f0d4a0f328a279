import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { delay } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { RespClient } from '@commongrid/resp';
import { chunkKeyOf } from '../backends/backend.ts';
import { ZdbProcess } from './zdb-process.ts';

/** Behind the header of a shard, or of a copy. */
const payloadAt = 64;

export interface FleetLayout {
  /** How many of the servers keep shards: the first ones. Default all. */
  readonly servers?: number;
  /** How many of them are spares: the last ones. Default 0. */
  readonly spares?: number;
  /** How many of them may keep the log, and keys of buckets: the first ones. Default all. */
  readonly logs?: number;
}

/** What a store has a namespace for. */
type StoreNamespace = 'shards' | 'log' | 'keys';

/** A value that is not what was written. */
interface WrongValue {
  readonly at: number;
  readonly store: string;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Real Zero-DBs in processes of their own, each a node and a farm. */
export class ZdbFleet implements AsyncDisposable {
  readonly folder: string;
  readonly servers: readonly ZdbProcess[];
  readonly #namespaces: string[] = [];
  #wrong: WrongValue[] = [];
  readonly #stack: AsyncDisposableStack;

  private constructor(folder: string, servers: readonly ZdbProcess[], stack: AsyncDisposableStack) {
    this.folder = folder;
    this.servers = servers;
    this.#stack = stack;
  }

  static async open(count: number): Promise<ZdbFleet> {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await tempFolder('fleet'));
    const servers = await Promise.all(
      Array.from({ length: count }, async (_, at) => {
        return stack.use(await ZdbProcess.open(join(path, `node-${at}`)));
      }),
    );
    return new ZdbFleet(path, servers, stack.move());
  }

  /**
   * Namespaces `NAME-shards`, `NAME-log` and `NAME-keys` on all servers.
   * @returns the path of a backends file that names them
   */
  async makeStore(name: string, layout: FleetLayout = {}): Promise<string> {
    const { servers: count = this.servers.length, spares = 0, logs = count } = layout;
    const names = { namespace: `${name}-shards`, log: `${name}-log`, keys: `${name}-keys` };
    const created = Object.values(names);
    this.#namespaces.push(...created);
    await Promise.all(this.servers.map((server) => server.makeNamespaces(created)));
    const entries = this.servers.slice(0, count).map(({ port }, at) => ({
      ...{ address: `127.0.0.1:${port}`, namespace: names.namespace },
      ...{ node: `node-${at}`, farm: `farm-${at}`, country: 'BE' },
      ...(at < logs ? { log: names.log, keys: names.keys } : {}),
      ...(at >= count - spares ? { spare: true } : {}),
    }));
    const path = join(this.folder, `${name}.json`);
    await writeFile(path, JSON.stringify(entries));
    return path;
  }

  /** The server of an entry of a backends file, which counts from 0. */
  server(at: number): ZdbProcess {
    const server = this.servers[at];
    if (server === undefined) throw new Error(`there is no server ${at}`);
    return server;
  }

  async kill(...places: readonly number[]): Promise<void> {
    await Promise.all(places.map((at) => this.server(at).kill()));
  }

  /** With what they had. */
  async restart(...places: readonly number[]): Promise<void> {
    await Promise.all(places.map((at) => this.server(at).restart()));
  }

  /** Begins them anew with empty namespaces, running or not. */
  async wipe(...places: readonly number[]): Promise<void> {
    const wiped = places.map(async (at) => {
      const server = this.server(at);
      await server.kill();
      await rm(server.dataDir, { recursive: true, force: true });
      await server.restart();
      await server.makeNamespaces(this.#namespaces);
    });
    await Promise.all(wiped);
  }

  /**
   * Changes a byte of every value of a store that they have. To Zero-DB it is a write like any other.
   * @returns how many there were
   */
  async corrupt(store: string, ...places: readonly number[]): Promise<number> {
    const counts = places.map(async (at) => {
      await using client = await this.server(at).connect();
      await client.command(['SELECT', `${store}-shards`]);
      const keys = await keysOf(client);
      for (const key of keys) {
        const value = await corruptValue(client, key);
        const isOfChunk = chunkKeyOf(key) !== undefined;
        if (value !== undefined && isOfChunk) this.#wrong.push({ at, store, key, value });
      }
      return keys.length;
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** Of the shards and copies that `corrupt` made, those still there: neither mended nor removed. */
  async wrongValuesLeft(): Promise<number> {
    const left: WrongValue[] = [];
    for (const wrong of this.#wrong) {
      await using client = await this.server(wrong.at).connect();
      await client.command(['SELECT', `${wrong.store}-shards`]);
      const now = await client.command(['GET', wrong.key]);
      if (Buffer.isBuffer(now) && now.equals(wrong.value)) left.push(wrong);
    }
    this.#wrong = left;
    return left.length;
  }

  /** Empties a namespace on all servers that run. */
  async emptyNamespace(name: string): Promise<void> {
    const emptied = this.servers.map(async (server) => {
      await using client = await server.connect();
      await client.command(['NSDEL', name]);
      await client.command(['NSNEW', name]);
    });
    await Promise.all(emptied);
  }

  /** Values of a store that a server has, by default shards and copies. */
  async keyCount(store: string, at: number, kind: StoreNamespace = 'shards'): Promise<number> {
    await using client = await this.server(at).connect();
    await client.command(['SELECT', `${store}-${kind}`]);
    return Number(await client.command(['DBSIZE']));
  }

  /** Freezes one after the other, each for `stillMs`, so often. */
  async stall(places: readonly number[], stillMs: number, times: number): Promise<void> {
    for (let turn = 0; turn < times; turn++) {
      for (const at of places) {
        this.server(at).signal('SIGSTOP');
        await delay(stillMs);
        this.server(at).signal('SIGCONT');
      }
    }
  }

  /** Freezes servers, begins `work`, and lets them go on after `stillMs`. */
  async whileStill<T>(
    places: readonly number[],
    stillMs: number,
    work: () => Promise<T>,
  ): Promise<T> {
    for (const at of places) this.server(at).signal('SIGSTOP');
    const goOn = async (): Promise<void> => {
      await delay(stillMs);
      for (const at of places) this.server(at).signal('SIGCONT');
    };
    const [result] = await Promise.all([work(), goOn()]);
    return result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

async function keysOf(client: RespClient): Promise<Buffer[]> {
  const keys: Buffer[] = [];
  for (let cursor = Buffer.from('0'); ;) {
    // At the end it is refused; until then some may have been deleted.
    const reply = await client.command(['SCAN', cursor]).catch((error: unknown) => {
      if (error instanceof Error && error.message === 'No more data') return undefined;
      throw error;
    });
    if (!Array.isArray(reply) || !Buffer.isBuffer(reply[0]) || !Array.isArray(reply[1])) break;
    cursor = Buffer.from(reply[0]);
    for (const item of reply[1]) {
      if (Array.isArray(item) && Buffer.isBuffer(item[0])) keys.push(item[0]);
    }
  }
  return keys;
}

async function corruptValue(client: RespClient, key: Buffer): Promise<Buffer | undefined> {
  const value = await client.command(['GET', key]);
  if (!Buffer.isBuffer(value) || value.length <= payloadAt) return undefined;
  const changed = Buffer.from(value);
  changed.writeUInt8(value.readUInt8(payloadAt) ^ 0x40, payloadAt);
  await client.command(['SET', key, changed]);
  return changed;
}
