import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { isGridError, waitFor } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import type { WorkloadId } from '@commongrid/model';

import { isUp } from '../src/testing/index.ts';
import type { SourceChange } from '../src/index.ts';
import { FolderSource, shortIdOf } from '../src/index.ts';
import { NodeTown, openPlanned } from './support/node-town.ts';

/** A term's end is seen up to 20 s late. */
const deadline = { timeoutMs: 120_000, everyMs: 20 };
const mib = 2 ** 20;
const sleep = 'exec sleep 1000';
const volumes = [{ role: 'disk', path: '/data', isReadOnly: false }];

type Agent = Awaited<ReturnType<typeof openPlanned>>;

let town: NodeTown;
let source: ChangingSource;
let agent: Agent;

/** Every record comes alone, and again with each that follows; its word can grow old. */
class ChangingSource extends FolderSource {
  ageSeconds = 0;

  override async *changes(cursor: string, signal: AbortSignal): AsyncGenerator<SourceChange> {
    const said: SourceChange['records'][number][] = [];
    for await (const change of super.changes(cursor, signal)) {
      if (change.records.length === 0) yield change;
      for (const record of change.records) {
        said.push(record);
        yield { ...change, records: [record] };
        yield { ...change, records: said.toReversed() };
      }
    }
  }

  override viewAgeSeconds(): number {
    return this.ageSeconds;
  }
}

before(async () => {
  town = await NodeTown.open();
  const { plan } = town;
  const key = SigningKey.fromSeed(Buffer.from(plan.seed, 'base64url'));
  source = new ChangingSource({ folder: plan.records, log: plan.log, key });
  agent = await openPlanned(plan, undefined, source);
});

after(async () => {
  await agent?.close();
  await town?.[Symbol.asyncDispose]();
});

test('records that come alone, again and in any order start a workload once', async () => {
  const line = `echo start >> /data/starts; ${sleep}`;
  const draft = town.draft([
    town.volume('disk'),
    town.role('web', line, { container: { volumes } }),
  ]);
  const workloads = await town.deploy(draft);
  const [disk, web] = [idOf(workloads, 'disk'), idOf(workloads, 'web')];
  await until(() => isUp(phaseOf(web)), 'the container');
  await until(async () => (await textIn(disk, 'starts')) !== '', 'its start');
  await town.remove(draft, workloads.values());
  await until(() => phaseOf(web) === undefined && phaseOf(disk) === undefined, 'their end');
  const phases = agent.state.events(0, 1_000, web).map(({ phase }) => phase);
  for (const phase of ['accepted', 'preparing', 'starting', 'running', 'deleting', 'deleted']) {
    assert.equal(phases.filter((one) => one === phase).length, 1, phases.join());
  }
});

test('a contract whose term and grace are over stands still, and its data stay', async () => {
  const line = `date >> /data/starts; ${sleep}`;
  const draft = town.draft(
    [town.volume('disk'), town.role('web', line, { container: { volumes } })],
    {},
    { lastsMs: 30_000, graceMs: 2_000 },
  );
  const endMs = Date.now() + 32_000;
  const workloads = await town.deploy(draft);
  const [disk, web] = [idOf(workloads, 'disk'), idOf(workloads, 'web')];
  await until(() => isUp(phaseOf(web)), 'the container');
  await until(async () => (await textIn(disk, 'starts')) !== '', 'its start');
  await until(() => phaseOf(web) === 'paused', 'the end of its term');
  assert.ok(Date.now() >= endMs, 'the grace counts');
  await until(() => phaseOf(disk) === 'paused', 'the volume to stand still');
  const seen = await agent.machine.containers.observe(shortIdOf(web));
  assert.notEqual(seen.state, 'running');
  assert.match(await textIn(disk, 'starts'), /^[^\n]+\n$/);
  assert.equal(
    agent.state.events(0, 100, web).some(({ phase }) => phase === 'deleting'),
    false,
  );
});

