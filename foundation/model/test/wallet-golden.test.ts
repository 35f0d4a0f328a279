import { deepEqual, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { foldOf } from '../src/testing/index.ts';
import type { GridRecord } from '../src/index.ts';

/** A log of money as it was judged when `wallet@1` was released, and what came of it. */
interface Golden {
  readonly records: readonly GridRecord[];
  /** Place of each record that had no effect, and why. */
  readonly refusals: readonly (readonly [number, string])[];
  readonly balances: readonly (readonly [string, string])[];
  readonly escrows: readonly unknown[];
}

test('wallet@1 judges the golden log as it did when it was released', async () => {
  const file = new URL('golden/wallet-1.json', import.meta.url);
  const { records, ...expected } = JSON.parse(await readFile(file, 'utf8')) as Golden;
  const fold = foldOf();
  fold.add(records);
  const actual = {
    refusals: [...fold.refusals].toSorted(([one], [other]) => one - other),
    balances: [...fold.moneyOf('balance')].toSorted(byId).map(({ id, amount }) => [id, amount]),
    escrows: [...fold.moneyOf('escrow')].toSorted(byId),
  };
  deepEqual(actual, expected, 'rules have changed: give them a new version instead');
  const urls = new Set(records.map(({ url }) => url));
  for (const name of ['account', 'allowance', 'consent', 'currency', 'escrow', 'objection']) {
    ok(urls.has(`grid.${name}.1`), name);
  }
  for (const name of ['receipt', 'presence', 'refund', 'release', 'settlement', 'transfer']) {
    ok(urls.has(`grid.${name}.1`), name);
  }
});

function byId(one: { readonly id: string }, other: { readonly id: string }): number {
  return one.id < other.id ? -1 : 1;
}
