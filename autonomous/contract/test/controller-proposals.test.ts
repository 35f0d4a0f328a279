import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GridError } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import type { Blocked } from '../src/index.ts';
import { ControllerWorld, runs } from './support/controller-world.ts';

const container = { flist: 'a'.repeat(64), rootBytes: '1GiB' };
const web = { name: 'web', cpu: 1, memory: '1GiB', container };
const apart = { spread: { distinctNodes: true } };
const rich = { currency: 'EUR', perMonth: 100_000, total: 1_000_000 };
const belgium = { mayMoveTo: { countries: ['BE'] } };
/** Longer than what waits has to wait, or not to wait any more, before anything is drafted or taken back, ms. */
const patienceMs = 10_000;

/** A contract that runs, and then loses a node, and may not go to the only farm with room. */
async function short(
  world: ControllerWorld,
  definition: object = {},
  lost = 0,
): Promise<ContractId> {
  const id = await world.contract({ budget: rich, heal: belgium, roles: [web], ...definition });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const node = world.placesOf(id, 'web')[lost];
  assert.ok(node !== undefined);
  world.lose(node);
  return id;
}

function blockedOf(world: ControllerWorld, id: ContractId): readonly Blocked[] {
  const known = world.processes.at(-1)?.controller.status();
  return known?.find((one) => one.id === id)?.blocked ?? [];
}

function proposalOf(world: ControllerWorld, id: ContractId): ContractId | undefined {
  return blockedOf(world, id).find((one) => one.proposal !== undefined)?.proposal;
}

async function proposed(world: ControllerWorld, id: ContractId): Promise<ContractId> {
  await world.until('it is proposed', () => proposalOf(world, id) !== undefined);
  const proposal = proposalOf(world, id);
  assert.ok(proposal !== undefined);
  return proposal;
}

/** Contracts in the log beside those that people proposed. */
function drafts(world: ControllerWorld): readonly string[] {
  return world.accepted('grid.contract.1').flatMap(({ replaces }) => replaces ?? []);
}

function agree(world: ControllerWorld, id: ContractId): void {
  world.approve(id, 'upgrade');
  world.approve(id, 'provision');
}

function phaseOf(world: ControllerWorld, id: ContractId): string | undefined {
  const known = world.processes.at(-1)?.controller.status();
  return known?.find((one) => one.id === id)?.status?.phase;
}

test('what the mandate leaves out is proposed once, and placed once it is agreed to', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const id = await short(world);
  const proposal = await proposed(world, id);
  const [why] = blockedOf(world, id);
  assert.equal(why?.code, 'HEAL_OUTSIDE_MANDATE');
  assert.match(why.message, /node-2001 of attic; proposed is shop #2: .*countries.*"EG"/);
  assert.match(why.hint, new RegExp(`grid contract sign ${proposal}`));
  const [former, header] = world.accepted('grid.contract.1');
  assert.ok(former !== undefined && header !== undefined);
  // Nothing else is different, so that signers see what they agree to.
  const mayMoveTo = { countries: ['BE', 'EG'] };
  assert.deepEqual(header, {
    ...former,
    ...{ name: 'shop #2', replaces: id, mayRollBack: true },
    heal: { ...former.heal, mayMoveTo },
  });
  await world.pass(60_000);
  assert.equal(drafts(world).length, 1);
  assert.equal(world.accepted('grid.lock.1').length, 0, 'nothing is rented before it is agreed');
  world.approve(proposal, 'provision');
  await world.pass(5_000);
  assert.equal(world.placement(proposal), undefined, 'those of the former one have to agree too');
  world.approve(proposal, 'upgrade');
  await world.until('it runs elsewhere', () => runs(world, proposal));
  await world.until('the former one ended', () => world.placement(id)?.items.length === 0);
  await world.pass(patienceMs);
  assert.equal(drafts(world).length, 1);
});

test('what runs well goes on until what is missing is there', async () => {
  await using world = new ControllerWorld({ own: 2, rented: 1 });
  const id = await short(world, { roles: [{ ...web, replicas: 2, ...apart }] }, 1);
  const [healthy] = world.placesOf(id, 'web');
  const proposal = await proposed(world, id);
  agree(world, proposal);
  await world.until('the first one is there', () => world.placement(proposal)?.items.length === 1);
  // Of the two it is the one that was lost.
  assert.equal(world.placement(proposal)?.items[0]?.replica, 1);
  assert.equal(world.placesOf(id, 'web')[0], healthy);
  await world.until('all of it runs', () => {
    return world.placement(proposal)?.items.length === 2 && runs(world, proposal);
  });
});

