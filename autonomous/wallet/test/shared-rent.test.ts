import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delay, seededRandom } from '@commongrid/base';
import { TimedTown } from '@commongrid/bcdb/testing';
import { balanceOf, heldBy } from '@commongrid/model';
import type { AccountId, RecordOf } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import { Wallet } from '../src/wallet.ts';
import { TownRail } from './support/town-rail.ts';

const currency = 'EUR';
const hourMs = 3_600_000;
const [account, lock] = [fakeId.account(1), fakeId.lock(1)];
const [saved, funded, gift] = [1000n, 400n, 25n];

/** An account of ada and carol pays for a place of ada's; dan comes to it after that. */
async function rented(timed: TimedTown) {
  const { bcdb, clock, town } = timed;
  const names = ['mint', 'ada', 'bob', 'carol', 'dan'];
  const all = [];
  for (const name of names) all.push(await town.citizen(name));
  const [mint, ada, bob, carol, dan] = all;
  assert.ok(mint && ada && bob && carol && dan);
  await town.put('grid.currency.1', mint.device, {
    ...{ code: currency, name: 'Euro', decimals: 2, issuer: mint.id },
  });
  const shared: RecordOf<'grid.account.1'> = {
    ...{ id: account, name: 'House', revision: 1, min: 1 },
    signers: [ada.id, carol.id].toSorted(),
  };
  await town.put('grid.account.1', ada.device, shared);
  const send = (n: number, from: typeof ada, as: AccountId, to: AccountId, amount: bigint) =>
    town.put('grid.transfer.1', from.device, {
      ...{ id: fakeId.transfer(n), from: as, to, currency, expMs: clock.nowMs() + hourMs },
      amount: fakeId.amount(Number(amount)),
    });
  await send(1, mint, mint.id, account, saved);
  const node = await town.node(bob, await town.farm(bob, 1), 'node');
  await town.put('grid.session.1', node.key, { node: node.id, n: 1, bootId: fakeId.nonce16(1) });
  const contract = await town.contract(ada, [ada], 1);
  const { arbiter: _arbiter, ...example } = examples['grid.lock.1'];
  await town.put('grid.lock.1', bob.device, {
    ...{ ...example, id: lock, contract, node: node.id, farmer: bob.id, buyer: ada.id },
    price: { amount: fakeId.amount(1), currency, perSeconds: 700 },
    ...{ minFund: fakeId.amount(10), disputeMs: 0, expiresMs: bcdb.at + 600_000 },
  });
  await town.put('grid.escrow.1', carol.device, {
    ...{ lock, contract, from: account, currency, expMs: bcdb.at + hourMs },
    amount: fakeId.amount(Number(funded)),
  });
  await town.slice(ada, contract, node.id, 0);
  const { plan } = town.planOf(contract);
  const items = plan.placement(1, [node.id]).items.map((item) => ({ ...item, lock }));
  await town.put('grid.placement.1', ada.device, { ...plan.placement(1, []), items });
  const fromMs = bcdb.at;
  await clock.advance(40_000_000);
  await send(2, carol, account, carol.id, gift);
  const { lock: _lock, ...receipt } = examples['grid.receipt.1'];
  const workload = fakeId.workload(contract, 'shard', 0);
  await town.put('grid.receipt.1', node.key, {
    ...{ ...receipt, node: node.id, workload, lock, fromMs, toMs: fromMs + 35_000_000 },
    healthySeconds: 35_000,
  });
  // Dan joins, and the farmer gives back what no receipt claims.
  const joined = { ...shared, revision: 2, signers: [...shared.signers, dan.id].toSorted() };
  await town.put('grid.account.1', ada.device, joined);
  await town.put('grid.refund.1', bob.device, { lock });
  return { ada, bob, carol, dan, mint };
}

test('whoever signs for an account sees what it paid for places of others, and what came back', async () => {
  await using timed = await TimedTown.open();
  const { ada, bob, carol, dan, mint } = await rented(timed);
  const random = seededRandom('shared');
  await using rails = new AsyncDisposableStack();
  const open = async (who: typeof ada, n: number): Promise<TownRail> =>
    rails.use(await TownRail.open(timed, who, `rail-${n}`, random));
  /** While time goes on: ticks tell of what was said. */
  const during = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false;
    const ended = work.finally(() => (isDone = true));
    while (!isDone) {
      await timed.clock.advance(1_000);
      await delay(5);
    }
    return ended;
  };
  const { fold } = await during((await open(bob, 0)).sync());
  const escrow = fold.money('escrow', lock);
  assert.ok(escrow !== undefined);
  // Fifty units are claimed by the receipt.
  assert.equal(heldBy(escrow), 50n);
  assert.equal(balanceOf(fold, lock, currency), 50n);
  for (const [n, who] of [ada, carol, dan].entries()) {
    const wallet = new Wallet(await open(who, n + 1));
    const [balance] = await during(wallet.balances(account));
    assert.deepEqual(balance, { currency, amount: saved - gift - 50n });
    const lines = await during(wallet.statement(account));
    assert.deepEqual(
      lines.map(({ kind, amount }) => [kind, BigInt(amount)]),
      [
        ['transfer', saved],
        ['escrow', -funded],
        ['transfer', -gift],
        ['refund', funded - 50n],
      ],
    );
  }
  const other = new Wallet(await open(mint, 4));
  await assert.rejects(other.balances(ada.id), { code: 'WALLET_ACCOUNT_UNSEEN' });
});
