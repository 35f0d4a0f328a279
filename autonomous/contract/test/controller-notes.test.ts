import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ContractId } from '@commongrid/model';
import { ControllerWorld, runs } from './support/controller-world.ts';

const container = { flist: 'a'.repeat(64), rootBytes: '1GiB' };
const web = { name: 'web', cpu: 1, memory: '1GiB', container };
const apart = { spread: { distinctNodes: true } };

/** Six replicas, each on a node of its own, for over a minute. */
async function settled(world: ControllerWorld): Promise<ContractId> {
  const id = await world.contract({
    heal: { maxPerHour: 100 },
    roles: [{ ...web, replicas: 6, ...apart }],
  });
  world.start();
  await world.until('it runs', () => runs(world, id));
  await world.pass(61_000);
  return id;
}

function loseFour(world: ControllerWorld, id: ContractId): void {
  for (const node of world.placesOf(id, 'web').slice(0, 4)) world.lose(node);
}

test('a controller that is killed in a storm is followed by one that knows of it', async () => {
  await using world = new ControllerWorld({ own: 12 });
  const id = await settled(world);
  loseFour(world, id);
  const [first] = world.processes;
  await world.until('it is a storm', () => first?.controller.isStorm === true);
  assert.ok(first !== undefined);
  await world.kill(first);
  await world.pass(90_000);
  const { controller } = world.start();
  await world.until('it is told', () => world.codes(id).includes('HEAL_STORM'));
  await world.pass(30_000);
  assert.equal(world.placement(id)?.revision, 1);
  controller.releaseBrake();
  await world.until('it is healed', () => runs(world, id));
});

test('a controller takes what vanished while none ran for a storm', async () => {
  await using world = new ControllerWorld({ own: 12 });
  const id = await settled(world);
  const [first] = world.processes;
  assert.ok(first !== undefined);
  await world.kill(first);
  loseFour(world, id);
  await world.pass(60_000);
  const { controller } = world.start();
  await world.until('it is told', () => world.codes(id).includes('HEAL_STORM'));
  await world.pass(30_000);
  assert.equal(world.placement(id)?.revision, 1);
  for (const node of [...world.away.keys()].slice(0, 2)) world.find(node);
  await world.until('it is over', () => !controller.isStorm);
  await world.until('it is healed', () => runs(world, id));
});

test('what another process kept that cannot be read holds up nothing', async () => {
  await using world = new ControllerWorld({ own: 12 });
  const id = await settled(world);
  const [first] = world.processes;
  assert.ok(first !== undefined);
  await world.kill(first);
  loseFour(world, id);
  await world.pass(60_000);
  world.memory = { schema: 'grid.controller.notes.1', at: 1, brake: { signs: [{}] }, failures: {} };
  world.start();
  await world.until('it is healed', () => runs(world, id));
});

test('a controller that is started anew remembers where replicas did not do', async () => {
  await using world = new ControllerWorld({ own: 6 });
  const noProgram = { phase: 'failed', code: 'NODE_COMMAND_MISSING', isRetryable: false } as const;
  world.says = () => noProgram;
  const id = await world.contract({ roles: [web] });
  const first = world.start();
  await world.until('it was moved', () => world.placement(id)?.revision === 2);
  await world.kill(first);
  world.start();
  const slowly = { forMs: 400_000, everyMs: 1_000 };
  await world.until('it stands', () => world.codes(id).includes('HEAL_FAILS_EVERYWHERE'), slowly);
  assert.equal(world.placement(id)?.revision, 3, 'three nodes in all');
});
