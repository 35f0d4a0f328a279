import assert from 'node:assert/strict';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { readCounters, readSamples } from '../src/receipts/read-samples.ts';
import { NodeTown, openPlanned } from './support/node-town.ts';
import { freePort } from './support/taken-ports.ts';

const deadline = { timeoutMs: 60_000, everyMs: 200 };

test('what receipts say of use is counted on the machine: time, memory, disk and traffic', async () => {
  await using town = await NodeTown.open();
  await using agent = await openPlanned(town.plan);
  const publish = await freePort();
  const ports = [{ name: 'http', port: 8080, protocol: 'tcp' as const, publish }];
  const serve = town.role('busy', 'exec httpd -f -p 8080', { container: { ports } });
  const draft = town.draft([serve, town.volume('disk')]);
  const workloads = await town.deploy(draft);
  const [id, disk] = [workloads.get('busy'), workloads.get('disk')];
  assert.ok(id !== undefined && disk !== undefined);
  const sample = async () => {
    const known = [id, disk].flatMap((one) => agent.state.workload(one)?.known ?? []);
    return readSamples(agent.machine, known, AbortSignal.timeout(30_000));
  };
  const isUsed = async (): Promise<boolean> => {
    await fetch(`http://127.0.0.1:${publish}/`).catch(() => {});
    const use = (await sample()).get(id);
    const traffic = Math.min(use?.sentBytes ?? 0, use?.receivedBytes ?? 0);
    return traffic > 100 && Math.min(use?.cpuUs ?? 0, use?.memoryBytes ?? 0) > 0;
  };
  await waitFor(isUsed, { ...deadline, what: 'use of the container' });
  const samples = await sample();
  assert.ok((samples.get(id)?.diskBytes ?? 0) > 0 && (samples.get(disk)?.diskBytes ?? 0) > 0);
  assert.equal(samples.get(disk)?.cpuUs, 0);
});

test('what a run used can be read once it has ended', async () => {
  await using town = await NodeTown.open();
  await using agent = await openPlanned(town.plan);
  const role = town.role('short', 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done');
  const draft = town.draft([{ ...role, restart: { ...role.restart, policy: 'never' } }]);
  const id = (await town.deploy(draft)).get('short');
  assert.ok(id !== undefined);
  await waitFor(() => agent.state.workload(id)?.phase === 'stopped', {
    ...{ ...deadline, what: 'its end' },
  });
  const known = agent.state.workload(id)?.known;
  assert.ok(known !== undefined);
  assert.ok(((await readCounters(agent.machine, known))?.cpuUs ?? 0) > 1_000);
});
