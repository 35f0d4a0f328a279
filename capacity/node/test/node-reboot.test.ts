import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { test } from 'node:test';

import { isGridError, waitFor } from '@commongrid/base';
import type { ContractRole, WorkloadId } from '@commongrid/model';

import { isUp } from '../src/testing/index.ts';
import { assignmentOf } from '../src/reconcile/wish.ts';
import { fieldsIn, textOf } from '../src/zdb/zdb-fields.ts';
import { DeadlyNode } from './support/deadly-node.ts';
import { loseMachine } from './support/lose-machine.ts';
import { remainsOf } from './support/node-remains.ts';
import { drawBootId, NodeTown, openPlanned } from './support/node-town.ts';
import type { NodePlan } from './support/node-town.ts';
import { SlowHub } from './support/slow-hub.ts';
import { enter } from './support/zdb-place.ts';
import { freePort } from './support/taken-ports.ts';

type Agent = Awaited<ReturnType<typeof openPlanned>>;

const deadline = { timeoutMs: 60_000, everyMs: 50 };
const mib = 2 ** 20;
/** Its volumes can have 226 MiB of the disk. */
const room = { cpuMilli: 1_000, memoryBytes: 100 * mib, ssdBytes: 260 * mib, hddBytes: 0 };

test('a full node whose machine lost power has all back, also with database and hub away', async () => {
  await using town = await NodeTown.open(room);
  await using hub = await SlowHub.open(town.plan.hub);
  const plan = { ...town.plan, hub: hub.url };
  const port = await freePort();
  const workloads = await deployAll(town, port);
  const ids = [...workloads.values()];
  let before: object;
  {
    await using agent = await openPlanned(plan);
    await allRun(agent, ids, port, 1);
    await writeToStore(agent, idOf(workloads, 'store'));
    before = await whatIsThere(agent, idOf(workloads, 'store'));
    await refuses(agent, town);
  }
  await losePower(plan);
  assert.deepEqual((await remainsOf(plan)).filter(isInKernel), []);

  const again = { ...plan, bootId: drawBootId() };
  await town.boot(again.bootId, 2);
  const [rival] = (await town.deploy(town.draft([small(town, sized(60, 4, 0))]))).values();
  {
    await using agent = await openPlanned(again);
    await allRun(agent, ids, port, 2);
    assert.deepEqual(await whatIsThere(agent, idOf(workloads, 'store')), before);
    const refusal = agent.state.events(0, 10, rival)[0];
    assert.equal(refusal?.code, 'NODE_ROOM_MISSING', 'what came meanwhile takes no room');
    await refuses(agent, town);
  }
  await losePower(again);

  await rename(plan.records, `${plan.records}-away`);
  await hub.close();
  const alone = { ...plan, bootId: drawBootId() };
  {
    await using agent = await openPlanned(alone);
    await allRun(agent, ids, port, 3);
    assert.deepEqual(await whatIsThere(agent, idOf(workloads, 'store')), before);
    assert.equal(agent.viewAgeSeconds, Number.POSITIVE_INFINITY);
  }
  await rename(`${plan.records}-away`, plan.records);
});

/** What leaves the node with little of anything: a page that counts starts, and all other kinds. */
function deployAll(town: NodeTown, port: number): Promise<ReadonlyMap<string, WorkloadId>> {
  const web = town.role('web', 'date >> /data/starts; exec httpd -f -p 80 -h /data', {
    resources: sized(500, 64, 64),
    container: {
      ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: port }],
      volumes: [{ role: 'disk', path: '/data', isReadOnly: false }],
      rootBytes: 64 * mib,
    },
  });
  const calm = town.role('calm', 'exec sleep 1000', { resources: sized(450, 32, 32) });
  const roles = [town.volume('disk', 96 * mib), web, calm, town.zdb('store', 32 * mib)];
  return town.deploy(town.draft(roles, { store: 'sesame' }));
}

function sized(cpuMilli: number, memoryMib: number, ssdMib: number): ContractRole['resources'] {
  const bytes = { memoryBytes: memoryMib * mib, ssdBytes: ssdMib * mib, hddBytes: 0 };
  return { cpuMilli, ...bytes, ipv4: 0 };
}

