import assert from 'node:assert/strict';
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { BlobStore } from '../src/blob-store.ts';
import type { BlobStoreOptions } from '../src/blob-store.ts';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import { releaseManifest } from '../src/manifest/manifest-tables.ts';
import { recordKey } from '../src/catalog/tlog-record.ts';
import { CatalogFixture, registersOf, until, writeMany } from './support/catalog-fixture.ts';
import { fourPlusTwo } from './support/cluster.ts';
import { storSchema } from '../src/stor/file-tables.ts';

const deadline = { timeoutMs: 60_000 };

test('members of the log that are lost or emptied are replaced without a command', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('a');
  const options: BlobStoreOptions = {
    ...{ folder: join(fleet.folder, 'head'), backendsFile, policy: fourPlusTwo },
    ...{ schema: storSchema, canBegin: true, logCare: { memberLostMs: 1_000 } },
  };
  await using store = await BlobStore.open(options);
  const { catalog } = store;
  const membersAt = (): readonly number[] => {
    const ports = fleet.servers.map(({ port }) => `127.0.0.1:${port}/a-log`);
    return catalog.members.map(({ name }) => ports.indexOf(name));
  };
  const areWell = (): boolean =>
    catalog.members.every(({ problem, completeTo }) => {
      return problem === undefined && completeTo === catalog.index;
    });
  await waitFor(areWell, { ...deadline, what: 'the members' });
  const [lost = 0, emptied = 0, ...others] = membersAt();
  await fleet.kill(lost);
  await waitFor(() => !membersAt().includes(lost) && areWell(), { ...deadline, what: 'a spare' });
  const ids = new Set(catalog.members.map(({ id }) => id));
  await fleet.wipe(emptied);
  const isTakenIn = (): boolean => catalog.members.some(({ id }) => !ids.has(id)) && areWell();
  await waitFor(isTakenIn, { ...deadline, what: 'the emptied one' });
  assert.equal(membersAt().includes(emptied), true);
  // Two more: without the spare and the one that was emptied there would be no majority.
  await fleet.kill(...others.slice(0, 2));
  await catalog.write((db) => releaseManifest(db, Buffer.alloc(16)));
  await waitFor(() => catalog.isServing, { ...deadline, what: 'the head to serve' });
});

test('a member whose disk is an old copy is found out, and has the whole log again', async () => {
  await using fixture = await CatalogFixture.open({ processes: 5 });
  const head = await fixture.serving('head');
  const [server] = fixture.servers;
  assert.ok(server);
  const isInStep = (): boolean => head.members.every((m) => m.completeTo === head.index);
  await writeMany(head, 10);
  await until('all members', isInStep);
  const copy = join(fixture.folder.path, 'copy');
  await server.kill();
  await cp(server.dataDir, copy, { recursive: true });
  await server.restart();
  const first = head.index + 1;
  await writeMany(head, 30);
  await until('all members', isInStep);
  await server.kill();
  await rm(server.dataDir, { recursive: true });
  await rename(copy, server.dataDir);
  await server.restart();
  await using client = await server.connect();
  await client.command(['SELECT', 'm0']);
  const has = async (index: number): Promise<boolean> =>
    Buffer.isBuffer(await client.command(['GET', recordKey(index)]));
  await until('the records again', async () => {
    const all = Array.from({ length: head.index + 1 - first }, (_, i) => has(first + i));
    return (await Promise.all(all)).every(Boolean) && isInStep();
  });
  await writeMany(head, 3);
  assert.equal(registersOf(head)['r2'], 2);
});
