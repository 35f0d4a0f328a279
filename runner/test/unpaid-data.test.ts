import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGridError, waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';

import { HurriedClock } from './fixtures/hurried-clock.ts';
import { openPaidPlace, price, within } from './fixtures/paid-place.ts';

const dayMs = 86_400_000;

interface Shown {
  readonly places: readonly {
    readonly standing: string;
    readonly nodeName: string;
    readonly keptUntilMs: number;
  }[];
}

test('what nobody pays for is warned of, stands still, and is deleted by its farmer alone, after a week', async () => {
  const clock = new HurriedClock();
  // Ten seconds, and a second of grace.
  await using place = await openPaidPlace(10n * price, 1_000, { clock });
  const { machine, phase, contract, asBuyer, asFarmer } = place;
  const show = async (): Promise<Shown['places'][number]> => {
    const { places } = JSON.parse(await asBuyer('contract', 'show', 'web', '--json')) as Shown;
    assert.equal(places.length, 1);
    const [one] = places;
    assert.ok(one !== undefined);
    return one;
  };
  const discard = (...words: string[]) => asFarmer('contract', 'discard', contract, ...words);
  await waitFor(() => phase() === 'paused', { ...within, what: 'it to be paused' });
  const isUsedUp = async () => (await place.escrow())?.emptySinceMs !== undefined;
  await waitFor(isUsedUp, { ...within, what: 'the log to know' });
  const paused = await show();
  assert.deepEqual([paused.standing, paused.nodeName], ['paused', 'shelf']);
  assert.match(await asBuyer('contract', 'show', 'web'), /web\/0 +shelf +not paid for: it stands/);
  assert.match(await asFarmer('contract', 'unpaid'), /stands still; its data are kept until/);
  await assert.rejects(discard('--yes'), (error) => {
    assert.ok(isGridError(error, 'GRID_DATA_KEPT'), String(error));
    assert.equal(error.details['untilMs'], paused.keptUntilMs);
    return true;
  });
  await assert.rejects(
    asBuyer('contract', 'discard', contract, '--yes'),
    hasCode('GRID_DATA_KEPT'),
  );

  clock.hurry(7 * dayMs);
  await waitFor(async () => (await show()).standing === 'forfeit', {
    ...{ ...within, what: 'the end of the notice' },
  });
  const [paper] = [...machine.all.values()];
  assert.equal(paper?.hasData, true, 'nothing but a tombstone deletes');
  assert.match(await asFarmer('contract', 'unpaid'), /next: .*contract discard contract:/);
  await assert.rejects(discard(), hasCode('GRID_USAGE'));
  assert.match(await discard('--yes'), /1 place of web/);
  const isGone = () => machine.calls.some((call) => call.startsWith('destroy'));
  await waitFor(isGone, { ...within, what: 'the node to delete it' });
  assert.equal((await show()).standing, 'discarded');
  assert.equal(await asFarmer('contract', 'unpaid'), 'all of it is paid for\n');
  await assert.rejects(discard('--yes'), hasCode('GRID_DATA_KEPT'));
});
