import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { copyKey, shardKey } from '../src/backends/backend.ts';
import { BlobStore } from '../src/blob-store.ts';
import type { ChunkRecord } from '../src/blob/chunk-record.ts';
import { findChunk } from '../src/blob/chunk-table.ts';
import type { CareTimes } from '../src/care/care-options.ts';
import { findDead } from '../src/collection/dead-tables.ts';
import { parseShardOf } from '../src/chunk/shard.ts';
import { blobTables, bytesOf, insertBlob } from '../src/stor/blob-tables.ts';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import type { FleetLayout } from '../src/testing/zdb-fleet.ts';
import { fourPlusTwo, mebibyte, randomBytesOf, randomPieces } from './support/cluster.ts';

const size = 5 * mebibyte + 77;
const schema = [blobTables];

let fleet: ZdbFleet;
before(async () => {
  fleet = await ZdbFleet.open(8);
});
after(() => fleet[Symbol.asyncDispose]());

/** A store with some blobs, large ones and small ones. */
class CaredStore implements AsyncDisposable {
  readonly name: string;
  readonly blobs: BlobStore;
  readonly ids: Uint8Array[] = [];

  constructor(name: string, blobs: BlobStore) {
    this.name = name;
    this.blobs = blobs;
  }

  static async open(
    name: string,
    layout: FleetLayout | string,
    care: CareTimes = { lostAfterMs: 1_000, urgentAfterMs: 500 },
  ): Promise<CaredStore> {
    const isMade = typeof layout === 'string';
    const backendsFile = isMade ? layout : await fleet.makeStore(name, layout);
    const blobs = await BlobStore.open({
      ...{ folder: join(fleet.folder, name), backendsFile },
      ...{ policy: fourPlusTwo, schema, canBegin: true, care },
    });
    const store = new CaredStore(name, blobs);
    for (const seed of ['a', 'b']) await store.put(randomPieces(size, name + seed));
    return store;
  }

  async put(source: Iterable<Uint8Array>): Promise<void> {
    const blob = await this.blobs.write(source, { policy: fourPlusTwo });
    const row = this.blobs.rowOf(blob);
    await blob.commit((records) => this.blobs.catalog.write((db) => insertBlob(db, row, records)));
    this.ids.push(row.id);
  }

  async read(at: number): Promise<Buffer> {
    const id = this.ids[at] ?? Buffer.alloc(0);
    const blob = this.blobs.catalog.read((db) => this.blobs.find(db, id));
    const parts: Buffer[] = [];
    if (blob === undefined) throw new Error(`there is no blob ${at}`);
    for await (const bytes of this.blobs.read(blob)) parts.push(Buffer.from(bytes));
    return Buffer.concat(parts);
  }

  get records(): ChunkRecord[] {
    return this.blobs.catalog.read((db) => {
      const rows = db.prepare('SELECT id FROM chunks').all();
      return rows.flatMap(({ id }) => findChunk(db, bytesOf(id)) ?? []);
    });
  }

  isDead(id: Uint8Array): boolean {
    return this.blobs.catalog.read((db) => findDead(db, id)) !== undefined;
  }

  /** What is wrong with the shards of all chunks that are not dead, each of them read. */
  async faults(): Promise<string[]> {
    const alive = this.records.filter(({ id }) => !this.isDead(id));
    const all = alive.map(async (record) => {
      const nodes = record.locations.map((no) => this.blobs.backends.byNo(no)?.place.node);
      const doubled = nodes.filter((node, index) => nodes.indexOf(node) !== index);
      const wrong = record.locations.map((_, index) => this.#faultOf(record, index));
      return [...(await Promise.all(wrong)).flat(), ...doubled.map((node) => `twice on ${node}`)];
    });
    return (await Promise.all(all)).flat();
  }

  async #faultOf(record: ChunkRecord, index: number): Promise<string[]> {
    const { id, kind, locations, digests } = record;
    const isCopied = kind === 'copied';
    const no = locations[index] ?? 0;
    const key = isCopied ? copyKey(id) : shardKey(id, index);
    const digest = digests[isCopied ? 0 : index] ?? Buffer.alloc(32);
    try {
      const value = await this.blobs.backends.byNo(no)?.get(key, 0);
      if (value === undefined) return [`no ${kind} ${index} on ${no}`];
      parseShardOf(value, { chunkId: id, index: isCopied ? 0 : index, digest });
      return [];
    } catch (error) {
      if (!isGridError(error)) throw error;
      return [`${kind} ${index} on ${no}: ${error.code}`];
    }
  }

