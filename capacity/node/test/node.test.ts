import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';
import type { WorkloadId } from '@commongrid/model';

import { isUp } from '../src/testing/index.ts';
import { NodeTown, openPlanned } from './support/node-town.ts';
import { freePort } from './support/taken-ports.ts';

const deadline = { timeoutMs: 60_000, everyMs: 20 };

type Agent = Awaited<ReturnType<typeof openPlanned>>;

function phaseOf(agent: Agent, id: WorkloadId | undefined): string | undefined {
  return id === undefined ? undefined : agent.state.workload(id)?.phase;
}

/** @param phase `up`: it runs */
async function reach(agent: Agent, id: WorkloadId | undefined, phase: string): Promise<void> {
  const what = `${id} to be ${phase}`;
  const isThere = (): boolean => {
    const is = phaseOf(agent, id);
    return phase === 'up' ? isUp(is) : is === phase;
  };
  try {
    await waitFor(isThere, { ...deadline, what });
  } catch (error) {
    console.log(agent.state.newestEvents(10), [...agent.view.refusals]);
    throw error;
  }
}

async function printed(agent: Agent, id: WorkloadId | undefined): Promise<string> {
  const key = agent.state.workload(id ?? ('' as WorkloadId))?.known.key ?? '';
  const lines = await (await agent.machine.containers.logs.read(key)).tail(100);
  return lines.map(({ text }) => text).join('\n');
}

test('a signed contract runs with its volume, secret and files, and goes by its tombstones', async () => {
  await using town = await NodeTown.open();
  await using agent = await openPlanned(town.plan);
  const draft = town.draft(
    [
      town.volume('disk'),
      town.role('web', 'cat /motd; echo "$TOKEN" > /data/seen; exec sleep 1000', {
        after: ['disk'],
        container: {
          secretEnv: [{ name: 'TOKEN', secret: 'token' }],
          files: [{ path: '/motd', mode: 0o444, content: 'good day\n' }],
          volumes: [{ role: 'disk', path: '/data', isReadOnly: false }],
        },
        health: {
          ...{ probe: 'exec', command: ['grep', '-q', 'sesame', '/data/seen'], everySeconds: 1 },
          ...{ timeoutSeconds: 5, failures: 2, startSeconds: 10 },
        },
      }),
    ],
    { token: 'open sesame' },
  );
  const workloads = await town.deploy(draft);
  const [web, disk] = [workloads.get('web'), workloads.get('disk')];
  await reach(agent, web, 'healthy');
  assert.equal(await printed(agent, web), 'good day');
  const events = JSON.stringify(agent.state.events(0, 1_000));
  assert.doesNotMatch(events, /sesame/);
  await town.remove(draft, workloads.values());
  await waitFor(() => agent.state.workloads().length === 0, { ...deadline, what: 'their end' });
  const phases = agent.state.newestEvents(3).map(({ workload, phase }) => [workload, phase]);
  assert.deepEqual(phases.at(-1), [disk, 'deleted']);
  assert.deepEqual(await agent.machine.containers.list(), []);
});

test('an agent that is closed and opened again touches nothing that runs', async () => {
  await using town = await NodeTown.open();
  const first = await openPlanned(town.plan);
  const workloads = await town.deploy(town.draft([town.role('web', 'echo on; exec sleep 1000')]));
  const web = workloads.get('web');
  await reach(first, web, 'healthy');
  const key = first.state.workloads()[0]?.known.key ?? '';
  const before = await first.machine.containers.observe(key);
  const seq = first.state.newestEvents(1)[0]?.seq;
  await first.close();
  await using second = await openPlanned(town.plan);
  await second.apply();
  assert.deepEqual(await second.machine.containers.observe(key), before);
  assert.equal(second.state.newestEvents(1)[0]?.seq, seq);
});

