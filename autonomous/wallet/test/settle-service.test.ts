import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delay, seededRandom, waitFor } from '@commongrid/base';
import { beat, TimedTown } from '@commongrid/bcdb/testing';
import type { Citizen } from '@commongrid/bcdb/testing';
import { balanceOf, heldBy } from '@commongrid/model';
import type { RecordOf } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import { SettleService } from '../src/settle-service.ts';
import { Wallet } from '../src/wallet.ts';
import { TownRail } from './support/town-rail.ts';

const currency = 'EUR';
const hourMs = 3_600_000;
const disputeMs = 600_000;
/** Heartbeats of the node, one every two seconds. */
const beats = 360;
const lock = fakeId.lock(1);
const seed = process.env['GRID_TEST_SEED'] ?? 'settle';

test('pay is asked for by itself, as the rules have it, once, and what is left goes back', async () => {
  await using timed = await TimedTown.open();
  const { bcdb, clock, town } = timed;
  const random = seededRandom(seed);
  const { mint, ada, bob, node, contract } = await rent(timed);
  const workload = fakeId.workload(contract, 'shard', 0);
  const fromMs = bcdb.at;
  for (let n = 1; n <= beats; n++) {
    await beat(bcdb, clock, node, n);
    // For as long again nobody hears of it.
    if (n === beats / 2) await clock.advance(beats * 2_000);
  }
  // A record brings a tick, and with it the time.
  await send(timed, mint, ada, 1, 2);
  const middleMs = bcdb.at;
  const tell = (from: number, to: number): Promise<unknown> => {
    const healthySeconds = Math.floor((to - from) / 1000);
    const { lock: _lock, ...example } = examples['grid.receipt.1'];
    const spans = { fromMs: from, toMs: to, healthySeconds };
    return town.put('grid.receipt.1', node.key, {
      ...{ ...example, node: node.id, workload, lock, ...spans },
    });
  };
  await tell(fromMs, middleMs);
  await using own = await TownRail.open(timed, ada, 'own', random);
  const eventually = async (is: () => Promise<boolean>, what: string): Promise<void> => {
    const look = async (): Promise<boolean> => {
      await clock.advance(120_000);
      return is();
    };
    await waitFor(look, { timeoutMs: 120_000, everyMs: 5, what });
  };
  /** What ada makes of the log, while its time goes on: ticks tell her of what was said. */
  const seen = async () => {
    let isSynced = false;
    const view = own.sync().finally(() => (isSynced = true));
    while (!isSynced) {
      await clock.advance(1_000);
      await delay(5);
    }
    return view;
  };

  const rails: TownRail[] = [];
  await using services = new AsyncDisposableStack();
  // Two of the farmer at once, as two machines of one bot are.
  for (const [n, who] of [bob, bob, ada].entries()) {
    const rail = services.use(await TownRail.open(timed, who, `rail-${n}`, random));
    const news = (signal: AbortSignal) => rail.news(signal);
    services.use(new SettleService({ wallet: new Wallet(rail), news, clock }));
    rails.push(rail);
  }
  const paid = async (): Promise<bigint> => balanceOf((await seen()).fold, bob.id, currency);
  await eventually(async () => (await paid()) > 0n, 'the first pay');
  const presence = bcdb.state.document<RecordOf<'grid.presence.1'>>({
    ...{ ns: 'grid', url: 'grid.presence.1', obj: node.id },
  });
  assert.ok(presence !== undefined);
  const presentMs = present(presence.value, fromMs, middleMs);
  const seconds = Math.floor(presentMs / 1000);
  assert.ok(seconds >= 700 && middleMs - fromMs >= 1_400_000, `${seconds} s of presence`);
  const first = BigInt(Math.floor(seconds / 700));
  assert.equal(first, 1n, 'two would be due for what the node claims');
  assert.equal(await paid(), first);

  // An objection holds the pay until it is decided, here by time and for the buyer.
  await send(timed, mint, ada, 1, 3);
  const objectedMs = bcdb.at;
  for (let n = 1; n <= beats; n++) await beat(bcdb, clock, node, beats + n);
  await send(timed, mint, ada, 1, 4);
  const toMs = bcdb.at;
  await tell(objectedMs, toMs);
  await town.put('grid.objection.1', ada.device, {
    ...{ id: fakeId.hex16(1), lock, by: ada.id, says: 'object', workload },
    ...{ fromMs: toMs - disputeMs / 2, toMs },
  });
  // Of the last seconds the node tells nothing: else the farmer would give the rest back, and not the buyer ask.
  await clock.advance(10_000);
  await send(timed, mint, ada, 1, 5);
  await town.place(ada, contract, [], 2);
  await eventually(
    async () => (await seen()).fold.money('escrow', lock)?.isClosed === true,
    'the end',
  );
  const { fold } = await seen();
  const escrow = fold.money('escrow', lock);
  assert.ok(escrow !== undefined && heldBy(escrow) === 0n);
  assert.equal(balanceOf(fold, bob.id, currency), first);
  assert.equal(balanceOf(fold, ada.id, currency), 1004n - first);
  assert.ok(bcdb.at >= (escrow.place?.untilMs ?? 0) + disputeMs + 2 * hourMs);
  assert.ok(rails.reduce((sum, { losses }) => sum + losses, 0) > 0, 'something was lost');
});

