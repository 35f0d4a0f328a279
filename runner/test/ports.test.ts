import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';

import { choosePorts } from '../src/ports.ts';

test('port base 0 chooses free ports, each another', async () => {
  const ports = await choosePorts(['zdb', 'zdb-metrics', 's3'], 0);
  assert.equal(new Set(ports.values()).size, 3);
  for (const port of ports.values()) assert.ok(port > 0);
});

test('a port base is the first of a range', async () => {
  const free = (await choosePorts(['zdb'], 0)).get('zdb') ?? 0;
  const base = Math.min(free, 65_000);
  const ports = await choosePorts(['zdb'], base);
  assert.equal(ports.get('zdb'), base);
});

test('a port that is taken is named', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  await assert.rejects(choosePorts(['zdb'], address.port), (error: Error) => {
    assert.match(error.message, new RegExp(`port ${address.port} on 127.0.0.1 is taken`));
    return true;
  });
  server.close();
});