  /** Waits until each chunk has all its shards, right and on nodes of their own. */
  async untilWhole(): Promise<void> {
    let faults: string[] = [];
    const isWhole = async (): Promise<boolean> => {
      faults = await this.faults();
      return faults.length === 0;
    };
    await waitFor(isWhole, { what: 'repair', timeoutMs: 60_000, everyMs: 200 }).catch(
      (cause: unknown) => {
        const { repaired, pending } = this.blobs.care.status();
        throw new Error(`${faults.join(', ')}; ${JSON.stringify({ repaired, pending })}`, {
          cause,
        });
      },
    );
  }

  async assertReads(): Promise<void> {
    for (const [at, seed] of ['a', 'b'].entries()) {
      assert.ok((await this.read(at)).equals(randomBytesOf(size, this.name + seed)));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.blobs.close();
  }
}

test('two that are wiped are noticed, and filled again with no command', async () => {
  await using store = await CaredStore.open('wiped', { servers: 6 });
  await fleet.wipe(1, 4);
  await store.untilWhole();
  await store.assertReads();
  // Numbers of those that were emptied are given to nobody.
  const names = store.blobs.backends.all.map(({ no }) => no);
  assert.deepEqual(
    names.toSorted((a, b) => a - b),
    [1, 3, 4, 6, 7, 8],
  );
});

test('two that are killed are replaced by spares', async () => {
  await using store = await CaredStore.open('killed', { servers: 8, spares: 2 });
  await fleet.kill(0, 3);
  await store.untilWhole();
  const used = new Set(store.records.flatMap(({ locations }) => locations));
  assert.ok(used.has(7) && used.has(8), 'spares are in use');
  await store.assertReads();
  await fleet.restart(0, 3);
});

test('with no others left shards share nodes, and are spread when those come back', async () => {
  await using store = await CaredStore.open('shared', { servers: 6 });
  await fleet.kill(1, 2);
  const isShared = (): boolean =>
    store.records.every(({ locations }) => !locations.includes(2) && !locations.includes(3));
  await waitFor(isShared, { what: 'shards on four nodes', timeoutMs: 60_000 });
  // Any one more may be lost now.
  await fleet.kill(5);
  await store.assertReads();
  await fleet.restart(1, 2, 5);
  await store.untilWhole();
  await store.assertReads();
});

test('wrong values that are read are written anew', async () => {
  await using store = await CaredStore.open('wrong', { servers: 6 });
  const { care } = store.blobs;
  assert.ok((await fleet.corrupt('wrong', 0, 3)) > 0);
  // With two others too slow nobody gets around the wrong ones.
  await fleet.whileStill([1, 2], 500, () => store.assertReads());
  const { repaired } = await care.repair({ signal: AbortSignal.timeout(60_000) });
  assert.ok(repaired.shards > 0);
  // What nobody reads is found by a look at all.
  assert.ok((await fleet.corrupt('wrong', 0, 3)) > 0);
  const { faults } = await care.scrub({ signal: AbortSignal.timeout(60_000) });
  assert.ok(faults > 0);
  assert.deepEqual(await store.faults(), []);
});

test('wrong values that nobody reads are found by a pass over all, with no command', async () => {
  const times = { firstAuditMs: 1_000, auditPassMs: 2_000 };
  await using store = await CaredStore.open('silent', { servers: 6 }, times);
  assert.ok((await fleet.corrupt('silent', 1, 4)) > 0);
  await store.untilWhole();
  await store.assertReads();
});

test('a backend is emptied on demand, is read from meanwhile, and is used again', async () => {
  await using store = await CaredStore.open('drained', { servers: 8, spares: 1 });
  const { care, backends } = store.blobs;
  const [name = ''] = backends.names.values();
  await assert.rejects(care.drain('nobody', true), { code: 'ZSTOR_BACKEND_UNKNOWN' });
  await care.drain(name, true);
  await care.repair({ signal: AbortSignal.timeout(60_000) });
  const drained = care.status().backends.find((backend) => backend.name === name);
  assert.deepEqual([drained?.use, drained?.shards], ['draining', 0]);
  await store.put(randomPieces(size, 'draineda'));
  await store.untilWhole();
  assert.equal(store.records.flatMap(({ locations }) => locations).includes(1), false);
  await store.assertReads();
  await care.drain(name, false);
  assert.equal(backends.byNo(1)?.isWritable, true);
});

test('chunks of another k and m take the place of those that are there', async () => {
  const times = { snapshotEveryMs: 500 };
  await using store = await CaredStore.open('coded', { servers: 8 }, times);
  const former = new Set(store.records.map(({ id }) => Buffer.from(id).toString('hex')));
  const policy = { ...fourPlusTwo, dataShards: 5, parityShards: 3 };
  const switched: Uint8Array[] = [];
  for (const id of store.ids) {
    const chunks = await store.blobs.reencode(id, {
      policy,
      onSwitched: async (blob) => void switched.push(blob.id),
    });
    assert.equal(chunks, 2);
    assert.equal(await store.blobs.reencode(id, { policy }), 0);
  }
  assert.deepEqual(switched, store.ids);
  await store.assertReads();
  // A snapshot knows the new ones by then.
  const areDead = (): boolean =>
    store.records.every(({ id }) => {
      const isFormer = former.has(Buffer.from(id).toString('hex'));
      return !isFormer || store.isDead(id);
    });
  await waitFor(areDead, { what: 'the former chunks to be dead', timeoutMs: 60_000 });
  assert.ok(store.records.some(({ dataShards }) => dataShards === 5));
  await fleet.kill(0, 2, 4);
  await store.assertReads();
  await fleet.restart(0, 2, 4);
});

test('backends that come later take their part of what is there', async () => {
  const path = await fleet.makeStore('uneven', { servers: 8 });
  for (const server of fleet.servers) {
    await using client = await server.connect();
    await client.command(['NSSET', 'uneven-shards', 'maxsize', String(110 * mebibyte)]);
  }
  const entries: unknown[] = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify(entries.slice(0, 6)));
  const care = { rebalanceEveryMs: 1_000 };
  await using store = await CaredStore.open('uneven', path, care);
  for (let file = 0; file < 2; file++) await store.put(randomPieces(4 * size, `uneven${file}`));
  await writeFile(path, JSON.stringify(entries));
  const bytesOn = (no: number): number =>
    store.records.filter(({ locations }) => locations.includes(no)).length;
  await waitFor(() => bytesOn(7) >= 3 && bytesOn(8) >= 3, {
    ...{ what: 'shards on the new ones', timeoutMs: 60_000, everyMs: 200 },
  });
  await store.untilWhole();
  await store.assertReads();
});

