import assert from 'node:assert/strict';
import { test } from 'node:test';

import { paidByLock, settled } from './ledger.ts';
import type { Shares } from './ledger.ts';

const shares = (buyer: bigint, farmers: bigint, held: bigint): Shares => ({ buyer, farmers, held });

/** Looks that give these, one after the other, and how many were taken. */
function looksOf(all: readonly Shares[]) {
  let taken = 0;
  const look = async (): Promise<Shares> => {
    const one = all[taken++];
    if (one === undefined) throw new Error('nobody needs another look');
    return one;
  };
  return { look, taken: () => taken };
}

test('money that moves between parts of a look is looked for again', async () => {
  const whole = shares(900_000_000n, 60_000_000n, 40_000_000n);
  const moving = looksOf([
    shares(900_000_000n, 50_000_000n, 40_000_000n),
    shares(900_000_000n, 55_000_000n, 40_000_000n),
    whole,
  ]);
  assert.deepEqual(await settled(moving.look), whole);
  assert.equal(moving.taken(), 3);
});

test('what is missing in two looks in a row is missing', async () => {
  const less = shares(900_000_000n, 60_000_000n, 39_999_999n);
  const looks = looksOf([less, less]);
  assert.deepEqual(await settled(looks.look), less);
  assert.equal(looks.taken(), 2);
});

test('what farmers got is counted by lock, and nothing else is', () => {
  const line = (kind: string, about: string, amount: string) => {
    return { kind, about, amount, currency: 'TFT' };
  };
  const lines = [
    ...[line('release', 'one', '5'), line('release', 'other', '1'), line('release', 'one', '7')],
    ...[line('transfer', 'one', '100'), line('refund', 'other', '9')],
  ];
  assert.deepEqual(
    [...paidByLock(lines)],
    [
      ['one', 12n],
      ['other', 1n],
    ],
  );
});
