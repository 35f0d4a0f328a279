import assert from 'node:assert/strict';

import { waitFor } from '@commongrid/base';
import type { Trust } from '@commongrid/bcdb/browser';
import { beat, offerPlace, TimedTown } from '@commongrid/bcdb/testing';
import type { Citizen } from '@commongrid/bcdb/testing';
import type { ContractId, LockId } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';

const hourMs = 3_600_000;
/** Heartbeats of the node: 800 s, of which one unit is due. */
const beats = 400;
/** What ada puts aside for the place. */
const rent = 400;

/** A contract of ada that ran on bob's node, was halted by eve for a while, was paid, and ended. */
export interface AuditedStory {
  readonly timed: TimedTown;
  readonly trust: Trust;
  readonly ada: Citizen;
  readonly bob: Citizen;
  readonly eve: Citizen;
  readonly contract: ContractId;
  readonly lock: LockId;
}

/**
 * Lets it happen in a town of its own, which is the caller's to close.
 * @param gifts transfers that ada got before, one at least; an audit has them as all that she was told
 */
export async function tellStory({ gifts }: { readonly gifts: number }): Promise<AuditedStory> {
  await using opened = new AsyncDisposableStack();
  const timed = opened.use(await TimedTown.open());
  const { bcdb, clock, town } = timed;
  const [ada, bob, eve] = [
    ...[await town.citizen('ada'), await town.citizen('bob'), await town.citizen('eve')],
  ] as [Citizen, Citizen, Citizen];
  const mint = await town.citizen('mint');
  const currency = { code: 'EUR', name: 'Euro', decimals: 2, issuer: mint.id };
  await town.put('grid.currency.1', mint.device, currency);
  const give = (n: number) =>
    town.put('grid.transfer.1', mint.device, {
      ...{ id: fakeId.transfer(n), from: mint.id, to: ada.id, currency: 'EUR' },
      ...{ amount: fakeId.amount(n === 0 ? rent : 1), expMs: bcdb.at + hourMs },
    });
  await Promise.all(Array.from({ length: gifts }, (_, n) => give(n)));
  const farm = await town.farm(bob, 1);
  const node = await town.node(bob, farm, 'node');
  await town.put('grid.session.1', node.key, { node: node.id, n: 1, bootId: fakeId.nonce16(1) });
  const contract = await town.contract(ada, [eve], 1);
  const other = await town.contract(ada, [ada], 2);
  assert.notEqual(contract, other);
  const lock = await offerPlace(town, { farmer: bob, buyer: ada, contract, node: node.id });
  const { plan } = town.planOf(contract);
  await town.slice(ada, other, node.id, 0);
  await town.slice(ada, contract, node.id, 0);
  await town.put('grid.escrow.1', ada.device, {
    ...{ lock, contract, from: ada.id, currency: 'EUR' },
    ...{ amount: fakeId.amount(rent), expMs: bcdb.at + hourMs },
  });
  const items = plan.placement(1, [node.id]).items.map((item) => ({ ...item, lock }));
  await town.put('grid.placement.1', ada.device, { ...plan.placement(1, []), items });
  const halt = (verdict: 'approve' | 'reject') =>
    plan.approval(eve.id, { role: 'people', action: 'halt', verdict });
  const fromMs = bcdb.at;
  for (let n = 1; n <= beats; n++) await beat(bcdb, clock, node, n);
  // A record brings log time up to the clock.
  await town.put('grid.approval.1', eve.device, halt('approve'));
  const toMs = bcdb.at;
  const workload = fakeId.workload(contract, 'shard', 0);
  const { lock: _lock, ...example } = examples['grid.receipt.1'];
  const healthySeconds = Math.floor((toMs - fromMs) / 1000);
  await town.put('grid.receipt.1', node.key, {
    ...{ ...example, node: node.id, workload, lock, fromMs, toMs, healthySeconds },
  });
  await town.put('grid.approval.1', eve.device, halt('reject'));
  await town.place(ada, contract, [], 2);
  const name = { ns: 'grid', url: 'grid.presence.1', obj: node.id };
  for (let n = 1; n <= 3; n++) await beat(bcdb, clock, node, beats + n);
  const isLogged = (): boolean => bcdb.state.document(name) !== undefined;
  await waitFor(isLogged, { what: 'presence of the node', timeoutMs: 60_000 });
  await town.put('grid.release.1', bob.device, {
    ...{ lock, workload, toMs, expMs: bcdb.at + hourMs },
  });
  await town.put('grid.refund.1', bob.device, { lock });
  await timed.tick();
  opened.move();
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  return { timed, trust, ada, bob, eve, contract, lock };
}
