import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import type { ContractId } from '@commongrid/model';
import { Stor } from '@commongrid/zstor';

import { Killable } from './fixtures/killable.ts';
import { ShardTown } from './fixtures/shard-town.ts';
import { vault, vaultPolicy } from './fixtures/vault.ts';

const mebibyte = 2 ** 20;

interface StorePlace {
  readonly backends: string;
  readonly data: string;
}

/** Files of a store, by what they should have. */
class Files {
  readonly #digests = new Map<string, string>();

  async put(stor: Stor, name: string, bytes: number): Promise<void> {
    const content = randomBytes(bytes);
    await stor.put(name, [content]);
    this.#digests.set(name, createHash('sha256').update(content).digest('hex'));
  }

  async assertAll(stor: Stor): Promise<void> {
    for (const [name, digest] of this.#digests) {
      const hash = createHash('sha256');
      for await (const bytes of stor.get(name)) hash.update(bytes);
      assert.equal(hash.digest('hex'), digest, name);
    }
  }
}

/** A vault that runs, and where its store is to be. */
async function openVault(town: ShardTown): Promise<{ id: ContractId; place: StorePlace }> {
  const id = await town.contract(vault);
  await town.startBot();
  const { store } = await town.untilStands(id, 'its backends file', (one) => one.store !== null);
  assert.ok(store !== null);
  return { id, place: store };
}

function openStore({ backends, data }: StorePlace, canBegin = false): Promise<Stor> {
  return Stor.open({ folder: data, backendsFile: backends, policy: vaultPolicy, canBegin });
}

test('shards of a machine that died are made again elsewhere, whoever is killed meanwhile', async () => {
  await using town = await ShardTown.open(5);
  const { id, place } = await openVault(town);
  const files = new Files();
  {
    await using stor = await openStore(place, true);
    for (const name of ['a', 'b', 'c']) await files.put(stor, name, 9 * mebibyte);
  }
  const startStore = (): Promise<Killable> =>
    Killable.start('shard-store.ts', place.backends, place.data);
  const before = await readFile(place.backends, 'utf8');
  let head = await startStore();

  // 1. The bot, before it has heard that a machine is gone; 2. both, once it was placed elsewhere.
  const lost = await town.nodeOf(id, 'log', 0);
  await lost.kill();
  await town.killBot();
  await town.startBot();
  await town.until('it to be placed elsewhere', async () => {
    return (await town.items(id)).every(({ node }) => node !== lost.id);
  });
  await Promise.all([town.killBot(), head.kill()]);
  head = await startStore();
  await town.startBot();
  // 3. Both, once the file has the new place: the repair has hardly begun.
  await town.until('the file to be written', async () => {
    return (await readFile(place.backends, 'utf8')) !== before;
  });
  await Promise.all([town.killBot(), head.kill()]);
  assert.ok(Array.isArray(JSON.parse(await readFile(place.backends, 'utf8'))));
  head = await startStore();
  await town.startBot();
  const { store } = await town.untilStands(id, 'shards to be made again', (one) => {
    return one.store?.isWhole === true;
  });
  const { missing, left } = store?.shards ?? {};
  assert.deepEqual([missing, left, store?.lacks], [0, 0, null]);

  // One more may be lost now, though what came back has nothing that is needed.
  await lost.restart();
  await (await town.nodeOf(id, 'shards', 2)).kill();
  await head.kill();
  await using stor = await openStore(place);
  await files.assertAll(stor);
});
