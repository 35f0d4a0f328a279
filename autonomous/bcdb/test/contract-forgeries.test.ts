import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { SigningKey } from '@commongrid/crypto';
import { contractIdOf, recordTypes } from '@commongrid/model';
import type { NodeId, Placement, RecordOf, RecordUrl } from '@commongrid/model';
import { DeploymentPlan, examples, fakeId } from '@commongrid/model/testing';
import type { LightFollower } from '../src/follow/light-follower.ts';
import { keyOf, text } from '../src/testing/feeds-town.ts';
import type { Citizen, Machine } from '../src/testing/feeds-town.ts';
import { broken, foldOf, TimedTown } from '../src/testing/timed-town.ts';

/**
 * Ada has a farm with two nodes, and one outside of what her contracts allow; bob has one. Bob and eve
 * decide over a contract of ada that is agreed to, and over one that waits; all nodes are told of both.
 */
let timed: TimedTown;
let ada: Citizen;
let bob: Citizen;
let eve: Citizen;
let first: Machine;
let second: Machine;
let rented: Machine;
let outside: Machine;
let running: DeploymentPlan;
let waiting: DeploymentPlan;
const followers = new Map<NodeId, LightFollower>();

before(async () => {
  timed = await TimedTown.open();
  const { town } = timed;
  ada = await town.citizen('ada');
  bob = await town.citizen('bob');
  eve = await town.citizen('eve');
  const [cellar, attic] = [await town.farm(ada, 1), await town.farm(bob, 2)];
  outside = await town.node(ada, await town.farm(ada, 3), 'outside');
  first = await town.node(ada, cellar, 'first');
  second = await town.node(ada, cellar, 'second');
  rented = await town.node(bob, attic, 'rented');
  running = planOf(1);
  waiting = planOf(2);
  for (const plan of [running, waiting]) {
    await town.put('grid.contract.1', ada.device, plan.header);
    await town.put('grid.lease.1', ada.device, plan.lease(1));
    for (const { id } of [first, second, rented, outside]) {
      await town.put('grid.slice.1', ada.device, plan.slice(0, id, 1));
    }
  }
  await town.put('grid.approval.1', ada.device, running.approval(ada.id, { role: 'owner' }));
  for (const who of [bob, eve]) {
    await town.put('grid.approval.1', who.device, running.approval(who.id));
  }
  for (const { id } of [first, second, rented, outside]) {
    followers.set(id, await timed.followAs(id, id));
  }
});

after(async () => {
  for (const follower of followers.values()) await follower.close();
  await timed[Symbol.asyncDispose]();
});

function planOf(n: number): DeploymentPlan {
  const { bcdb } = timed;
  return new DeploymentPlan({
    ...{ log: bcdb.log, owner: ada.id, controller: text(ada.device), at: bcdb.at, min: 2 },
    signers: [bob.id, eve.id],
    role: { spread: { distinctNodes: true } },
    header: {
      nonce: fakeId.hash(n),
      controllers: [ada.id],
      budget: { currency: 'EUR', perMonth: fakeId.amount(1_000), total: fakeId.amount(1_000) },
      heal: {
        ...{ suspectAfterMs: 3_000, replaceAfterMs: 10_000, maxPerHour: 1 },
        mayMoveTo: { farms: [fakeId.farm(1)] },
      },
    },
  });
}

/** The log does not take a record, and a node that is told all the same gives it no effect: one code. */
async function refuses<Url extends RecordUrl>(
  code: string,
  url: Url,
  key: SigningKey,
  value: RecordOf<Url>,
  { id }: Machine = first,
): Promise<void> {
  const { bcdb, town } = timed;
  assert.equal(await broken(town.put(url, key, value)), code, 'the log');
  await timed.tick();
  assert.equal(await atNode(id, url, key, value), code, 'the node');
  assert.ok(bcdb.head.size > 0);
}

