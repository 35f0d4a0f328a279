import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Stor } from '../src/stor.ts';
import type { StorOptions } from '../src/stor.ts';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import { fourPlusTwo, mebibyte, randomBytesOf } from './support/cluster.ts';

const large = randomBytesOf(9 * mebibyte, 'large');
const small = randomBytesOf(40_000, 'small');

test('heads that end at once delete what was removed, and leave a log that is cut', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('short');
  const folder = join(fleet.folder, 'head');
  const options: StorOptions = {
    ...{ folder, backendsFile, policy: fourPlusTwo, canBegin: true },
    logCare: { snapshotEveryRecords: 10 },
  };
  const places = fleet.servers.map((_, at) => at);
  const keys = async (kind: 'shards' | 'log'): Promise<number> => {
    const counts = await Promise.all(places.map((at) => fleet.keyCount('short', at, kind)));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  const members = 5;
  let empty = 0;
  {
    await using stor = await Stor.open(options);
    empty = await keys('shards');
    await stor.put('large', [large]);
    await stor.put('small', [small]);
    await stor.remove('large');
    // This one ends before anything is deleted.
    assert.ok((await keys('shards')) > empty);
  }
  {
    await using stor = await Stor.open(options);
    await stor.remove('small');
    assert.equal(await stor.deleteRemoved(), 0);
    assert.equal(await keys('shards'), empty);
    for (const round of ['a', 'b', 'c']) {
      for (let at = 0; at < 12; at++) await stor.put(`${round} ${at}`, []);
      await stor.takeSnapshotInTime();
    }
    // Each put is a record. What is older than the snapshot before the last one has left the log.
    const recordsLeft = (await keys('log')) / members;
    assert.ok(recordsLeft < 30, `${recordsLeft} records are left`);
    assert.equal(stor.list().length, 36);
  }
});
