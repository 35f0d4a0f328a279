import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { createRegistry, delay, waitFor } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { FarmId, RecordOf, WorkloadId } from '@commongrid/model';

import { FolderSource, NodeAgent, publishNodeMetrics } from '../src/index.ts';
import type { NodeAgentOptions, NodeStatement } from '../src/index.ts';
import { NodeTown } from './support/node-town.ts';
import type { NodePlan } from './support/node-town.ts';
import { isUp, PaperDriver, PaperMachine } from '../src/testing/index.ts';

const deadline = { timeoutMs: 60_000, what: 'the workloads' };

/** A folder of records whose word can grow old, and what the node says to it. */
class AgingSource extends FolderSource {
  ageSeconds = 0;
  readonly said: NodeStatement[] = [];

  override say(statement: NodeStatement): Promise<void> {
    this.said.push(statement);
    return super.say(statement);
  }

  override viewAgeSeconds(): number {
    return this.ageSeconds;
  }
}

interface Fixture extends AsyncDisposable {
  readonly town: NodeTown;
  readonly source: AgingSource;
  readonly machine: PaperMachine;
  readonly agent: NodeAgent;
  phase(id: WorkloadId | undefined): string | undefined;
}

type Placed = Pick<Fixture, 'town' | 'source' | 'machine'>;

function openAgent(
  { town: { plan }, source, machine }: Placed,
  more: Partial<NodeAgentOptions> = {},
): Promise<NodeAgent> {
  const room = { cpuMilli: 4_000, memoryBytes: 2 ** 32, ssdBytes: 2 ** 32, hddBytes: 0 };
  return NodeAgent.open({
    ...{ folder: `${plan.folder}-paper`, key: keyOf(plan), source, releaseKeys: [] },
    facts: {
      ...{ farm: plan.farm as FarmId, name: 'node-one', capacity: room },
      ...{ features: [], addresses: [] },
    },
    capacity: { ...room, pids: 1_000 },
    openMachine: async () => ({
      drivers: new Map([['container', new PaperDriver(machine)]]),
      [Symbol.asyncDispose]: async () => {},
    }),
    bootId: plan.bootId,
    ...more,
  });
}

function keyOf({ seed }: NodePlan): SigningKey {
  return SigningKey.fromSeed(Buffer.from(seed, 'base64url'));
}

function sourceOf({ plan }: NodeTown): AgingSource {
  return new AgingSource({ folder: plan.records, log: plan.log, key: keyOf(plan) });
}

/** An agent over a machine on paper. */
async function openFixture(more: Partial<NodeAgentOptions> = {}): Promise<Fixture> {
  const town = await NodeTown.open();
  const [machine, source] = [new PaperMachine(), sourceOf(town)];
  const agent = await openAgent({ town, source, machine }, more);
  return {
    ...{ town, source, machine, agent },
    phase: (id) => (id === undefined ? undefined : agent.state.workload(id)?.phase),
    [Symbol.asyncDispose]: async () => {
      await agent.close();
      await town[Symbol.asyncDispose]();
    },
  };
}

test('a machine that is reached elsewhere says so', async () => {
  let addresses = ['ip://192.0.2.7'];
  const clock = new ManualClock(Date.now());
  await using f = await openFixture({ findAddresses: async () => addresses, clock });
  const said = (): unknown => {
    const last = f.source.said.findLast(({ url }) => url === 'grid.node.1');
    return (last?.value as RecordOf<'grid.node.1'> | undefined)?.addresses;
  };
  const says = (wanted: readonly string[]): Promise<unknown> =>
    waitFor(() => isDeepStrictEqual(said(), wanted), { timeoutMs: 60_000, what: 'the record' });
  await says(addresses);
  addresses = ['ip://192.0.2.8', 'ip://[fd00::8]'];
  await clock.advance(60_000);
  await says(addresses);
});

test('a node that is not open says so of itself, also after its agent was started again', async () => {
  await using f = await openFixture();
  const says = (wanted: true | undefined): Promise<unknown> =>
    waitFor(
      () => {
        const last = f.source.said.findLast(({ url }) => url === 'grid.node.1');
        const record = last?.value as RecordOf<'grid.node.1'> | undefined;
        return record !== undefined && record.isDraining === wanted;
      },
      { timeoutMs: 60_000, what: 'the record' },
    );
  await says(undefined);
  f.agent.serve('draining');
  await says(true);
  f.agent.serve('open');
  await says(undefined);
  f.agent.serve('cordoned');
  await f.agent.close();
  f.source.said.length = 0;
  await using _again = await openAgent(f);
  await says(true);
});

