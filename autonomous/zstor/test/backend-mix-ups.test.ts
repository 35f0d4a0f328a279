import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import { SmallFiles } from './support/small-files.ts';

let fleet: ZdbFleet;
before(async () => {
  fleet = await ZdbFleet.open(8);
});
after(() => fleet[Symbol.asyncDispose]());

const names = ['a', 'b', 'c'];

async function open(name: string, backendsFile: string): Promise<SmallFiles> {
  const folder = join(fleet.folder, name);
  return SmallFiles.open({ folder, backendsFile, canBegin: true });
}

async function assertWhole(files: SmallFiles): Promise<void> {
  for (const name of names) assert.equal(await files.isWhole(name), true, name);
  assert.deepEqual(await files.leftOver(), []);
}

test('a server that is listed under a second name loses nothing by it', async () => {
  const path = await fleet.makeStore('twice', { servers: 6 });
  await using files = await open('twice', path);
  for (const name of names) await files.put(name);
  await files.store.collection.runNow();
  const entries: { address: string; node: string }[] = JSON.parse(await readFile(path, 'utf8'));
  const aliases = entries.map((entry) => ({
    ...entry,
    address: entry.address.replace('127.0.0.1', 'localhost'),
    node: `alias of ${entry.node}`,
    log: undefined,
    keys: undefined,
  }));
  await writeFile(path, JSON.stringify([...entries, ...aliases]));
  const { backends, collection } = files.store;
  await waitFor(() => backends.all.length === 12, { what: 'the aliases', timeoutMs: 60_000 });
  const { orphans, strays } = await collection.runNow();
  assert.deepEqual([orphans, strays], [0, 0]);
  await writeFile(path, JSON.stringify(entries));
  await waitFor(() => backends.all.length === 6, { what: 'the aliases to go', timeoutMs: 60_000 });
  await assertWhole(files);
});

test('the backend of another store is left alone', async () => {
  const path = await fleet.makeStore('other', { servers: 6 });
  await using files = await open('other', path);
  for (const name of names) await files.put(name);
  await files.store.collection.runNow();
  const entries: { namespace: string }[] = JSON.parse(await readFile(path, 'utf8'));
  const ownPath = await fleet.makeStore('own', { servers: 6 });
  const own: unknown[] = JSON.parse(await readFile(ownPath, 'utf8'));
  // Heads that came later take what earlier ones left for orphans.
  for (let times = 0; times < 2; times++) await (await open('own', ownPath)).store.close();
  const foreign = entries.map((entry) => ({ ...entry, log: undefined, keys: undefined }));
  await writeFile(ownPath, JSON.stringify([...own, ...foreign]));
  await using mixed = await open('own', ownPath);
  const { orphans } = await mixed.store.collection.runNow();
  assert.equal(orphans, 0);
  await assertWhole(files);
});

test('two servers that took the addresses of each other are used as what they are', async () => {
  const path = await fleet.makeStore('swapped', { logs: 5 });
  await using files = await open('swapped', path);
  for (const name of names) await files.put(name);
  await files.store.collection.runNow();
  const { backends, collection } = files.store;
  const [one, other] = [fleet.server(5), fleet.server(6)];
  const former = new Map([...backends.names].map(([no, name]) => [name, no]));
  const numberAt = (port: number): number | undefined => {
    const found = [...backends.names].find(([, name]) => name.includes(`:${port}/`));
    return found?.[0];
  };
  const nameOf = (port: number): string => `127.0.0.1:${port}/swapped-shards`;
  await fleet.kill(5, 6);
  await rename(one.dataDir, `${one.dataDir}.kept`);
  await rename(other.dataDir, one.dataDir);
  await rename(`${one.dataDir}.kept`, other.dataDir);
  await fleet.restart(5, 6);
  const areSwapped = (): boolean =>
    numberAt(one.port) === former.get(nameOf(other.port)) &&
    numberAt(other.port) === former.get(nameOf(one.port)) &&
    backends.all.every(({ isWritable }) => isWritable);
  await waitFor(areSwapped, { what: 'both under their numbers', timeoutMs: 60_000 });
  const { strays } = await collection.runNow();
  // Only what was made again elsewhere, while the two were away, has a former place.
  const { shards } = files.store.care.status().repaired;
  assert.ok(strays <= shards, `${strays} strays, ${shards} shards made again`);
  await assertWhole(files);
});
