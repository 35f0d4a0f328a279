import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';

import { reservePort } from '../src/reserve-port.ts';
import { startChild } from './child.ts';

const taken = { code: 'EADDRINUSE' };

test('a port is reserved for one process, also where nobody listens, until that ends', async () => {
  await using holder = startChild('port-holder.ts');
  const theirs = Number(await holder.nextLine());
  const own = await reservePort();
  for (const port of [own, theirs])
    await assert.rejects(
      reservePort(() => port),
      taken,
    );
  holder.process.stdin.end();
  await holder.ended();
  assert.equal(await reservePort(() => theirs), theirs);
});

test('a port where somebody listens is not reserved', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await assert.rejects(
    reservePort(() => port),
    taken,
  );
  server.close();
});