test('more money is proposed where that is all that misses', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const budget = { currency: 'EUR', perMonth: 10, total: 100 };
  const id = await short(world, { budget, heal: {} });
  const proposal = await proposed(world, id);
  assert.equal(blockedOf(world, id)[0]?.code, 'HEAL_BUDGET');
  const header = world.accepted('grid.contract.1').at(-1);
  assert.ok(header !== undefined);
  assert.deepEqual(header.heal.mayMoveTo, {});
  const { perMonth, total } = header.budget;
  assert.ok(BigInt(perMonth) > 10n);
  const termDays = 365n;
  assert.equal(BigInt(total), (BigInt(perMonth) * termDays + 29n) / 30n);
  agree(world, proposal);
  await world.until('it is rented', () => runs(world, proposal));
});

test('a proposal is taken back once nothing waits, and the same need reopens it', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const id = await short(world);
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  const proposal = await proposed(world, id);
  world.approve(proposal, 'provision');
  world.find(node);
  await world.until('it is taken back', () => world.accepted('grid.approval.1').length === 3);
  const word = world.accepted('grid.approval.1').at(-1);
  assert.deepEqual([word?.contract, word?.verdict], [proposal, 'reject']);
  await world.pass(patienceMs);
  assert.ok(runs(world, id));
  assert.equal(world.placement(proposal), undefined);
  assert.equal(world.accepted('grid.approval.1').length, 3, 'it is said once');
  // The pace is that of one controller: the next one knows nothing of it, and finds the same draft.
  await world.leap(60_000);
  world.lose(node);
  assert.equal(await proposed(world, id), proposal);
  assert.equal(drafts(world).length, 1);
  world.approve(proposal, 'upgrade');
  await world.until('it runs', () => runs(world, proposal));
});

test('what the owner said no to is not proposed again', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const id = await short(world);
  const proposal = await proposed(world, id);
  world.approve(proposal, 'upgrade', { verdict: 'reject' });
  await world.until('it is told', () =>
    /was rejected/.test(blockedOf(world, id)[0]?.message ?? ''),
  );
  await world.leap(600_000);
  await world.pass(2 * patienceMs);
  assert.equal(proposalOf(world, id), undefined);
  assert.equal(drafts(world).length, 1);
  assert.equal(world.accepted('grid.approval.1').length, 2);
});

test('killed at each append, and with two controllers, there is one proposal', async () => {
  for (const isAfter of [false, true]) {
    await using world = new ControllerWorld({ own: 1, rented: 1 });
    const id = await short(world);
    const [first] = world.processes;
    assert.ok(first !== undefined);
    await world.kill(first);
    const reaped = world.start({ reaper: { left: 1, isAfter } });
    await world.until('it is killed', () => reaped.isDead);
    await world.kill(reaped);
    const second = world.start();
    const third = world.start();
    await world.until('it is proposed', () => drafts(world).length === 1);
    await world.pass(2 * patienceMs);
    assert.deepEqual(drafts(world), [id]);
    const holders = [second, third].filter(
      (one) => !world.codes(id, one).includes('HEAL_LEASE_TAKEN'),
    );
    assert.equal(holders.length, 1);
  }
});

test('another need is another proposal, which takes the place of the one before', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const budget = { currency: 'EUR', perMonth: 10, total: 100 };
  const id = await short(world, { budget });
  const first = await proposed(world, id);
  const farm = world.accepted('grid.farm.1').at(-1);
  assert.ok(farm !== undefined);
  // Much dearer: what was proposed would not do any more.
  const prices = { ...farm.prices, cu: fakeId.amount(90_000) };
  world.put('grid.farm.1', world.bob.device, { ...farm, prices });
  await world.leap(600_000);
  await world.until('another one is proposed', () => drafts(world).length === 2);
  const second = await proposed(world, id);
  assert.notEqual(second, first);
  assert.equal(phaseOf(world, first), 'proposed');
  const words = world.accepted('grid.approval.1').filter(({ verdict }) => verdict === 'reject');
  assert.deepEqual(
    words.map(({ contract }) => contract),
    [first],
  );
});

