import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GridError, seededRandom, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { type Fault, type FaultyCall, faultyFiles } from '@commongrid/files/testing';
import { differences, findLoss, type Journal, StoreLoad } from '../src/testing/index.ts';
import { openStore, reproducible, testSeed } from './support/engine-crash.ts';

/** A load that goes on until the disk fails, and what was acknowledged until then. */
async function runUntilFailure(
  root: string,
  seed: string,
  fault: (call: FaultyCall) => Fault,
  after: number,
): Promise<{ journal: Journal; acknowledged: number; failures: number }> {
  let isFailing = false;
  let acknowledged = 0;
  let failures = 0;
  const files = faultyFiles((call) => (isFailing ? fault(call) : undefined));
  const store = await openStore(root, {
    files,
    onDurable: (sequence) => {
      assert.equal(failures, 0, 'something was acknowledged after the failure');
      acknowledged = sequence;
    },
    onFailure: (error) => {
      assert.equal(error.code, 'ZDB_WRITE_FAILED');
      failures++;
    },
  });
  const load = new StoreLoad({ store, random: seededRandom(seed) });
  load.begin();
  for (let turn = 0; turn < 40; turn++) {
    if (turn === after) isFailing = true;
    await load.turn();
    await new Promise(setImmediate);
    if (store.log.failure !== undefined && turn > after + 5) break;
  }
  assert.notEqual(store.log.failure, undefined, 'the disk failed and the log did not notice');
  await assert.rejects(store.log.flush(), { code: 'ZDB_WRITE_FAILED' });
  isFailing = false;
  await store.close();
  return { journal: load.journal, acknowledged, failures };
}

const isLog = (call: FaultyCall): boolean => call.path.endsWith('.log');

const FAULTS: Record<string, (call: FaultyCall) => Fault> = {
  'is full': (call) => (call.name === 'write' ? { code: 'ENOSPC' } : undefined),
  'refuses writes': (call) => (call.name === 'write' ? { code: 'EIO' } : undefined),
  'refuses syncs': (call) => (call.name === 'sync' ? { code: 'EIO' } : undefined),
  'is full in the middle of a write': shortThenFull(),
};

function shortThenFull(): (call: FaultyCall) => Fault {
  let writes = 0;
  return (call) => {
    if (call.name !== 'write' || !isLog(call)) return undefined;
    return ++writes % 2 === 1 ? { shortBytes: call.length >> 1 } : { code: 'ENOSPC' };
  };
}

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`store acknowledges nothing any more when the disk ${name}`, async () => {
    const seed = testSeed();
    for (let round = 0; round < 6; round++) {
      await using temp = await tempFolder('disk-errors');
      const own = `${seed}/${name}/${round}`;
      const after = seededRandom(own).int(0, 20);
      const run = await runUntilFailure(temp.path, own, fault, after);
      assert.equal(run.failures, 1);
      const store = await openStore(temp.path);
      const faults = await findLoss(store, run.journal, run.acknowledged);
      await store.close();
      assert.deepEqual(faults, [], reproducible(seed, round, faults));
    }
  });
}

const FULL: Record<string, (call: FaultyCall) => Fault> = {
  'was full': FAULTS['is full'] ?? (() => undefined),
  'was full in the middle of a write': shortThenFull(),
  'was full when it was synced': ({ name }) => (name === 'sync' ? { code: 'ENOSPC' } : undefined),
};

for (const [name, fault] of Object.entries(FULL)) {
  for (const durability of ['always', 'everysec'] as const) {
    test(`store takes writes again when the disk ${name}, in ${durability}`, async () => {
      const seed = testSeed();
      for (let round = 0; round < 5; round++) {
        await using temp = await tempFolder('disk-errors');
        const random = seededRandom(`${seed}/${name}/${durability}/${round}`);
        let isFailing = false;
        const files = faultyFiles((call) => (isFailing ? fault(call) : undefined));
        const store = await openStore(temp.path, { files, durability });
        let load = new StoreLoad({ store, random });
        load.begin();
        for (let refused = 0; refused < 3; refused++) {
          for (let turn = random.int(0, 15); turn > 0; turn--) await load.turn();
          isFailing = true;
          while (store.log.failure === undefined) {
            await load.turn();
            await store.log.flush().catch(() => undefined);
          }
          await store.reopenReadOnly('the disk is full');
          const shown = store.log.lastSequence;
          // Looking again too early does no harm.
          await store.writeAgain(async () => undefined).catch(() => undefined);
          isFailing = false;
          await store.writeAgain(async () => undefined);
          assert.equal(store.log.lastSequence, shown, 'what was refused is back');
          load = new StoreLoad({ store, random, journal: load.journal.upTo(shown) });
        }
        for (let turn = 0; turn < 5; turn++) await load.turn();
        await store.close();
        const again = await openStore(temp.path);
        const { journal } = load;
        const faults = await findLoss(again, journal, journal.lastSequence);
        await again.close();
        assert.deepEqual(faults, [], reproducible(seed, round, faults));
      }
    });
  }
}

