import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';

import { relayTo } from './relay-to.ts';
import type { Distance } from './relay-to.ts';

/** How long it takes until what was sent through a port is back, ms. */
async function roundTripMs(port: number, sent: string): Promise<number> {
  const startedMs = performance.now();
  const socket = connect(port, '127.0.0.1');
  socket.write(sent);
  const [back] = (await once(socket, 'data')) as [Buffer];
  assert.equal(back.toString(), sent);
  socket.destroy();
  return performance.now() - startedMs;
}

test('what is far away takes longer, either way, from when that is said until it is not', async () => {
  await using server = createServer((socket) => socket.pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await using stack = new AsyncDisposableStack();
  const distance: Distance = { delayMs: 0 };
  const { port: to } = server.address() as AddressInfo;
  const port = await relayTo(to, '127.0.0.1', stack, distance);
  await roundTripMs(port, 'near');
  distance.delayMs = 300;
  const ms = await roundTripMs(port, 'far');
  // Timers may be a millisecond early.
  assert.ok(ms >= 598, `${ms} ms`);
  distance.delayMs = 0;
  await roundTripMs(port, 'near again');
});