test('a single writer stands still while the log is away, and goes on with its data', async () => {
  const line = `date >> /data/starts; ${sleep}`;
  const draft = town.draft(
    [town.volume('disk'), town.role('web', line, { container: { volumes }, onIsolation: 'stop' })],
    {},
    { replaceAfterMs: 20_000 },
  );
  const workloads = await town.deploy(draft);
  const [disk, web] = [idOf(workloads, 'disk'), idOf(workloads, 'web')];
  const startsAre = async (count: number): Promise<boolean> =>
    (await textIn(disk, 'starts')).split('\n').length - 1 === count;
  await until(() => isUp(phaseOf(web)) && startsAre(1), 'the container');
  source.ageSeconds = 1_000;
  await until(() => phaseOf(web) === 'paused', 'it to stand still');
  const seen = await agent.machine.containers.observe(shortIdOf(web));
  assert.notEqual(seen.state, 'running');
  source.ageSeconds = 0;
  await until(() => isUp(phaseOf(web)) && startsAre(2), 'it to go on');
});

test('a revision is made true by its difference, and what is new of it together or not at all', async () => {
  const small = { cpuMilli: 100, memoryBytes: 16 * mib, ssdBytes: 32 * mib, hddBytes: 0, ipv4: 0 };
  const huge = { ...small, memoryBytes: 2 ** 40 };
  const draft = town.draft(
    [
      ...['calm', 'sealed', 'former', 'next'].map((name) => {
        const secretEnv = name === 'sealed' ? [{ name: 'WORD', secret: 'word' }] : [];
        return town.role(name, sleep, { resources: small, container: { secretEnv } });
      }),
      town.role('huge', sleep, { resources: huge }),
    ],
    { word: 'sesame' },
  );
  const workloads = await town.deploy(draft, ['calm', 'sealed', 'former']);
  const ids = [...workloads.values()];
  await until(() => ids.every((id) => phaseOf(id) === 'healthy'), 'the first revision');
  const kept = [idOf(workloads, 'calm'), idOf(workloads, 'sealed')];
  const former = await observed(kept);
  const told = () => kept.map((id) => agent.state.events(0, 1_000, id));
  const counts = told().map((events) => events.length);

  // One of two that are new does not fit: neither comes. What is no longer placed here stops all the same.
  await town.change(draft, 2, new Map([['calm', 1]]), ['calm', 'sealed', 'next', 'huge']);
  const next = `${draft.id}/next/0` as WorkloadId;
  const refusal = () => agent.state.events(0, 100, next)[0];
  await until(() => refusal() !== undefined, 'a refusal');
  assert.equal(refusal()?.code, 'NODE_ROOM_MISSING');
  await until(() => phaseOf(idOf(workloads, 'former')) === 'stopped', 'what went');
  assert.equal(phaseOf(next), undefined);

  await town.change(draft, 3, new Map([['calm', 1]]), ['calm', 'sealed', 'next']);
  await until(() => isUp(phaseOf(next)), 'what is new');
  await until(
    () => agent.state.workload(kept[1] as WorkloadId)?.known.revision === 3,
    'revision 3',
  );
  assert.deepEqual(await observed(kept), former);
  // Of a later slice that changes nothing of what runs no more is told than that it is well.
  const since = told().map((events, i) => {
    return events.slice(counts[i]).map(({ revision, phase }) => `${revision} ${phase}`);
  });
  assert.deepEqual(since, [[], ['2 healthy', '3 healthy']]);
});

function observed(ids: readonly WorkloadId[]): Promise<readonly object[]> {
  return Promise.all(ids.map((id) => agent.machine.containers.observe(shortIdOf(id))));
}

async function textIn(disk: WorkloadId, name: string): Promise<string> {
  const folder = join(town.plan.folder, 'machine/volumes/pool', `v-${shortIdOf(disk)}`);
  return readFile(join(folder, name), 'utf8').catch(() => '');
}

function phaseOf(id: WorkloadId): string | undefined {
  return agent.state.workload(id)?.phase;
}

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  try {
    await waitFor(isSo, { ...deadline, what });
  } catch (error) {
    if (isGridError(error, 'BASE_TIMEOUT')) console.log(agent.state.newestEvents(20));
    throw error;
  }
}

function idOf(workloads: ReadonlyMap<string, WorkloadId>, role: string): WorkloadId {
  const id = workloads.get(role);
  assert.ok(id !== undefined);
  return id;
}
