import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';

import { probeNode } from './probe-node.ts';

/** The prefix of RFC 6666, where packets are dropped. */
const nowhere = 'ip://[100::1]';

/** What answers does so at once, on a busy machine too. */
const patient = { timeoutMs: 60_000 };

test('a machine that takes a connection or refuses it is there', async () => {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  assert.equal(await probeNode([`tcp://127.0.0.1:${port}`], patient), true);
  server.close();
  await once(server, 'close');
  assert.equal(await probeNode([`tcp://127.0.0.1:${port}`], patient), true);
  assert.equal(await probeNode(['ip://127.0.0.1'], patient), true);
});

test('one that no address leads to is not, and is not waited for', async () => {
  const options = { timeoutMs: 300 };
  assert.equal(await probeNode([], options), false);
  assert.equal(await probeNode(['no address', 'unix:/run/x'], options), false);
  assert.equal(await probeNode([nowhere], options), false);
  assert.equal(await probeNode([nowhere, 'ip://127.0.0.1'], patient), true);
});

test('a probe ends with its signal', async () => {
  const stop = new AbortController();
  const asked = probeNode([nowhere], { timeoutMs: 600_000, signal: stop.signal });
  stop.abort();
  assert.equal(await asked, false);
});
