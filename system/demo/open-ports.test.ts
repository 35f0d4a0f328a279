import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';

import { reservePort } from '@commongrid/base';

import { openPorts } from './open-ports.ts';

const { signal } = new AbortController();

test('a port that takes connections is found among many that do not', async () => {
  const server = createServer();
  const port = await reservePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  const closed = await reservePort();
  const many = [...Array.from({ length: 2_100 }, () => closed), port];
  assert.deepEqual(await openPorts('127.0.0.1', many, signal), [port]);
  server.close();
  await once(server, 'close');
  assert.deepEqual(await openPorts('127.0.0.1', [closed, port], signal), []);
});
