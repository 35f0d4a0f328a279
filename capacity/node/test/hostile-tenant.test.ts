import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';

import { runProgram, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { WorkloadId } from '@commongrid/model';

import { isUp } from '../src/testing/index.ts';
import { nodeAccessPath, nodeControlPath, NodeDoors } from '../src/index.ts';
import { NodeTown, openPlanned } from './support/node-town.ts';
import { WatchedPath } from './support/watched-path.ts';

const deadline = { timeoutMs: 60_000, everyMs: 20 };
const sleep = 'exec sleep 1000';

const stack = new AsyncDisposableStack();
let town: NodeTown;
let agent: Awaited<ReturnType<typeof openPlanned>>;
let watched: WatchedPath;

before(async () => {
  const { path } = stack.use(await tempFolder('watched'));
  watched = stack.use(await WatchedPath.open(path));
  town = stack.use(await NodeTown.open());
  agent = stack.use(await openPlanned({ ...town.plan, programs: watched.programs }));
});

after(() => stack.disposeAsync());

function phaseOf(id: WorkloadId): string | undefined {
  return agent.state.workload(id)?.phase;
}

/** @param phase `up`: it runs */
async function reach(id: WorkloadId, phase: string): Promise<void> {
  const isThere = (): boolean => (phase === 'up' ? isUp(phaseOf(id)) : phaseOf(id) === phase);
  await waitFor(isThere, { ...deadline, what: `${id} to be ${phase}` });
}

function idOf(workloads: ReadonlyMap<string, WorkloadId>, role: string): WorkloadId {
  const id = workloads.get(role);
  if (id === undefined) throw new Error(`there is no role ${role}`);
  return id;
}

async function printed(id: WorkloadId, lineCount: number): Promise<readonly string[]> {
  const all = async () => {
    const lines = await outputOf(id);
    return lines.length >= lineCount ? lines : undefined;
  };
  return waitFor(all, { ...deadline, what: 'its output' });
}

async function outputOf(id: WorkloadId): Promise<readonly string[]> {
  using ring = await agent.machine.containers.logs.read(agent.state.workload(id)?.known.key ?? '');
  return (await ring.tail(100)).map(({ text }) => text);
}

test('a secret is where its container reads it, and nowhere else', async () => {
  const secret = randomBytes(16).toString('hex');
  await using _doors = await NodeDoors.open({ agent, folder: town.plan.folder });
  const draft = town.draft(
    [
      town.role('web', `test -n "$TOKEN" && test -s /token && echo ready; ${sleep}`, {
        container: {
          secretEnv: [{ name: 'TOKEN', secret: 'token' }],
          files: [{ path: '/token', mode: 0o400, secret: 'token' }],
        },
        health: {
          ...{ probe: 'exec', command: ['test', '-s', '/token'], everySeconds: 1 },
          ...{ timeoutSeconds: 5, failures: 1, startSeconds: 1 },
        },
      }),
      town.role('nul', sleep, { container: { secretEnv: [{ name: 'NUL', secret: 'nul' }] } }),
    ],
    { token: secret, nul: `${secret}\0` },
  );
  const workloads = await town.deploy(draft);
  const web = idOf(workloads, 'web');
  await reach(web, 'healthy');
  assert.deepEqual(await printed(web, 1), ['ready']);
  const { folder, prefix, records } = town.plan;
  const run = `/run/commongrid-${prefix}`;
  // The disk of volumes is gigabytes of what this container did not write.
  const not = ['--exclude=pool.img', '--exclude-dir=sys'];
  const words = ['--recursive', '--files-with-matches', '--text', '--no-messages', ...not];
  // Its status is 2 when a file went while it looked, as those of a probe do.
  const found = await runProgram('/bin/sh', [
    ...['-c', 'grep "$@" || [ $? -eq 2 ]', 'grep', ...words],
    ...['--fixed-strings', secret, folder, run, records],
  ]);
  const key = agent.state.workload(web)?.known.key ?? '';
  const places = found
    .trim()
    .split('\n')
    .map((path) => relative(join(folder, 'machine'), path));
  assert.deepEqual(places.toSorted(), [
    `bundles/${key}/config.json`,
    `bundles/${key}/spec`,
    `containers/${key}/files/3`,
  ]);
  for (const path of [nodeControlPath(folder), nodeAccessPath(folder), join(folder)]) {
    assert.equal((await stat(path)).mode & 0o077, 0, path);
  }
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    assert.ok(!line.includes(secret), line);
  }
  const started = await watched.started();
  for (const program of [/^runc .*create/m, /^runc .*exec/m, /^conmon /m, /^nft /m]) {
    assert.ok(program.test(started), String(program));
  }
  assert.ok(!started.includes(secret), 'arguments and variables of what was started');
  // One with a NUL can be in no variable; runc would print it.
  const [nul] = agent.state.events(0, 1_000, idOf(workloads, 'nul'));
  assert.equal(nul?.code, 'NODE_ROLE_INVALID');
});