/** Milliseconds of a stretch in which a summary has the node as present. */
function present(
  summary: Pick<RecordOf<'grid.presence.1'>, 'fromMs' | 'toMs' | 'gaps'>,
  fromMs: number,
  toMs: number,
): number {
  const within = (one: { readonly fromMs: number; readonly toMs: number }): number =>
    Math.max(0, Math.min(one.toMs, toMs) - Math.max(one.fromMs, fromMs));
  return within(summary) - summary.gaps.reduce((sum, gap) => sum + within(gap), 0);
}

/** Ada pays bob for a place on his node: one EUR for 700 seconds, ten minutes for disputes. */
async function rent(timed: TimedTown) {
  const { bcdb, town } = timed;
  const [mint, ada, bob] = [
    await town.citizen('mint'),
    await town.citizen('ada'),
    await town.citizen('bob'),
  ];
  await town.put('grid.currency.1', mint.device, {
    ...{ code: currency, name: 'Euro', decimals: 2, issuer: mint.id },
  });
  await send(timed, mint, ada, 1000);
  const node = await town.node(bob, await town.farm(bob, 1), 'node');
  await town.put('grid.session.1', node.key, { node: node.id, n: 1, bootId: fakeId.nonce16(1) });
  const contract = await town.contract(ada, [ada], 1);
  const { arbiter: _arbiter, ...example } = examples['grid.lock.1'];
  await town.put('grid.lock.1', bob.device, {
    ...{ ...example, id: lock, contract, node: node.id, farmer: bob.id, buyer: ada.id, disputeMs },
    price: { amount: fakeId.amount(1), currency, perSeconds: 700 },
    ...{ minFund: fakeId.amount(10), onDispute: 'refund', expiresMs: bcdb.at + 600_000 },
  });
  await town.put('grid.escrow.1', ada.device, {
    ...{ lock, contract, from: ada.id, currency },
    ...{ amount: fakeId.amount(400), expMs: bcdb.at + hourMs },
  });
  await town.slice(ada, contract, node.id, 0);
  const { plan } = town.planOf(contract);
  const items = plan.placement(1, [node.id]).items.map((item) => ({ ...item, lock }));
  await town.put('grid.placement.1', ada.device, { ...plan.placement(1, []), items });
  return { mint, ada, bob, node, contract };
}

async function send({ bcdb, town }: TimedTown, from: Citizen, to: Citizen, amount: number, n = 1) {
  await town.put('grid.transfer.1', from.device, {
    ...{ id: fakeId.transfer(n), from: from.id, to: to.id, currency },
    ...{ amount: fakeId.amount(amount), expMs: bcdb.at + hourMs },
  });
}
