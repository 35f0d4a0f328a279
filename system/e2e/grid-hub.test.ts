import assert from 'node:assert/strict';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { TestGrid } from './grid-process.ts';

interface Up {
  readonly services: Record<string, { readonly pid: number; readonly address: string }>;
  readonly identity: { readonly key: string };
  readonly hub: {
    readonly url: string;
    readonly image: { readonly name: string; readonly digest: string } | null;
    readonly lack: string | null;
  };
}

test('a grid has a hub with a base image of its owner, once and for good', async () => {
  await using grid = await TestGrid.open();
  const up = await grid.json<Up>('up', '--port-base', '0', '--name', 'ada');
  assert.equal(up.hub.lack, null);
  assert.equal(up.hub.image?.name, 'ada/base');
  const { keys } = await grid.json<{ keys: string[] }>('hub', 'signers', 'ada/base');
  assert.deepEqual(keys, [up.identity.key]);
  // What is there is not made again, nor put.
  assert.deepEqual((await grid.json<Up>('up')).hub, up.hub);
  const quota = await grid.json<{ quotaBytes: number }>('hub', 'quota', 'bob', '1GiB');
  assert.equal(quota.quotaBytes, 2 ** 30);
  const found = await grid.json<{ repositories: unknown[] }>('hub', 'search', 'busybox');
  assert.equal(found.repositories.length, 1);
  const metrics = await fetch(`http://${await metricsOf(grid)}/metrics`);
  assert.match(await metrics.text(), /^hub_requests_total\{/m);
  const { pid } = up.services['hub'] ?? { pid: 0 };
  process.kill(pid, 'SIGKILL');
  const isBack = async (): Promise<boolean> => {
    const ended = await grid.run('hub', 'ls', 'ada/base', '--json');
    return ended.status === 0;
  };
  await waitFor(isBack, { timeoutMs: 30_000, everyMs: 100, what: 'the hub' });
  await grid.json('down', 'bcdb');
  // Without the phonebook it is read.
  assert.ok(await isBack());
});

async function metricsOf(grid: TestGrid): Promise<string> {
  const { services } = await grid.json<{
    readonly services: Record<string, { readonly addresses: Record<string, string> }>;
  }>('status');
  return services['hub']?.addresses['hub-metrics'] ?? '';
}