test('files are seen in volumes, and what tells of other tenants is not', async () => {
  const look = 'ls -A /sys/devices/virtual/block /sys/fs/btrfs; dmesg 2>/dev/null | wc -l';
  const draft = town.draft([
    town.volume('disk'),
    town.role('web', `cat /data/deep/conf; ${look}; ${sleep}`, {
      container: {
        volumes: [{ role: 'disk', path: '/data', isReadOnly: false }],
        files: [{ path: '/data/deep/conf', mode: 0o444, content: 'here\n' }],
        stop: { signal: 'SIGRTMIN+3', graceSeconds: 0 },
      },
    }),
  ]);
  const workloads = await town.deploy(draft);
  const web = idOf(workloads, 'web');
  await reach(web, 'up');
  assert.deepEqual(await printed(web, 5), [
    'here',
    '/sys/devices/virtual/block:',
    '',
    '/sys/fs/btrfs:',
    '0',
  ]);
  await town.remove(draft, workloads.values());
  await waitFor(() => phaseOf(web) === undefined, { ...deadline, what: 'its end' });
});

test('words of strangers end nothing, and no text of a tenant holds up what is told', async () => {
  const stranger = SigningKey.generate();
  const draft = town.draft([town.role('calm', sleep)]);
  const calm = idOf(await town.deploy(draft), 'calm');
  await reach(calm, 'up');
  const { id } = draft;
  const fence = 1;
  const fault = { workload: calm, revision: 1, reason: 'removed' as const };
  await town.put('grid.tombstone.1', calm, fault, stranger);
  await town.put('grid.tombstone.1', calm, fault);
  await town.put('grid.tombstone.1', calm, { ...fault, revision: Number.MAX_SAFE_INTEGER });
  await town.place(draft, 2, [], { fence: fence + 1 });
  const other = { log: town.plan.log.replace(/^./, (one) => (one === 'A' ? 'B' : 'A')) };
  await town.put('grid.contract.1', id, { ...draft.header, ...other } as never);
  // Text is cut after 1,000 characters: in the middle of one that takes two.
  const command = ['false', `${'a'.repeat(993)}${'\u{1f600}'.repeat(20)}`];
  const health = {
    ...{ probe: 'exec' as const, command, everySeconds: 1, timeoutSeconds: 5, failures: 1 },
    startSeconds: 1,
  };
  const loud = idOf(await town.deploy(town.draft([town.role('loud', sleep, { health })])), 'loud');
  await reach(loud, 'unhealthy');
  const last = () => agent.state.newestEvents(1)[0]?.seq;
  const isTold = () => agent.state.told === last();
  await waitFor(isTold, { ...deadline, what: 'all to be told' });
  const greedy = town.role('greedy', sleep, {
    resources: { cpuMilli: 1, memoryBytes: 0, ssdBytes: 0, hddBytes: 0, ipv4: 0 },
  });
  const refused = idOf(await town.deploy(town.draft([greedy])), 'greedy');
  const [first] = await waitFor(
    () => {
      const events = agent.state.events(0, 1_000, refused);
      return events.length > 0 ? events : undefined;
    },
    { ...deadline, what: 'a refusal' },
  );
  assert.equal(first?.code, 'NODE_ROLE_INVALID');
  assert.ok(isUp(phaseOf(calm)));
});
