import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { balanceOf } from '@commongrid/model';
import type { GridFold } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import type { Citizen } from '../src/testing/feeds-town.ts';
import { beat, beatMs, offerPlace } from '../src/testing/rented-place.ts';
import { follow, sameState } from './support/notes.ts';
import { broken, foldOf, TimedTown } from '../src/testing/timed-town.ts';

const currency = 'EUR';
const hourMs = 3_600_000;
/** Heartbeats of the node. */
const beats = 400;

test('the log moves money as the rules say, and a buyer who follows alone counts the same', async () => {
  await using timed = await TimedTown.open();
  const { bcdb, clock, town } = timed;
  {
    await using _closing = { [Symbol.asyncDispose]: () => bcdb.close() };
    const [ada, bob] = [await town.citizen('ada'), await town.citizen('bob')];
    const mint = await town.citizen('mint');
    await town.put('grid.currency.1', mint.device, {
      ...{ code: currency, name: 'Euro', decimals: 2, issuer: mint.id },
    });
    const send = (from: Citizen, to: Citizen, amount: number, n: number) =>
      town.put('grid.transfer.1', from.device, {
        ...{ id: fakeId.transfer(n), from: from.id, to: to.id, currency },
        ...{ amount: fakeId.amount(amount), expMs: bcdb.at + hourMs },
      });
    await send(mint, ada, 1000, 1);
    assert.equal(await broken(send(mint, ada, 1000, 1)), 'TRANSFER_FIXED');
    assert.equal(await broken(send(bob, ada, 1, 2)), 'FUNDS_SHORT');
    const farm = await town.farm(bob, 1);
    const node = await town.node(bob, farm, 'node');
    await town.put('grid.session.1', node.key, { node: node.id, n: 1, bootId: fakeId.nonce16(1) });
    const contract = await town.contract(ada, [ada], 1);
    const lock = await offerPlace(town, { farmer: bob, buyer: ada, contract, node: node.id });
    const { plan } = town.planOf(contract);
    await town.slice(ada, contract, node.id, 0);
    const items = plan.placement(1, [node.id]).items.map((item) => ({ ...item, lock }));
    const place = () =>
      town.put('grid.placement.1', ada.device, { ...plan.placement(1, []), items });
    assert.equal(await broken(place()), 'ESCROW_MISSING');
    const fund = (amount: number) =>
      town.put('grid.escrow.1', ada.device, {
        ...{ lock, contract, from: ada.id, currency },
        ...{ amount: fakeId.amount(amount), expMs: bcdb.at + hourMs },
      });
    assert.equal(await broken(fund(9)), 'ESCROW_SHORT');
    await fund(400);
    await place();
    const fromMs = bcdb.at;
    for (let n = 1; n <= beats; n++) {
      await beat(bcdb, clock, node, n);
      // For as long again it is not heard of.
      if (n === beats / 2) await clock.advance(beats * beatMs);
    }
    await send(mint, ada, 1, 3);
    const toMs = bcdb.at;
    const { lock: _lock, ...example } = examples['grid.receipt.1'];
    const workload = fakeId.workload(contract, 'shard', 0);
    const receipt = { ...example, node: node.id, workload, lock, fromMs, toMs };
    const healthySeconds = Math.floor((toMs - fromMs) / 1000);
    const tell = () => town.put('grid.receipt.1', node.key, { ...receipt, healthySeconds });
    await tell();
    assert.equal(await broken(tell()), 'RECEIPT_OVERLAPS');
    const release = () =>
      town.put('grid.release.1', bob.device, {
        ...{ lock, workload, toMs, expMs: bcdb.at + hourMs },
      });
    await town.place(ada, contract, [], 2);
    const name = { ns: 'grid', url: 'grid.presence.1', obj: node.id };
    for (let n = 1; n <= 3; n++) await beat(bcdb, clock, node, beats + n);
    const isLogged = () => bcdb.state.document(name) !== undefined;
    await waitFor(isLogged, { what: 'presence of the node', timeoutMs: 60_000 });
    assert.ok(healthySeconds >= 2 * 700, 'two units would be due for what the node claims');
    await release();
    assert.equal(await broken(release()), 'RELEASE_REPLAYED');
    await town.put('grid.refund.1', bob.device, { lock });
    await clock.advance(1500);
    // 800 s of presence, of which one unit is due.
    for (const [who, amount] of [
      [ada, 1000n],
      [bob, 1n],
      [mint, -1001n],
    ] as const) {
      const fold = await seenBy(timed, who);
      assert.equal(balanceOf(fold, who.id, currency), amount, who.name);
      if (who !== mint) assert.equal(balanceOf(fold, lock, currency), 0n);
    }
    await using replica = await follow(timed.dirOf('replica'), bcdb);
    await sameState(replica, bcdb);
  }
  const { fault, findings } = await verifyFolder(timed.dirOf('log'));
  assert.deepEqual({ fault, findings }, { fault: undefined, findings: [] });
});

/** What a bot that follows its feed alone makes of it. */
async function seenBy(timed: TimedTown, { id }: Citizen): Promise<GridFold> {
  await using light = await timed.followAs(id, id);
  await light.sync();
  const fold = foldOf(timed.bcdb, light, id);
  assert.deepEqual([...fold.refusals], []);
  return fold;
}
