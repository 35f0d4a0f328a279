import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyPages } from '../src/backends/key-pages.ts';
import { Cluster } from './support/cluster.ts';

test('the keys of a backend come page by page, each of them, and only those with the prefix', async () => {
  await using cluster = await Cluster.open({ servers: 1 });
  const [backend] = cluster.pool.all;
  assert.ok(backend);
  const keysWith = async (prefix: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const page of keyPages(backend, prefix)) {
      found.push(...page.map(({ key, valueBytes }) => `${key.toString()} ${valueBytes}`));
    }
    return found.toSorted();
  };
  assert.deepEqual(await keysWith(''), []);
  const names = Array.from({ length: 2_300 }, (_, at) => `${at % 2 === 0 ? 'S' : 'P'}${at}`);
  await Promise.all(names.map((name) => backend.put(Buffer.from(name), Buffer.from(name))));
  const expected = names.map((name) => `${name} ${name.length}`).toSorted();
  assert.deepEqual(await keysWith(''), expected);
  assert.deepEqual(
    await keysWith('P'),
    expected.filter((name) => name.startsWith('P')),
  );
  assert.deepEqual(await keysWith('M'), []);
});
