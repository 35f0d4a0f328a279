import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { findLoss, StoreLoad } from '../src/testing/index.ts';
import { openStore, testSeed } from './support/engine-crash.ts';

for (const [what, first] of [
  ['pass 32 bits', 2 ** 32 - 150],
  ['need 52 bits', 2 ** 52],
] as const) {
  test(`store keeps all it has when sequences ${what}`, async () => {
    const seed = testSeed();
    await using temp = await tempFolder('sequences');
    const store = await openStore(temp.path);
    store.log.skipTo(first);
    const load = new StoreLoad({ store, random: seededRandom(seed), valueBytesMax: 20_000 });
    load.begin();
    for (let turn = 0; turn < 80; turn++) {
      await load.turn();
      if (turn % 15 === 7) await store.maintenance.compactAll();
      if (turn === 50) await store.maintenance.checkpoint();
    }
    const { lastSequence } = load.journal;
    assert.ok(lastSequence > first + 160);
    await store.close();
    for (const isWithout of [false, true]) {
      const again = await openStore(temp.path);
      const faults = await findLoss(again, load.journal, lastSequence);
      assert.deepEqual(faults, [], `GRID_TEST_SEED=${seed} without=${isWithout}`);
      await again.maintenance.compactAll();
      const after = await findLoss(again, load.journal, lastSequence);
      assert.deepEqual(after, [], `GRID_TEST_SEED=${seed} compacted, without=${isWithout}`);
      again.table.checkpoint = 0;
      await again.close();
    }
  });
}
