import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';

import { choosePorts, portEntry, portNames } from '../src/ports.ts';

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

test('the documents name every port, and its place in a range', async () => {
  const file = join(import.meta.dirname, '..', '..', 'docs', 'limits.md');
  const text = await readFile(file, 'utf8');
  const rows = [...text.matchAll(/^\| (\d+)(?: … (\d+))? +\| (\d+)(?: … \d+)? +\|/gm)];
  const named = rows.flatMap(([, first, last = first, offset]) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, at) => [
      Number(first) + at,
      Number(offset) + at,
    ]),
  );
  const byPort = ([a = 0]: number[], [b = 0]: number[]): number => a - b;
  const used = portNames.map((name) => [portEntry(name).port, portEntry(name).offset]);
  assert.deepEqual(named.toSorted(byPort), used.toSorted(byPort));
});
