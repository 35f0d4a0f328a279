import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ContractId, EventPhase } from '@commongrid/model';
import { ControllerWorld, runs } from './support/controller-world.ts';

const container = { flist: 'a'.repeat(64), rootBytes: '1GiB' };
const web = { name: 'web', replicas: 3, cpu: 1, memory: '1GiB', container };
/** What does not become healthy is waited for for minutes. */
const slowly = { forMs: 400_000, everyMs: 2_000 };
const next = { ...web, memory: '2GiB' };

async function upgraded(
  world: ControllerWorld,
  change: object,
): Promise<readonly [former: ContractId, later: ContractId]> {
  const former = await world.contract({ roles: [web] });
  world.start();
  await world.until('the former one runs', () => runs(world, former));
  const definition = { replaces: former, roles: [next], ...change };
  const later = await world.contract(definition, { isSigned: false });
  await world.pass(2_000);
  assert.equal(world.placement(later), undefined);
  world.approve(later, 'provision');
  world.approve(later, 'upgrade');
  return [former, later];
}

function countOf(world: ControllerWorld, id: ContractId): number {
  return world.placement(id)?.items.length ?? 0;
}

test('an upgrade goes unit by unit, each healthy before the next, and the former one ends', async () => {
  await using world = new ControllerWorld();
  const [former, later] = await upgraded(world, {});
  await world.until('the first one is there', () => countOf(world, later) === 1);
  let healthy = 0;
  await world.until('it is done', () => {
    const [all, left] = [countOf(world, later), countOf(world, former)];
    assert.ok(all + left >= 3, 'never fewer than before');
    assert.ok(all + left <= 4, 'one more at a time');
    healthy = Math.max(healthy, all);
    return left === 0 && runs(world, later);
  });
  assert.equal(healthy, 3);
  assert.equal(world.placement(later)?.revision, 3);
  await world.pass(5_000);
  assert.equal(countOf(world, former), 0, 'the former one stays away');
  world.approve(later, 'remove');
  await world.until('the later one is ended', () => countOf(world, later) === 0);
  await world.pass(5_000);
  assert.equal(countOf(world, former), 0, 'also once the later one is removed');
});

test('an upgrade that does not become healthy is taken back where it may be', async () => {
  await using world = new ControllerWorld();
  const [former, child] = await upgraded(world, { mayRollBack: true });
  world.unhealthy = (workload) => workload === `${child}/web/1`;
  await world.until(
    'it is taken back',
    () => world.codes(child).includes('HEAL_ROLLED_BACK'),
    slowly,
  );
  assert.equal(countOf(world, child), 0);
  await world.until('the former one is whole again', () => {
    return countOf(world, former) === 3 && world.codes(former).length === 0;
  });
  await world.pass(5_000);
  assert.equal(countOf(world, child), 0);
  // Its place is free for another one.
  world.unhealthy = () => false;
  const again = await world.contract({ replaces: former, roles: [next] }, { isSigned: false });
  world.approve(again, 'provision');
  world.approve(again, 'upgrade');
  await world.until('the next one took over', () => countOf(world, former) === 0, slowly);
  assert.deepEqual([countOf(world, child), countOf(world, again)], [0, 3]);
});

test('an upgrade whose probe says no is taken back at once, and one that starts has its time', async () => {
  await using world = new ControllerWorld();
  const [former, child] = await upgraded(world, { mayRollBack: true });
  const tried = (): boolean => world.codes(child).includes('HEAL_ROLLED_BACK');
  world.says = (workload) => ({
    phase: workload.startsWith(child) ? 'starting' : 'healthy',
  });
  await world.until('the first one is there', () => countOf(world, child) === 1);
  await world.pass(60_000);
  assert.equal(tried(), false, 'what starts has its time');
  world.says = (workload) => ({
    phase: workload.startsWith(child) ? 'unhealthy' : 'healthy',
  });
  await world.until('it is taken back', tried, { forMs: 10_000 });
  assert.deepEqual([countOf(world, child), countOf(world, former)], [0, 3]);
});

test('what was healthy and is not for a moment holds an upgrade up, and takes it back only if that lasts', async () => {
  for (const lasts of [false, true]) {
    await using world = new ControllerWorld();
    const [former, child] = await upgraded(world, { mayRollBack: true });
    const tried = (): boolean => world.codes(child).includes('HEAL_ROLLED_BACK');
    let later: EventPhase = 'starting';
    let first: { readonly is: EventPhase; readonly id?: string } = { is: 'healthy' };
    world.says = (workload) => {
      if (!workload.startsWith(child)) return { phase: 'healthy' };
      return { phase: workload === first.id ? first.is : later };
    };
    await world.until('the first one is there', () => countOf(world, child) === 1);
    const id = `${child}/web/${world.placement(child)?.items[0]?.replica}`;
    first = { id, is: 'healthy' };
    await world.until('the second one is there', () => countOf(world, child) === 2);
    const placedMs = world.at;
    await world.until('the second one starts', () => world.at - placedMs > 150_000, slowly);
    first = { id, is: 'unhealthy' };
    const sinceMs = world.at;
    await world.pass(2_000);
    later = 'healthy';
    await world.until('minutes pass', () => world.at - sinceMs > 240_000, slowly);
    assert.deepEqual([tried(), countOf(world, child), countOf(world, former)], [false, 2, 1]);
    if (!lasts) first = { id, is: 'healthy' };
    const isOver = (): boolean => tried() || countOf(world, former) === 0;
    await world.until('it is over', isOver, slowly);
    assert.deepEqual([tried(), countOf(world, child)], lasts ? [true, 0] : [false, 3]);
  }
});

test('of two upgrades of one contract the log takes the first, and the second waits for its end', async () => {
  await using world = new ControllerWorld();
  const [former, later] = await upgraded(world, {});
  const rival = await world.contract({ replaces: former, roles: [web] }, { isSigned: false });
  world.approve(rival, 'provision');
  assert.throws(() => world.approve(rival, 'upgrade'), /APPROVAL_SUCCESSOR/);
  await world.until('the first one took over', () => {
    return countOf(world, former) === 0 && runs(world, later);
  });
  assert.equal(world.placement(rival), undefined);
});

test('an upgrade without a way back stands still where it does not become healthy', async () => {
  await using world = new ControllerWorld();
  const [former, child] = await upgraded(world, {});
  world.unhealthy = (workload) => workload === `${child}/web/1`;
  await world.until('it is told', () => world.codes(child).includes('HEAL_UPGRADE'), slowly);
  assert.deepEqual([countOf(world, child), countOf(world, former)], [2, 2]);
});
