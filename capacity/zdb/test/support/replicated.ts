import { createHash } from 'node:crypto';
import { waitFor } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import type { StoredRecord } from '../../src/engine/reading/history.ts';
import type { Store } from '../../src/engine/store.ts';
import { type ZdbEvent, ZdbServer, type ZdbServerOptions } from '../../src/index.ts';

export const PASSWORD = 'secret';

/** A server on a free port, with a client that has the admin password. */
export interface Peer extends AsyncDisposable {
  readonly server: ZdbServer;
  readonly client: RespClient;
  readonly port: number;
  readonly events: ZdbEvent[];
}

export async function openPeer(
  dataDir: string,
  options: Partial<ZdbServerOptions> = {},
): Promise<Peer> {
  const events: ZdbEvent[] = [];
  const server = await ZdbServer.open({
    dataDir,
    listen: [{ host: '127.0.0.1', port: 0 }],
    adminPassword: PASSWORD,
    onEvent: (event) => events.push(event),
    ...options,
  });
  const port = server.addresses[0]?.port ?? 0;
  const client = await RespClient.connect({ port, password: PASSWORD });
  return {
    server,
    client,
    port,
    events,
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

export function replicaOf(master: { readonly port: number }): Partial<ZdbServerOptions> {
  return { replicaOf: { host: '127.0.0.1', port: master.port } };
}

/** Waits until a replica has all that its master has on disk. */
export async function caughtUp(
  master: { readonly store: Store },
  replica: { readonly store: Store },
): Promise<void> {
  await master.store.log.flush();
  const wanted = master.store.log.lastSequence;
  await waitFor(() => replica.store.log.durableSequence === wanted, {
    timeoutMs: 60_000,
    what: `the replica to reach ${wanted}`,
  });
}

/** A field of INFO. */
export async function infoField(client: RespClient, name: string): Promise<string | undefined> {
  const reply = await client.command(['INFO', 'replication']);
  const text = Buffer.isBuffer(reply) ? reply.toString() : '';
  return new RegExp(`^${name}: ?(.*?)\r?$`, 'm').exec(text)?.[1];
}

/** All that a store shows: settings, and each key with all versions that are kept. */
export async function contentOf(store: Store): Promise<Record<string, unknown>> {
  const content: Record<string, unknown> = {};
  for (const namespace of store.namespaces.list()) {
    const keys: Record<string, string[]> = {};
    const { items } = await store.scan(namespace);
    for (const item of items)
      keys[item.key.toString('latin1')] = await versions(store, item.sequence);
    const { settings, nextId } = namespace;
    const counts = { live: namespace.index.liveCount, bytes: namespace.liveBytes, nextId };
    content[settings.name] = { settings, counts, keys };
  }
  return content;
}

async function versions(store: Store, last: number): Promise<string[]> {
  const lines: string[] = [];
  for (let sequence = last; sequence !== 0;) {
    const record: StoredRecord | undefined = await store.recordAt(sequence);
    if (record === undefined) break;
    const hash = createHash('sha256').update(record.value).digest('hex').slice(0, 12);
    const what = record.isDeletion ? 'deleted' : hash;
    lines.push(`${record.sequence} ${record.timeSeconds} ${what} ${record.previous}`);
    sequence = record.previous;
  }
  return lines;
}

/** Newest values alone: what two stores must agree on when they were compacted each for itself. */
export async function newest(store: Store): Promise<Record<string, unknown>> {
  const content: Record<string, unknown> = {};
  for (const namespace of store.namespaces.list()) {
    const { items } = await store.scan(namespace);
    const keys: Record<string, string> = {};
    for (const { key, sequence } of items) {
      const record = await store.recordAt(sequence);
      const hash = createHash('sha256').update(record?.value ?? '');
      keys[key.toString('latin1')] = `${sequence} ${hash.digest('hex')}`;
    }
    content[namespace.settings.name] = { settings: namespace.settings, keys };
  }
  return content;
}
