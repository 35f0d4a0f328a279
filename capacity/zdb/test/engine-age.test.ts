import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import type { Store } from '../src/engine/store.ts';
import { openStore } from './support/engine-crash.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const AGE_SECONDS = 7 * 24 * 3600;

/** A store whose time is in the hands of the test, and how far ahead it found the clock. */
async function open(
  root: string,
  clock: ManualClock,
): Promise<{ store: Store; aheadDays: number[] }> {
  const aheadDays: number[] = [];
  const store = await openStore(root, {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    onClockAhead: (aheadMs) => aheadDays.push(Math.round(aheadMs / DAY_MS)),
  });
  return { store, aheadDays };
}

async function put(store: Store, value: string): Promise<number> {
  const bytes = Buffer.from(`key${value}`);
  const { default: namespace } = store.namespaces;
  store.set(namespace, bytes, 0, 3, 3, value.length, store.nowSeconds());
  const { lastSequence } = store.log;
  await store.log.flush();
  return lastSequence;
}

/** Whether a version is still there after everything that may go has gone. */
async function isKept(store: Store, sequence: number): Promise<boolean> {
  store.log.rotate();
  await store.maintenance.compactAll();
  return (await store.recordAt(sequence)) !== undefined;
}

async function withHistory(root: string, clock: ManualClock): Promise<[Store, number, number[]]> {
  const { store, aheadDays } = await open(root, clock);
  const history = { keep: 'age' as const, limit: AGE_SECONDS };
  store.putSettings({ ...store.namespaces.default.settings, history });
  const old = await put(store, 'old');
  await put(store, 'new');
  return [store, old, aheadDays];
}

test('history is not old when the clock leaps ahead, and is when time has passed', async () => {
  await using temp = await tempFolder('age-leap');
  const clock = new ManualClock(1_800_000_000_000);
  const [store, old, aheadDays] = await withHistory(temp.path, clock);
  clock.jump(365 * DAY_MS);
  assert.equal(await isKept(store, old), true);
  assert.deepEqual(aheadDays, [365]);
  await clock.advance(6 * DAY_MS);
  assert.equal(await isKept(store, old), true);
  await clock.advance(2 * DAY_MS);
  assert.equal(await isKept(store, old), false);
  await store.close();
});

test('history is not old when the clock leaps ahead before a restart', async () => {
  await using temp = await tempFolder('age-restart');
  const clock = new ManualClock(1_800_000_000_000);
  const [first, old] = await withHistory(temp.path, clock);
  clock.jump(365 * DAY_MS);
  // What is written now bears a time that is wrong: it must not make that time believed.
  const wrong = await put(first, 'wrong');
  await first.close();
  const { store, aheadDays } = await open(temp.path, clock);
  assert.deepEqual(aheadDays, [365]);
  await clock.advance(HOUR_MS / 2);
  assert.equal(await isKept(store, old), true);
  clock.jump(-365 * DAY_MS);
  await clock.advance(HOUR_MS);
  assert.equal(await isKept(store, old), true);
  assert.equal(await isKept(store, wrong), true);
  await store.reopenAfter(() => clock.jump(365 * DAY_MS));
  await clock.advance(2 * HOUR_MS);
  assert.equal(await isKept(store, old), true);
  await store.close();
});

test('history of a store that was closed for long is old an hour after its start', async () => {
  await using temp = await tempFolder('age-closed');
  const clock = new ManualClock(1_800_000_000_000);
  const [first, old] = await withHistory(temp.path, clock);
  await first.close();
  clock.jump(30 * DAY_MS);
  const { store } = await open(temp.path, clock);
  assert.equal(await isKept(store, old), true);
  await clock.advance(HOUR_MS);
  assert.equal(await isKept(store, old), false);
  await store.close();
});
