import assert from 'node:assert/strict';
import { copyFile, readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';
import { Catalog } from '../src/catalog/catalog.ts';
import type { SnapshotStore } from '../src/catalog/snapshot-store.ts';
import {
  CatalogFixture,
  registersOf,
  setRegister,
  until,
  writeMany,
} from './support/catalog-fixture.ts';

test('tables that are deleted, cut or old are made again from snapshot and log', async () => {
  await using fixture = await CatalogFixture.open();
  const folder = join(fixture.folder.path, 'a');
  const path = join(folder, 'catalog.db');
  const old = join(fixture.folder.path, 'old.db');
  const snapshots = join(fixture.folder.path, 'snapshots');
  let expected: Record<string, number> = {};
  const again = async (damage: () => Promise<void>, taken: number): Promise<void> => {
    const head = await fixture.serving('a');
    assert.deepEqual(registersOf(head), expected);
    for (let i = 0; i < taken; i++) {
      await writeMany(head, 25);
      await head.takeSnapshot();
    }
    await head.write(setRegister('last', head.index));
    expected = registersOf(head);
    await until('the members to be in step', () =>
      head.members.every(({ completeTo }) => completeTo === head.index),
    );
    await head.close();
    await damage();
  };
  await again(() => copyFile(path, old), 1);
  await again(async () => {
    await rm(folder, { recursive: true });
    // The newest snapshot is damaged, too: the one before does.
    const names = await readdir(snapshots);
    const newest = names.toSorted().at(-1);
    await truncate(join(snapshots, newest ?? ''), 100);
  }, 3);
  await again(() => truncate(path, 5000), 1);
  await again(async () => {
    for (const end of ['-wal', '-shm']) await rm(path + end, { force: true });
    await copyFile(old, path);
  }, 0);
  await again(async () => {}, 0);
  const kept = await readdir(snapshots);
  assert.equal(kept.length, 2);
  await using client = await RespClient.connect({ port: fixture.servers[0]?.port ?? 0 });
  await client.command(['SELECT', 'm0']);
  const first = Buffer.alloc(8);
  first.writeBigUInt64BE(1n);
  assert.equal(await client.command(['GET', first]), null, 'what snapshots have is still there');
});

test('a log of which all members are lost begins again with a snapshot', async () => {
  await using fixture = await CatalogFixture.open({ spares: 5 });
  const pointers: Buffer[] = [];
  const options = fixture.options('a');
  const noting: SnapshotStore = {
    get: (pointer) => options.snapshots.get(pointer),
    keepOnly: (kept) => options.snapshots.keepOnly(kept),
    async put(content) {
      const pointer = await options.snapshots.put(content);
      pointers.push(pointer);
      return pointer;
    },
  };
  const head = await fixture.serving('a', { snapshots: noting });
  await writeMany(head, 30);
  await head.takeSnapshot();
  const expected = registersOf(head);
  const { epoch } = head;
  await head.close();
  const other = fixture.options('b', { members: ['m5', 'm6', 'm7', 'm8', 'm9'] });
  await Catalog.restore(other, pointers[0] ?? Buffer.alloc(0));
  for (const name of ['b', 'c']) {
    const next = await fixture.serving(name, { members: other.members });
    assert.deepEqual(registersOf(next), expected);
    assert.ok(next.epoch > epoch);
    assert.deepEqual(
      next.members.map((member) => member.name),
      other.members,
    );
    await next.takeSnapshot();
    await next.close();
  }
});

test('a log that lost what is applied is not written on', async () => {
  await using fixture = await CatalogFixture.open();
  const head = await fixture.serving('a');
  await writeMany(head, 5);
  await head.close();
  await using client = await RespClient.connect({ port: fixture.servers[0]?.port ?? 0 });
  for (const name of ['m0', 'm1', 'm2', 'm3', 'm4']) {
    await client.command(['SELECT', name, 'EPOCH', await fenceOf(client, name)]);
    const keys = [5, 6].map((index) => {
      const key = Buffer.alloc(8);
      key.writeBigUInt64BE(BigInt(index));
      return key;
    });
    await client.command(['MDEL', ...keys]);
  }
  const again = await fixture.head('a');
  await assert.rejects(again.takeOver(), hasCode('ZSTOR_CATALOG_LOG_BEHIND'));
});

async function fenceOf(client: RespClient, namespace: string): Promise<number> {
  const info = await client.command(['NSINFO', namespace]);
  return Number(/^epoch: ?(\d+)/m.exec(Buffer.isBuffer(info) ? info.toString() : '')?.[1]);
}
