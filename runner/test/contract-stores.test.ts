import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';

import type { ContractId } from '@commongrid/model';
import { Stor } from '@commongrid/zstor';

import { ShardTown } from './fixtures/shard-town.ts';

const mebibyte = 2 ** 20;
const apart = { distinctNodes: true };
const zdb = { size: '1GiB', password: 'admin' };
const vault = {
  secrets: { admin: 'open sesame' },
  heal: { suspectAfterMs: 5_000, replaceAfterMs: 20_000, maxPerHour: 100 },
  roles: [
    { name: 'shards', shards: '2+1', data: 'dispersed', zdb, spread: apart },
    { name: 'log', replicas: 3, data: 'dispersed', zdb, spread: apart },
  ],
};
const policy = {
  dataShards: 2,
  parityShards: 1,
  chunkSizeBytes: 4 * mebibyte,
  compression: 'none',
} as const;

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

async function storeOf(
  town: ShardTown,
  id: ContractId,
): Promise<{ backends: string; data: string }> {
  await town.until('its backends file', () => town.standing(id)?.store != null);
  const store = town.standing(id)?.store;
  assert.ok(store != null);
  return store;
}

test('shards of a machine that died are made again elsewhere, with no command', async () => {
  await using town = await ShardTown.open(5);
  const id = await town.contract(vault);
  await town.until('it runs', () => town.standing(id)?.phase === 'running');
  const { backends, data } = await storeOf(town, id);
  await using stor = await Stor.open({
    ...{ folder: data, backendsFile: backends, policy, canBegin: true },
  });
  const files = new Files();
  for (const name of ['a', 'b', 'c']) await files.put(stor, name, 5 * mebibyte);
  await town.until('the bot hears of the store', () => town.standing(id)?.store?.shards != null);

  const lost = await town.nodeOf(id, 'shards', 0);
  await lost.kill();
  await town.until('it is placed elsewhere', async () => {
    return (await town.items(id)).every(({ node }) => node !== lost.id);
  });
  await town.until('its shards are made again', () => {
    const { missing, left, repaired } = town.standing(id)?.store?.shards ?? {};
    const isMade = missing === 0 && left === 0 && repaired !== undefined && repaired >= 6;
    return isMade && town.standing(id)?.store?.isWhole === true;
  });
  // One more may be lost now, and it is not the one that has nothing.
  await (await town.nodeOf(id, 'shards', 1)).kill();
  await files.assertAll(stor);
});