/** What a node makes of a record beside all that its feed has. */
async function atNode<Url extends RecordUrl>(
  node: NodeId,
  url: Url,
  key: SigningKey,
  value: RecordOf<Url>,
): Promise<string | undefined> {
  const { bcdb } = timed;
  const follower = followers.get(node);
  assert.ok(follower !== undefined);
  await follower.sync();
  const fold = foldOf(bcdb, follower, node);
  const obj = recordTypes.get(url)?.objectOf(value) ?? '';
  const seq = bcdb.head.size;
  fold.add([{ seq, at: bcdb.at, author: text(key), url, obj, op: 'put', value }]);
  return fold.refusals.get(seq);
}

function place(plan: DeploymentPlan, nodes: readonly NodeId[], change: Partial<Placement> = {}) {
  return plan.placement(1, nodes, change);
}

test('a forged approval, one over something else and one that is over are refused by log and node', async () => {
  const good = waiting.approval(bob.id);
  await refuses('APPROVAL_NOT_SIGNER', 'grid.approval.1', eve.device, good);
  await refuses('APPROVAL_NOT_SIGNER', 'grid.approval.1', keyOf('nobody'), good);
  await refuses('APPROVAL_ROLE', 'grid.approval.1', bob.device, { ...good, role: 'owner' });
  await refuses('APPROVAL_EXPIRED', 'grid.approval.1', bob.device, { ...good, expMs: 1 });
  // What bob signed for another contract is nothing for this one.
  const { hash } = running.approval(bob.id);
  await refuses('APPROVAL_HASH', 'grid.approval.1', bob.device, { ...good, hash });
});

test('two approvals of one bot are one, for log and node', async () => {
  const { town } = timed;
  await town.put('grid.approval.1', ada.device, waiting.approval(ada.id, { role: 'owner' }));
  for (const days of [1, 2]) {
    const expMs = timed.bcdb.at + days * 86_400_000;
    await town.put('grid.approval.1', bob.device, waiting.approval(bob.id, { expMs }));
  }
  const placement = place(waiting, [first.id]);
  await refuses('CONTRACT_QUORUM_MISSING', 'grid.placement.1', ada.device, placement);
});

test('a forged placement is refused by log and node', async () => {
  const placement = place(running, [first.id]);
  await refuses('CONTRACT_NOT_HOLDER', 'grid.placement.1', eve.device, placement);
  await refuses('CONTRACT_NOT_HOLDER', 'grid.placement.1', ada.root, placement);
  const slice = running.slice(0, first.id, 1);
  await refuses('CONTRACT_NOT_HOLDER', 'grid.slice.1', eve.device, slice);
  const altered = { ...slice, secrets: [{ name: 'other', box: 'AAAA' }] };
  await refuses('SLICE_SECRET_UNKNOWN', 'grid.slice.1', ada.device, altered);
});

test('a placement that nobody pays for is refused by log and node', async () => {
  const [item] = place(running, [rented.id]).items;
  assert.ok(item !== undefined);
  const unpaid = place(running, [rented.id]);
  await refuses('LOCK_MISSING', 'grid.placement.1', ada.device, unpaid, rented);
  const { arbiter: _arbiter, ...example } = examples['grid.lock.1'];
  const lock = fakeId.lock(1);
  await timed.town.put('grid.lock.1', bob.device, {
    ...{ ...example, id: lock, slot: { role: 'shard', replica: 0 }, contract: running.id },
    ...{ node: rented.id, farmer: bob.id, buyer: ada.id, expiresMs: timed.bcdb.at + 600_000 },
  });
  const locked = place(running, [], { items: [{ ...item, lock }] });
  await refuses('ESCROW_MISSING', 'grid.placement.1', ada.device, locked, rented);
});

