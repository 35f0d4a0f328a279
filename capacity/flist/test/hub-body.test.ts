import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';

import { BodyMemory } from '../src/hub/body-memory.ts';

test('a body whose sender went before it was read takes no memory', async () => {
  await using server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const asked = Promise.withResolvers<IncomingMessage>();
  const gone = Promise.withResolvers<void>();
  server.once('request', (request: IncomingMessage) => {
    request.socket.once('close', gone.resolve);
    asked.resolve(request);
  });
  const sizeBytes = 64 * 1024 * 1024;
  const client = connect(port, '127.0.0.1');
  client.write(`PUT / HTTP/1.1\r\nhost: hub\r\ncontent-length: ${sizeBytes}\r\n\r\nsome`);
  const request = await asked.promise;
  client.destroy();
  await gone.promise;
  // A body of that length may take a quarter of an hour.
  const bodies = new BodyMemory(1_000);
  const taking = bodies.with(request, sizeBytes, async () => {});
  await assert.rejects(taking, hasCode('HUB_REQUEST_INVALID'));
  assert.equal(bodies.heldBytes, 0);
});