test('what a backend lost without saying so is found by its keys', async () => {
  {
    await using store = await CaredStore.open('keys', { servers: 6 });
    await store.untilWhole();
    await using client = await fleet.server(2).connect();
    await client.command(['SELECT', 'keys-shards']);
    for (const { id, locations } of store.records) {
      await client.command(['DEL', shardKey(id, locations.indexOf(3))]);
    }
    assert.notDeepEqual(await store.faults(), []);
  }
  // It takes stock once in a day, and not before all of that is lost.
  const path = join(fleet.folder, 'keys.json');
  await using store = await CaredStore.open('keys', path, { firstStockMs: 100 });
  await store.untilWhole();
});

test('a snapshot whose shards were moved is taken again', async () => {
  const times = { snapshotEveryMs: 500 };
  await using store = await CaredStore.open('snapshot', { servers: 6 }, times);
  const { catalog } = store.blobs;
  await catalog.takeSnapshot();
  const [first] = catalog.snapshotPointers;
  await fleet.wipe(0, 5);
  await store.untilWhole();
  const isNew = (): boolean =>
    catalog.snapshotPointers[0]?.equals(first ?? Buffer.alloc(0)) === false;
  await waitFor(isNew, { what: 'another snapshot', timeoutMs: 60_000 });
});

test('a snapshot whose shards an earlier head moved is taken again', async () => {
  let last: Buffer | undefined;
  const isNewIn = ({ blobs: { catalog } }: CaredStore): boolean => {
    const [newest] = catalog.snapshotPointers;
    return newest !== undefined && !newest.equals(last ?? newest);
  };
  {
    await using store = await CaredStore.open('earlier', { servers: 6 }, { snapshotEveryMs: 1e9 });
    const { catalog, backends } = store.blobs;
    await catalog.takeSnapshot();
    for (const at of [0, 5]) {
      [last] = catalog.snapshotPointers;
      await fleet.wipe(at);
      const isGone = (): boolean => !backends.names.has(at + 1);
      await waitFor(isGone, { what: 'the loss to be noticed', timeoutMs: 60_000 });
      await store.untilWhole();
      // The next reason for a snapshot waits, for ever here.
      const options = { what: 'another snapshot', timeoutMs: 60_000 };
      if (at === 0) await waitFor(() => isNewIn(store), options);
    }
    assert.equal(isNewIn(store), false);
  }
  const path = join(fleet.folder, 'earlier.json');
  await using store = await CaredStore.open('earlier', path, { snapshotEveryMs: 500 });
  await waitFor(() => isNewIn(store), { what: 'another snapshot', timeoutMs: 60_000 });
});
