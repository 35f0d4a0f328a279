import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';

import { measureLatency } from './measure-latency.ts';

const patient = { timeoutMs: 60_000 };

test('a node is measured by a welcome or a refusal, at the first address that answers', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const address = `tcp://127.0.0.1:${port}`;
  const welcomed = await measureLatency(['no address', address], patient);
  assert.ok(welcomed !== undefined && welcomed >= 0);
  server.close();
  await once(server, 'close');
  const refused = await measureLatency([address], patient);
  assert.ok(refused !== undefined && refused >= 0);
});

test('a node without an address that answers is not measured', async () => {
  assert.equal(await measureLatency([], patient), undefined);
  assert.equal(await measureLatency(['ip://', 'nothing'], patient), undefined);
  const signal = AbortSignal.abort();
  assert.equal(await measureLatency(['ip://127.0.0.1'], { ...patient, signal }), undefined);
});