test('a machine that left comes back with everything, from its own copy of the records', async () => {
  await using town = await NodeTown.open();
  const first = await openPlanned(town.plan);
  const line = 'date >> /data/starts; exec sleep 1000';
  const volumes = [{ role: 'disk', path: '/data', isReadOnly: false }];
  const workloads = await town.deploy(
    town.draft([town.volume('disk'), town.role('web', line, { container: { volumes } })]),
  );
  const web = workloads.get('web');
  await reach(first, web, 'up');
  const disk = workloads.get('disk');
  await waitFor(async () => (await starts(first, disk)) === 1, { ...deadline, what: 'a start' });
  const addresses = (await first.machine.network.list()).map(({ address }) => address);
  await first.reconciler.close();
  await first.machine.leave({ signal: new AbortController().signal, progress: () => {} });
  await first.close();
  // The source is away, too: what it says is nothing.
  const away = { ...town.plan, records: `${town.plan.records}-away` };
  await using second = await openPlanned(away);
  await waitFor(async () => (await starts(second, disk)) === 2, {
    ...deadline,
    what: 'a second start',
  });
  await reach(second, web, 'up');
  const after = (await second.machine.network.list()).map(({ address }) => address);
  assert.deepEqual(after, addresses);
});

async function starts(agent: Agent, disk: WorkloadId | undefined): Promise<number> {
  const key = agent.state.workload(disk ?? ('' as WorkloadId))?.known.key ?? '';
  const path = await agent.machine.volumes.pathOf(key);
  const text = await readFile(`${path}/starts`, 'utf8').catch(() => '');
  return text.split('\n').length - 1;
}

test('what crashes is started again and never deleted, and what eats memory is called by its name', async () => {
  await using town = await NodeTown.open();
  await using agent = await openPlanned(town.plan);
  const workloads = await town.deploy(
    town.draft([
      town.role('crash', 'echo last words; sleep 0.1; exit 3'),
      town.role('eat', 'exec tail /dev/zero'),
      town.role('calm', 'exec sleep 1000'),
    ]),
  );
  const [crash, eater] = [workloads.get('crash'), workloads.get('eat')];
  await reach(agent, workloads.get('calm'), 'up');
  const ends = () => agent.state.events(0, 1_000).filter(({ phase }) => phase === 'failed');
  await waitFor(() => ends().filter(({ workload }) => workload === crash).length >= 3, {
    ...deadline,
    what: 'three ends',
  });
  const [end] = ends().filter(({ workload }) => workload === crash);
  assert.equal(end?.code, 'NODE_ENDED');
  assert.match(end?.message ?? '', /ended with 3/);
  assert.match(await printed(agent, crash), /last words/);
  await waitFor(() => ends().some(({ workload }) => workload === eater), {
    ...deadline,
    what: 'OOM',
  });
  const [oom] = ends().filter(({ workload }) => workload === eater);
  assert.equal(oom?.code, 'NODE_OUT_OF_MEMORY');
  assert.ok(isUp(phaseOf(agent, workloads.get('calm'))));
});

test('a command that the image does not have is told with its code and a next step', async () => {
  await using town = await NodeTown.open();
  await using agent = await openPlanned(town.plan);
  const container = { entrypoint: ['/no/such'] };
  const workloads = await town.deploy(town.draft([town.role('web', '', { container })]));
  await reach(agent, workloads.get('web'), 'failed');
  const event = agent.state.events(0, 1_000).find(({ phase }) => phase === 'failed');
  assert.equal(event?.code, 'NODE_COMMAND_MISSING');
  assert.notEqual(event?.hint, undefined);
});

test('a published port is reached at the node, and a port of another tenant is not taken', async () => {
  await using town = await NodeTown.open();
  await using agent = await openPlanned(town.plan);
  const publish = await freePort();
  const ports = [{ name: 'http', port: 80, protocol: 'tcp' as const, publish }];
  const line = 'echo hello > /tmp/index.html; exec httpd -f -p 80 -h /tmp';
  const container = { ports };
  const workloads = await town.deploy(town.draft([town.role('web', line, { container })]));
  await reach(agent, workloads.get('web'), 'up');
  const ask = () => fetch(`http://127.0.0.1:${publish}/`).then((page) => page.text());
  const text = await waitFor(() => ask().catch(() => undefined), {
    ...{ ...deadline, what: 'an answer' },
  });
  assert.equal(text, 'hello\n');
  const second = await town.deploy(town.draft([town.role('web', line, { container })]));
  const rival = second.get('web');
  const refused = () => agent.state.events(0, 1_000).find(({ workload }) => workload === rival);
  await waitFor(() => refused()?.phase === 'refused', { ...deadline, what: 'a refusal' });
  assert.equal(refused()?.code, 'NODE_PORT_TAKEN');
});
