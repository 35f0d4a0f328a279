import assert from 'node:assert/strict';
import { test } from 'node:test';

import { townPlan } from '../town-plan.ts';
import { archiveContract, newStoreSecrets, placesOf } from './archive-contract.ts';
import { machineDiskBytes, memberCount, namespaceSizes, writtenBytesMax } from './archive-sizes.ts';

const small = { data: 4, parity: 2 };
const large = { data: 16, parity: 4 };
const gib = 2 ** 30;

test('a contract has as many places as are counted, and no farm has more of anything than may be lost', () => {
  for (const shards of [small, large]) {
    const { roles } = archiveContract({ shards, dataBytes: gib, secrets: newStoreSecrets() });
    const replicas = roles.map((role) => {
      const [data = 1, parity = 0] = (role.shards ?? '').split('+').map(Number);
      return role.replicas ?? data + parity;
    });
    assert.equal(
      replicas.reduce((sum, one) => sum + one, 0),
      placesOf(shards),
    );
    for (const { data, spread, name } of roles) {
      assert.equal(spread?.distinctNodes, true, name);
      assert.equal(spread?.perFarm, data === 'dispersed' ? shards.parity : 1, name);
    }
    assert.equal(memberCount(shards) - shards.parity, shards.parity + 1);
  }
});

test('namespaces hold their part of the data, what is written, and most of it twice', () => {
  for (const shards of [small, large]) {
    const { shard } = namespaceSizes(shards, gib);
    const kept = (gib + writtenBytesMax(gib)) / shards.data;
    assert.ok(shard > 2 * kept + 64 * 2 ** 20);
    assert.ok(shard < 4 * kept + 128 * 2 ** 20);
  }
});

test('a machine has room for what it had before it was killed, too', () => {
  const sizes = namespaceSizes(small, gib);
  const { shard, log, keys } = sizes;
  assert.ok(machineDiskBytes(sizes, 3) > 3 * (shard + log + keys));
  assert.ok(machineDiskBytes(sizes, 3) > machineDiskBytes(sizes, 2));
  for (const size of [8, 24] as const) {
    assert.equal(townPlan(size, small, gib).diskBytes, machineDiskBytes(sizes, 3));
  }
});
