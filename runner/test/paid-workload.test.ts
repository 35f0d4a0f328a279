import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { waitFor } from '@commongrid/base';
import { SettleService } from '@commongrid/wallet';

import { openPaidPlace, price, within } from './fixtures/paid-place.ts';

test('a node tells of what is paid for, over a restart of its agent, and its farmer is paid for that', async () => {
  await using place = await openPaidPlace(500_000n, 0);
  const { farmer, phase } = place;
  const receipts = async () => (await place.escrow())?.receipts ?? [];
  await waitFor(async () => (await receipts()).length >= 2, { ...within, what: 'receipts' });
  // The agent ends, and what it looked after goes on.
  await place.restart();
  const known = (await receipts()).length;
  await waitFor(async () => (await receipts()).length >= known + 2, {
    ...{ ...within, what: 'more receipts' },
  });
  const told = await receipts();
  for (const [n, [fromMs, toMs, healthySeconds]] of told.entries()) {
    if (n > 0) assert.equal(fromMs, told[n - 1]?.[1], 'nothing is left out');
    assert.ok(healthySeconds * 1000 <= toMs - fromMs);
  }
  // It ran all the time from then on; what the node knows of log time comes in seconds.
  const since = told.slice(told.findIndex(([, , healthySeconds]) => healthySeconds > 0));
  const spanMs = (since.at(-1)?.[1] ?? 0) - (since[0]?.[1] ?? 0);
  const all = since.reduce((sum, [, , healthySeconds]) => sum + healthySeconds, 0);
  assert.ok(all * 1000 >= spanMs - 3_000, `${all} s of ${spanMs} ms`);

  await place.end();
  await waitFor(() => phase() === 'stopped', { ...within, what: 'it to stop' });
  await using settling = new SettleService({
    wallet: farmer.wallet,
    news: (signal) => farmer.rail.news(signal),
    everyMs: 1_000,
  });
  const isPaid = async () => BigInt((await place.escrow())?.released ?? 0) > 0n;
  await waitFor(isPaid, { ...within, what: 'pay' });
  const isCounted = async () => settling.status.settledCount > 0;
  await waitFor(isCounted, { ...within, what: 'the answer to it' });
  const escrow = await place.escrow();
  assert.equal(escrow?.released, String(BigInt(escrow?.paidSeconds ?? 0) * price));
});

test('while the database is away a node pauses what is no longer paid for, keeps its data, and tells of it later', async () => {
  // For ten seconds.
  await using place = await openPaidPlace(10n * price, 4_000);
  const { phase, machine } = place;
  const starts = () => machine.calls.filter((call) => call.startsWith('start ')).length;
  const line = place.line();
  await line.cut();
  const before = (await place.escrow())?.receipts.length ?? 0;
  await waitFor(() => phase() === 'paused', { ...within, what: 'it to be paused' });
  const [paper] = [...machine.all.values()];
  assert.deepEqual([paper?.state.state, paper?.hasData], ['prepared', true]);
  assert.ok(!machine.calls.some((call) => call.startsWith('destroy')));
  assert.equal((await place.escrow())?.receipts.length, before, 'nothing is told meanwhile');
  assert.equal(starts(), 1);
  line.isCut = false;
  const isKnown = async () => {
    const escrow = await place.escrow();
    return escrow?.emptySinceMs !== undefined && isDeepStrictEqual(place.known(), escrow);
  };
  await waitFor(isKnown, { ...within, what: 'what was owed to be told, and read again' });
  await place.apply();
  assert.equal(phase(), 'paused');
  assert.equal(starts(), 1, 'nor did it run meanwhile');
  assert.equal(paper?.hasData, true);
});
