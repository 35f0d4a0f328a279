import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import type { Catalog } from '../src/catalog/catalog.ts';
import { CatalogFixture, registersOf, setRegister, until } from './support/catalog-fixture.ts';

test('catalogue keeps changes that come together in one record', async () => {
  await using fixture = await CatalogFixture.open();
  const head = await fixture.serving('a');
  const before = head.index;
  await Promise.all(Array.from({ length: 40 }, (_, i) => head.write(setRegister(`r${i}`, i))));
  assert.equal(head.index, before + 1);
  assert.equal(head.keptChanges, 40);
  head.requireLease();
  assert.equal(registersOf(head)['r39'], 39);
});

test('catalogue undoes a refused change alone', async () => {
  await using fixture = await CatalogFixture.open();
  const head = await fixture.serving('a');
  const outcomes = await Promise.allSettled([
    head.write(setRegister('a', 1)),
    head.write((db) => {
      setRegister('b', 2)(db);
      throw new Error('condition does not hold');
    }),
    head.write(setRegister('c', 3)),
    head.write((db) => db.exec('COMMIT')),
    head.write((db) => db.exec('CREATE TABLE other (a INTEGER PRIMARY KEY)')),
    head.write((db) => db.exec('DELETE FROM catalog_state')),
    head.write(() => Promise.resolve(1)),
    head.write((db) => db.prepare('SELECT count(*) AS n FROM register').get()?.['n']),
  ]);
  assert.deepEqual(registersOf(head), { a: 1, c: 3 });
  assert.match(String(outcomes[1].status === 'rejected' && outcomes[1].reason), /condition/);
  for (const i of [3, 4, 5, 6] as const) {
    const outcome = outcomes[i];
    assert.ok(outcome.status === 'rejected');
    assert.ok(hasCode('ZSTOR_CATALOG_CHANGE_INVALID')(outcome.reason));
  }
  assert.deepEqual(outcomes[7], { status: 'fulfilled', value: 2 });
});

test('catalogue splits batches that are too large, and refuses a change that is', async () => {
  await using fixture = await CatalogFixture.open();
  const head = await fixture.serving('a', {
    schema: ['CREATE TABLE blob (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT'],
  });
  const put = (id: number, mib: number) =>
    head.write((db) => {
      db.prepare('INSERT INTO blob VALUES (?, ?)').run(id, Buffer.alloc(mib * 1024 * 1024, id));
    });
  const outcomes = await Promise.allSettled([put(1, 3), put(2, 3), put(3, 8), put(4, 3)]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  );
  await assert.rejects(put(5, 8), hasCode('ZSTOR_CATALOG_CHANGE_TOO_LARGE'));
  await put(6, 1);
  assert.equal(
    head.read((db) => db.prepare('SELECT count(*) AS n FROM blob').get()?.['n']),
    4,
  );
});

test('passive head follows, and the deposed one answers nothing', async () => {
  await using fixture = await CatalogFixture.open();
  const a = await fixture.serving('a');
  const b = await fixture.head('b');
  for (let i = 0; i < 5; i++) await a.write(setRegister('x', i));
  await until('the passive head', () => registersOf(b)['x'] === 3);
  await assert.rejects(b.write(setRegister('x', 9)), hasCode('ZSTOR_CATALOG_NOT_SERVING'));
  await b.takeOver();
  assert.deepEqual(registersOf(b), { x: 4 });
  assert.ok(b.epoch > 1);
  await assert.rejects(a.write(setRegister('x', 9)));
  assert.throws(() => a.requireLease(), hasCode('ZSTOR_CATALOG_NOT_SERVING'));
  await b.write(setRegister('x', 5));
  assert.deepEqual(registersOf(b), { x: 5 });
});

test('an answer waits for a lease that ran out, and leaves when nobody else served', async () => {
  await using fixture = await CatalogFixture.open();
  const head = await fixture.serving('a');
  const { epoch } = head;
  fixture.servers[0]?.signal('SIGSTOP');
  await until('the lease to run out', () => !holdsLease(head));
  await assert.rejects(head.confirmLease(epoch), hasCode('ZSTOR_CATALOG_NOT_SERVING'));
  const leaving = head.confirmLease(epoch, { waitMs: 10_000 });
  fixture.servers[0]?.signal('SIGCONT');
  await leaving;
  await head.confirmLease(epoch);
  const other = await fixture.serving('b');
  await assert.rejects(
    head.confirmLease(epoch, { waitMs: 10_000 }),
    hasCode('ZSTOR_CATALOG_NOT_SERVING'),
  );
  await other.close();
  await head.takeOver();
  // What was read before the other head served may be old.
  await assert.rejects(head.confirmLease(epoch), hasCode('ZSTOR_CATALOG_NOT_SERVING'));
  await head.confirmLease(head.epoch);
});

test('catalogue has a date once its members told the time, and none with a wrong clock', async () => {
  await using fixture = await CatalogFixture.open();
  const head = await fixture.serving('a');
  await until('a date', () => head.datesMs() !== undefined);
  const dateMs = head.datesMs() ?? 0;
  assert.ok(Math.abs(dateMs - Date.now()) < 60_000);
  await head.write(setRegister('a', 1));
  await head.write(setRegister('b', 2));
  await head.close();
  // A head on a machine that is half an hour late.
  const late: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() - 1_800_000 };
  const other = await fixture.serving('b', { clock: late });
  await until('the clocks to be compared', () => {
    assert.equal(other.datesMs(), undefined);
    return /apart/.test(other.datesProblem ?? '');
  });
  const noted = other.read((db) => db.prepare('SELECT highest_ms FROM catalog_dates').get());
  assert.ok(Number(noted?.['highest_ms']) >= dateMs);
});

function holdsLease(head: Catalog): boolean {
  try {
    head.requireLease();
    return true;
  } catch {
    return false;
  }
}
