import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BlockList } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { ContainerStats } from '../src/container/container-stats.ts';

const usage = { cpuUsageUs: 1_000, memoryBytes: 4_096, pids: 2, oomKills: 0 };

test('what a container uses is told to its owner, until it is closed', async () => {
  const told: string[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    told.push(await text(request));
    response.end();
  };
  const server = createServer((request, response) => void take(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await using stats = new ContainerStats({
    usageOf: async () => usage,
    forbidden: new BlockList(),
  });
  const container = { stats: { to: `http://127.0.0.1:${port}/use`, everySeconds: 1 } };
  const role = { workload: { kind: 'container', container } };
  stats.open({ id: 'contract:a/web/0', key: 'aaaaaaaaaaaa', role } as never);
  await waitFor(() => told.length >= 2, { timeoutMs: 60_000, what: 'two tellings' });
  await stats.close('aaaaaaaaaaaa');
  server.close();
  const said: unknown = JSON.parse(told[0] ?? '');
  assert.partialDeepStrictEqual(said, {
    ...{ schema: 'grid.stats.1', workload: 'contract:a/web/0' },
    ...usage,
  });
});