test('a node that its farm let go says of all that it runs that it has to leave', async () => {
  await using f = await openFixture();
  const { node, plan } = f.town;
  const [id] = (await f.town.deploy(f.town.draft([f.town.role('keep', '')]))).values();
  await waitFor(() => isUp(f.phase(id)), deadline);
  const codes = () => f.agent.state.newestEvents(10).map(({ code }) => code);
  assert.ok(!codes().includes('NODE_LET_GO'));
  const farm = plan.farm as FarmId;
  await f.town.put('grid.adoption.1', node, { node, farm, standing: 'retired' });
  await waitFor(() => codes().includes('NODE_LET_GO'), deadline);
  assert.ok(isUp(f.phase(id)));
  await f.town.adopt();
  await waitFor(() => f.agent.state.newestEvents(1)[0]?.code === undefined, deadline);
});

test('nothing new is started by an old view, and what runs goes on under it', async () => {
  await using f = await openFixture();
  const [keep, stop] = [f.town.role('keep', ''), f.town.role('stop', '', { onIsolation: 'stop' })];
  const first = await f.town.deploy(f.town.draft([keep, stop]));
  const areUp = () => [...first.values()].every((id) => isUp(f.phase(id)));
  await waitFor(() => [...first.values()].every((id) => f.phase(id) === 'healthy'), deadline);
  const registry = createRegistry();
  publishNodeMetrics(f.agent, registry);
  const shown = await registry.render();
  assert.match(shown, /^node_workloads\{phase="healthy"\} 2$/m);
  assert.match(shown, /^node_room_used\{kind="cpuMilli"\} 1000$/m);

  f.source.ageSeconds = 100;
  await waitFor(() => f.phase(first.get('stop')) === 'paused', deadline);
  assert.ok(isUp(f.phase(first.get('keep'))));
  const late = (await f.town.deploy(f.town.draft([keep]))).get('keep');
  const refusal = () => f.agent.state.events(0, 1_000).find(({ workload }) => workload === late);
  await waitFor(() => refusal()?.phase === 'refused', deadline);
  assert.equal(refusal()?.code, 'VIEW_STALE');

  f.source.ageSeconds = 1;
  await waitFor(() => isUp(f.phase(late)) && areUp(), deadline);
});

test('an agent that is started again stops no single writer before it could hear anything', async () => {
  await using f = await openFixture();
  const role = f.town.role('one', '', { onIsolation: 'stop' });
  // It was heard a moment ago, however slow this machine is.
  const draft = f.town.draft([role], {}, { replaceAfterMs: 600_000 });
  const id = (await f.town.deploy(draft)).get('one');
  await waitFor(() => isUp(f.phase(id)), deadline);
  await f.agent.close();

  const source = sourceOf(f.town);
  source.ageSeconds = Number.POSITIVE_INFINITY;
  await using again = await openAgent({ ...f, source });
  const phase = (): string | undefined => id && again.state.workload(id)?.phase;
  const seen = async (count: number): Promise<void> => {
    for (let look = 0; look < count; look++) {
      await again.apply();
      await delay(100);
      assert.ok(isUp(phase()));
    }
  };
  await seen(10);
  source.ageSeconds = 0;
  await seen(5);
  const stopped = again.state.events(0, 1_000).filter((event) => event.phase === 'paused');
  assert.deepEqual(stopped, []);
});

test('records that are forged, altered or of another grid start nothing', async () => {
  await using f = await openFixture();
  const { town } = f;
  const stranger = SigningKey.generate();
  const role = town.role('web', '');

  const unsigned = town.draft([role]);
  await town.put('grid.contract.1', unsigned.id, unsigned.header);
  await town.approve(unsigned, 'provision', stranger);
  await town.lease(unsigned);
  const slice = await town.sliceOf(unsigned, 'web', 0, 1);
  await town.put('grid.slice.1', `${town.node}/${slice.workload}`, slice);
  const item = { role: 'web', replica: 0, node: town.node, slice: 'A'.repeat(43) as never };
  await town.place(unsigned, 1, [item]);

  const foreign = town.draft([role]);
  const header = { ...foreign.header, log: 'A'.repeat(43) as never };
  await town.deploy({ ...foreign, header });

  const honest = town.draft([role]);
  const good = await town.deploy(honest);
  await waitFor(() => isUp(f.phase(good.get('web'))), deadline);
  assert.equal(f.agent.state.workloads().length, 1);

  // The same placement again, and one under an old fence, change nothing.
  await town.place(honest, 1, []);
  await town.place(honest, 2, [], { fence: 0 + 1, lease: unsigned.id as never });
  await waitFor(() => f.agent.view.refusals.size >= 5, { ...deadline, what: 'five refusals' });
  await f.agent.apply();
  assert.ok(isUp(f.phase(good.get('web'))));
});