test('sixteen proposals are made for one contract, and then it says that these are the most', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const id = await short(world, { budget: { currency: 'EUR', perMonth: 10, total: 100 } });
  await proposed(world, id);
  const grow = async (n: number): Promise<void> => {
    const farm = world.accepted('grid.farm.1').at(-1);
    assert.ok(farm !== undefined);
    const prices = { ...farm.prices, cu: fakeId.amount(90_000 * 2 ** n) };
    world.put('grid.farm.1', world.bob.device, { ...farm, prices });
    await world.leap(600_000);
  };
  for (let count = 2; count <= 16; count++) {
    await grow(count);
    await world.until(`there are ${count}`, () => drafts(world).length === count);
  }
  await grow(17);
  await world.until('it is told', () =>
    blockedOf(world, id).some(({ message }) => /16 contracts were proposed/.test(message)),
  );
  assert.equal(drafts(world).length, 16);
});

test('a proposal is taken back with the contract that it was made for', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const id = await short(world);
  const proposal = await proposed(world, id);
  world.approve(id, 'remove');
  await world.until('it is over', () => world.placement(id)?.items.length === 0);
  const word = world.accepted('grid.approval.1').at(-1);
  assert.deepEqual([word?.contract, word?.verdict], [proposal, 'reject']);
});

test('a proposal that was lost on its way is made again before long', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  let lost = 0;
  world.beforeWrite = (url) => {
    if (url !== 'grid.contract.1' || lost > 0) return;
    lost++;
    throw new GridError('BCDB_UNREACHABLE', 'gone', { retryable: true });
  };
  const id = await short(world);
  await proposed(world, id);
  assert.deepEqual([lost, drafts(world)], [1, [id]]);
});

test('a proposal that cannot be taken back does not hold up the removal', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const id = await short(world);
  await proposed(world, id);
  let refused = 0;
  world.beforeWrite = (url) => {
    if (url !== 'grid.approval.1') return;
    refused++;
    throw new GridError('BCDB_RULE_BROKEN', 'no', { details: { rule: 'APPROVAL_SIGNER' } });
  };
  world.approve(id, 'remove');
  await world.until('its data may go', () => world.accepted('grid.tombstone.1').length > 0);
  assert.ok(refused > 0);
  assert.deepEqual(world.placement(id)?.items, []);
});

test('what was agreed to is placed also where its papers were lost', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const id = await short(world);
  const proposal = await proposed(world, id);
  world.papers.delete(proposal);
  agree(world, proposal);
  await world.until('it runs', () => runs(world, proposal));
});

test('a contract with data is left alone, and says so', async () => {
  await using world = new ControllerWorld({ own: 2, rented: 1 });
  const disk = { name: 'disk', volume: { size: '1GiB' } };
  const id = await short(world, { roles: [{ ...web, replicas: 2, ...apart }, disk] });
  await world.until('it is told', () => {
    return blockedOf(world, id).some(({ message }) => /take no data along/.test(message));
  });
  await world.pass(2 * patienceMs);
  assert.deepEqual(drafts(world), []);
});

test('nothing is proposed where no node would do', async () => {
  await using world = new ControllerWorld({ own: 1 });
  const id = await short(world);
  await world.pass(3 * patienceMs);
  assert.deepEqual(drafts(world), []);
  assert.deepEqual(world.codes(id), ['HEAL_NOTHING_FITS']);
});

test('secrets and the choice of nodes come along', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const secrets = { admin: 'x' };
  const secretEnv = [{ name: 'ADMIN', secret: 'admin' }];
  const roles = [{ ...web, container: { ...container, secretEnv } }];
  const id = await world.contract({ budget: rich, heal: belgium, secrets, roles });
  const paper = world.papers.get(id);
  const [own, other] = world.nodes;
  assert.ok(paper !== undefined && own !== undefined && other !== undefined);
  world.papers.set(id, { ...paper, only: new Set([own]) });
  world.start();
  await world.until('it runs', () => runs(world, id));
  world.lose(own);
  const proposal = await proposed(world, id);
  const kept = world.papers.get(proposal);
  assert.deepEqual(kept?.secrets, paper.secrets);
  assert.deepEqual(kept.only, new Set([own, other]));
  agree(world, proposal);
  await world.until('it runs elsewhere', () => runs(world, proposal));
});