test('store whose disk failed closes also when there is maintenance to do', async () => {
  await using temp = await tempFolder('disk-errors');
  let isFailing = false;
  const files = faultyFiles(() => (isFailing ? { code: 'EIO' } : undefined));
  const store = await openStore(temp.path, { files });
  const load = new StoreLoad({ store, random: seededRandom(1) });
  isFailing = true;
  await load.put(store.namespaces.default, 'key', Buffer.from('value'));
  // A slow disk is written beside the turn.
  await assert.rejects(store.log.flush());
  assert.notEqual(store.log.failure, undefined);
  store.maintenance.kick();
  await assert.rejects(store.maintenance.compactAll());
  isFailing = false;
  await store.close();
});

test('store goes on after short writes', async () => {
  await using temp = await tempFolder('disk-errors');
  const seed = testSeed();
  const random = seededRandom(seed);
  const files = faultyFiles((call) =>
    call.name === 'write' ? { shortBytes: random.int(1, 4000) } : undefined,
  );
  const store = await openStore(temp.path, { files });
  const load = new StoreLoad({ store, random: seededRandom(seed), valueBytesMax: 20_000 });
  load.begin();
  for (let turn = 0; turn < 30; turn++) await load.turn();
  await store.close();
  const again = await openStore(temp.path);
  const faults = await findLoss(again, load.journal, load.journal.lastSequence);
  await again.close();
  assert.deepEqual(faults, [], reproducible(seed, 0, faults));
});

test('store reports a record that cannot be read and goes on with others', async () => {
  await using temp = await tempFolder('disk-errors');
  const large = Buffer.alloc(40_000, 7);
  const before = await openStore(temp.path);
  const load = new StoreLoad({ store: before, random: seededRandom(1) });
  await load.put(before.namespaces.default, 'small', Buffer.from('value'));
  await load.put(before.namespaces.default, 'large', large);
  await before.close();
  let isFailing = false;
  const files = faultyFiles((call) =>
    isFailing && call.name === 'read' && isLog(call) ? { code: 'EIO' } : undefined,
  );
  const damage: GridError[] = [];
  // Opened anew: nothing is in memory that was just written.
  const store = await openStore(temp.path, {
    files,
    onDamage: (_segment, _offset, error) => damage.push(error),
  });
  const { default: namespace } = store.namespaces;
  isFailing = true;
  const key = Buffer.from('small');
  await assert.rejects(
    store.retrying(() => store.lookup(namespace, key, 0, key.length)),
    { code: 'ZDB_READ_FAILED' },
  );
  const largeKey = Buffer.from('large');
  assert.equal(store.lookup(namespace, largeKey, 0, largeKey.length), 'fault');
  assert.ok(store.reader.fault !== undefined);
  await assert.rejects(store.reader.fetch(store.reader.fault), { code: 'ZDB_READ_FAILED' });
  assert.equal(damage.length, 2);
  isFailing = false;
  const expected = new Map([
    [
      'default',
      new Map([
        ['small', Buffer.from('value')],
        ['large', large],
      ]),
    ],
  ]);
  assert.deepEqual(await differences(store, expected, load.journal), []);
  await store.close();
});

test('store whose disk becomes quick again commits what came meanwhile', async () => {
  await using temp = await tempFolder('disk-errors');
  let slowMs = 30;
  const files = faultyFiles((call) => {
    if (call.name !== 'sync') return undefined;
    const until = performance.now() + slowMs;
    while (performance.now() < until);
    return undefined;
  });
  const store = await openStore(temp.path, { files });
  const load = new StoreLoad({ store, random: seededRandom(1), valueBytesMax: 100 });
  slowMs = 0;
  // The second record of a round comes while the first is on its way to the disk. As the syncs
  // become quick the log goes over to syncing in the turn: in that round as well nothing waits.
  for (let i = 0; i < 60; i++) {
    for (const key of ['one', 'two']) {
      await load.put(store.namespaces.default, `${key}-${i}`, Buffer.from('value'));
      store.log.turn();
    }
    const { lastSequence } = store.log;
    const what = `record ${lastSequence} on disk`;
    await waitFor(() => store.log.durableSequence === lastSequence, {
      what,
      everyMs: 1,
      timeoutMs: 60_000,
    });
  }
  await store.close();
});

test('store with many namespaces opens and makes another on a slow disk', async () => {
  await using temp = await tempFolder('disk-errors');
  const store = await openStore(temp.path);
  for (let i = 0; i < 20; i++) store.createNamespace(`namespace-${i}`, 'user');
  await store.close();
  const files = faultyFiles((call) => {
    if (call.name !== 'read') return undefined;
    const until = performance.now() + 1;
    while (performance.now() < until);
    return undefined;
  });
  const again = await openStore(temp.path, { files });
  assert.equal(again.namespaces.list().length, 21);
  again.createNamespace('one more', 'user');
  for (const one of again.namespaces.list()) {
    again.putSettings({ ...one.settings, isLocked: true });
  }
  await again.close();
});