test('what costs more a month than was signed is refused by the log, which alone knows all locks', async () => {
  const { town, bcdb } = timed;
  const expMs = bcdb.at + 600_000;
  const currency = 'EUR';
  await town.put('grid.currency.1', eve.device, {
    ...{ code: currency, name: 'Euro', decimals: 2, issuer: eve.id },
  });
  const gift = { from: eve.id, to: ada.id, currency, amount: fakeId.amount(1_000), expMs };
  await town.put('grid.transfer.1', eve.device, { id: fakeId.transfer(1), ...gift });
  const { arbiter: _arbiter, ...example } = examples['grid.lock.1'];
  const lock = fakeId.lock(2);
  await town.put('grid.lock.1', bob.device, {
    ...{ ...example, id: lock, slot: { role: 'shard', replica: 0 }, contract: running.id },
    ...{ node: rented.id, farmer: bob.id, buyer: ada.id, minFund: fakeId.amount(1) },
    price: { amount: fakeId.amount(2), currency, perSeconds: 3_600 },
    expiresMs: expMs,
  });
  const escrow = { lock, contract: running.id, from: ada.id, currency, expMs };
  const above = { ...escrow, amount: fakeId.amount(1_001) };
  assert.equal(await broken(town.put('grid.escrow.1', ada.device, above)), 'ESCROW_BUDGET');
  await town.put('grid.escrow.1', ada.device, { ...escrow, amount: fakeId.amount(100) });
  const [item] = place(running, [rented.id]).items;
  assert.ok(item !== undefined);
  const dear = place(running, [], { items: [{ ...item, lock }] });
  assert.equal(await broken(town.put('grid.placement.1', ada.device, dear)), 'PLACEMENT_BUDGET');
});

test('a placement outside the mandate, a late one and a replayed one are refused by log and node', async () => {
  const { town } = timed;
  const [one, two] = [first.id, second.id];
  await refuses('PLACEMENT_SPREAD', 'grid.placement.1', ada.device, place(running, [one, one]));
  const at = timed.bcdb.at;
  const over = place(running, [one], { expMs: at });
  await refuses('PLACEMENT_EXPIRED', 'grid.placement.1', ada.device, over);
  const late = place(running, [one], { notAfterMs: at });
  await refuses('PLACEMENT_LATE', 'grid.placement.1', ada.device, late);
  await town.put('grid.placement.1', ada.device, place(running, [one]));
  await refuses('PLACEMENT_REPLAYED', 'grid.placement.1', ada.device, place(running, [one]));
  const away = running.placement(2, [outside.id]);
  await refuses('PLACEMENT_OUTSIDE_MANDATE', 'grid.placement.1', ada.device, away, outside);
  await town.put('grid.slice.1', ada.device, running.slice(0, two, 2));
  await town.put('grid.placement.1', ada.device, running.placement(2, [two]));
  const back = running.placement(3, [one]);
  await refuses('PLACEMENT_TOO_MANY_MOVES', 'grid.placement.1', ada.device, back);
});

test('what an old controller orders is refused by log and node', async () => {
  const { town, clock } = timed;
  await clock.advance(20_000);
  await town.put('grid.lease.1', ada.device, running.lease(2));
  const former = running.placement(3, [[second.id, 2]], { fence: 1 });
  await refuses('PLACEMENT_FENCE_OLD', 'grid.placement.1', ada.device, former);
  const next = keyOf('ada, next');
  const bot = town.botOf(ada, [next]);
  const keys = bot.keys.map((one): RecordOf<'grid.bot.1'>['keys'][number] => {
    return one.key === text(next) ? one : { ...one, ended: 'compromised' };
  });
  await town.put('grid.bot.1', ada.root, { ...bot, keys });
  const stolen = running.placement(3, [[second.id, 2]], { fence: 2 });
  await assert.rejects(town.put('grid.placement.1', ada.device, stolen), {
    code: 'BCDB_KEY_ENDED',
  });
  await timed.tick();
  assert.equal(await atNode(first.id, 'grid.placement.1', ada.device, stolen), 'KEY_ENDED');
  await refuses('CONTRACT_NOT_HOLDER', 'grid.placement.1', next, stolen);
  await town.put('grid.lease.1', next, running.lease(3, { holder: text(next) }));
  const healed = running.placement(3, [[second.id, 2]], { fence: 3 });
  await town.put('grid.placement.1', next, healed);
  await timed.tick();
  const seen = await atNode(second.id, 'grid.placement.1', next, healed);
  assert.equal(seen, 'PLACEMENT_REPLAYED', 'the node took it');
});

test('a contract of another grid is refused by log and node', async () => {
  const header = { ...running.header, log: fakeId.hash(9) };
  assert.notEqual(contractIdOf(header), running.id);
  await refuses('CONTRACT_OTHER_LOG', 'grid.contract.1', bob.device, header);
});