/** What does not fit any more is refused with the figures, and nothing that runs is the worse for it. */
async function refuses(agent: Agent, town: NodeTown): Promise<void> {
  const wanted: readonly (readonly [ContractRole, RegExp])[] = [
    [small(town, sized(60, 4, 0)), /^cpuMilli: 60 wanted, 50 of 1000 free$/],
    [small(town, sized(10, 8, 0)), /^memoryBytes: 8388608 wanted, 4194304 of 104857600 free$/],
    [town.volume('more', 16 * mib), /^ssdBytes: 16777216 wanted, \d{7} of 237\d{6} free$/],
  ];
  for (const [role, figures] of wanted) {
    const [id] = (await town.deploy(town.draft([role]))).values();
    const refusal = () => agent.state.events(0, 10, id)[0];
    const event = await waitFor(refusal, { ...deadline, what: 'a refusal' });
    assert.deepEqual([event.phase, event.code], ['refused', 'NODE_ROOM_MISSING']);
    assert.match(event.message ?? '', figures);
  }
}

function small(town: NodeTown, resources: ContractRole['resources']): ContractRole {
  return town.role('small', 'exec sleep 1000', {
    resources,
    container: { isReadOnly: true, rootBytes: 0 },
  });
}

async function allRun(
  agent: Agent,
  ids: readonly WorkloadId[],
  port: number,
  starts: number,
): Promise<void> {
  const isThere = async (id: WorkloadId): Promise<boolean> => {
    const { known, phase } = agent.state.workload(id) ?? {};
    const driver = known && agent.machine.drivers.get(known.role.workload.kind);
    const seen = await driver?.observe(known?.key ?? '', new AbortController().signal);
    return isUp(phase) && seen?.state === 'running';
  };
  const areThere = async (): Promise<boolean> => {
    const asked = fetch(`http://127.0.0.1:${port}/starts`).then((page) => page.text());
    const lines = (await asked.catch(() => undefined))?.trim().split('\n').length;
    return lines === starts && (await Promise.all(ids.map(isThere))).every(Boolean);
  };
  try {
    await waitFor(areThere, { ...deadline, what: `start ${starts}` });
  } catch (error) {
    if (isGridError(error, 'BASE_TIMEOUT')) console.log(agent.state.newestEvents(20));
    throw error;
  }
}

async function writeToStore(agent: Agent, store: WorkloadId): Promise<void> {
  await using client = await enter(factsOf(agent, store), 'sesame');
  await client.command(['SET', 'greeting', 'hello']);
}

/** Addresses, volumes with their sizes, the namespace with its address, limit and data. */
async function whatIsThere(agent: Agent, store: WorkloadId): Promise<object> {
  const { network, volumes } = agent.machine;
  const facts = factsOf(agent, store);
  await using client = await enter(facts, 'sesame');
  await assert.rejects(enter(facts, 'guess'), /denied/);
  const info = fieldsIn(await client.command(['NSINFO', facts.namespace]));
  const sizes = (await volumes.list()).map(async (id) => (await volumes.usage(id)).sizeBytes);
  return {
    addresses: await network.list(),
    sizes: await Promise.all(sizes),
    facts,
    greeting: textOf(await client.command(['GET', 'greeting'])),
    limit: info.get('data_limits_bytes'),
    access: info.get('public'),
  };
}

function factsOf(agent: Agent, store: WorkloadId) {
  const known = agent.state.workload(store)?.known;
  const { zdb } = agent.machine;
  assert.ok(known !== undefined && zdb !== undefined);
  return zdb.facts(assignmentOf(known));
}

/** An agent is at work when the power goes. */
async function losePower(plan: NodePlan): Promise<void> {
  await using node = new DeadlyNode(plan);
  await node.start();
  await node.kill();
  await loseMachine(plan);
}

function isInKernel(line: string): boolean {
  return !line.startsWith('file ');
}

function idOf(workloads: ReadonlyMap<string, WorkloadId>, role: string): WorkloadId {
  const id = workloads.get(role);
  assert.ok(id !== undefined);
  return id;
}
