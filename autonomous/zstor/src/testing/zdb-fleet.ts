import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { delay } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { RespClient } from '@commongrid/resp';
import { ZdbProcess } from './zdb-process.ts';

const namespaces = ['shards', 'log'];
/** Behind the header of a shard, or of a copy. */
const payloadAt = 64;

export interface FleetOptions {
  readonly servers: number;
  /** How many of them are spares: the last ones. Default 0. */
  readonly spares?: number;
  /** How many of them may keep the log: the first ones. Default all. */
  readonly logs?: number;
}

/** Real Zero-DBs in processes of their own, each a node and a farm, named by a backends file. */
export class ZdbFleet implements AsyncDisposable {
  readonly folder: string;
  readonly servers: readonly ZdbProcess[];
  readonly backendsFile: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(folder: string, servers: readonly ZdbProcess[], stack: AsyncDisposableStack) {
    this.folder = folder;
    this.servers = servers;
    this.backendsFile = join(folder, 'backends.json');
    this.#stack = stack;
  }

  static async open({ servers: count, spares = 0, logs = count }: FleetOptions): Promise<ZdbFleet> {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await tempFolder('fleet'));
    const servers = await Promise.all(
      Array.from({ length: count }, async (_, at) => {
        return stack.use(await ZdbProcess.open(join(path, `node-${at}`), namespaces));
      }),
    );
    const fleet = new ZdbFleet(path, servers, stack.move());
    const entries = servers.map(({ port }, at) => ({
      ...{ address: `127.0.0.1:${port}`, namespace: 'shards' },
      ...{ node: `node-${at}`, farm: `farm-${at}`, country: 'BE' },
      ...(at < logs ? { log: 'log' } : {}),
      ...(at >= count - spares ? { spare: true } : {}),
    }));
    await writeFile(fleet.backendsFile, JSON.stringify(entries));
    return fleet;
  }

  /** The server of an entry of the file, which counts from 0. */
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
      await server.makeNamespaces(namespaces);
    });
    await Promise.all(wiped);
  }

  /**
   * Changes a byte of every value that they have. To Zero-DB it is a write like any other.
   * @returns how many there were
   */
  async corrupt(...places: readonly number[]): Promise<number> {
    const counts = places.map(async (at) => {
      await using client = await this.server(at).connect();
      await client.command(['SELECT', 'shards']);
      const keys = await keysOf(client);
      for (const key of keys) await corruptValue(client, key);
      return keys.length;
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  async keyCount(at: number): Promise<number> {
    await using client = await this.server(at).connect();
    await client.command(['SELECT', 'shards']);
    return Number(await client.command(['DBSIZE']));
  }

  /** Freezes each in turn for `stillMs`, again and again, one at a time, until the signal fires. */
  async stall(places: readonly number[], stillMs: number, signal: AbortSignal): Promise<void> {
    const servers = places.map((at) => this.server(at));
    for (let turn = 0; !signal.aborted; turn++) {
      const server = servers[turn % servers.length];
      server?.signal('SIGSTOP');
      await delay(stillMs, { signal }).catch(() => {});
      server?.signal('SIGCONT');
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

async function keysOf(client: RespClient): Promise<Buffer[]> {
  const keys: Buffer[] = [];
  for (let cursor: Buffer | undefined; ;) {
    const reply = await client.command(['SCAN', ...(cursor === undefined ? [] : [cursor])]);
    if (!Array.isArray(reply)) return keys;
    const [next, items] = reply;
    if (!Buffer.isBuffer(next) || !Array.isArray(items)) return keys;
    cursor = next;
    for (const item of items) {
      if (Array.isArray(item) && Buffer.isBuffer(item[0])) keys.push(item[0]);
    }
  }
}

async function corruptValue(client: RespClient, key: Buffer): Promise<void> {
  const value = await client.command(['GET', key]);
  if (!Buffer.isBuffer(value) || value.length <= payloadAt) return;
  const changed = Buffer.from(value);
  changed.writeUInt8(value.readUInt8(payloadAt) ^ 0x40, payloadAt);
  await client.command(['SET', key, changed]);
}
