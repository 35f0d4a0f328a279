import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import { contacts, ownerToken, RespFixture } from './resp-fixture.ts';

const bob = '{"name":"Bob"}';

test('XREAD BLOCK wakes for records of its stream, and only for those', async () => {
  await using fixture = await RespFixture.open();
  const writer = await fixture.owner();
  const reader = await fixture.owner();
  await fixture.bcdb.createNamespace('other');
  const waiting = reader('XREAD', 'BLOCK', '0', 'STREAMS', 'people:log', '$');
  const isBlocked = async (): Promise<boolean> =>
    /blocked_clients:1\r/.test(String(await writer('INFO', 'clients')));
  await waitFor(isBlocked, { what: 'a blocked client', timeoutMs: 60_000 });
  await fixture.bcdb.write({
    ns: 'other',
    op: 'put',
    url: 'bcdb.circle.1',
    obj: 'c',
    value: { members: [] },
  });
  assert.ok(await isBlocked());
  await writer('HSET', contacts, 'bob', bob);
  const [[name, entries]] = (await waiting) as readonly [readonly [string, readonly unknown[]]];
  assert.equal(name, 'people:log');
  assert.equal(entries.length, 1);
});

test('XREAD BLOCK ends at its time, and when its client leaves', async () => {
  // A peer that says it sends no more may still read; the stall limit tells that it is gone.
  await using fixture = await RespFixture.open({ limits: { stallMs: 200 } });
  const ask = await fixture.owner();
  assert.equal(await ask('XREAD', 'BLOCK', '20', 'STREAMS', 'people:log', '$'), null);
  assert.equal(await ask('XREAD', 'BLOCK', '-1', 'STREAMS', 'people:log', '$'), '-ERR');
  // Longer than a timer can wait, which would fire at once.
  assert.equal(await ask('XREAD', 'BLOCK', '2147483648', 'STREAMS', 'people:log', '$'), '-ERR');
  const streams = (count: number): string[] => [
    ...Array.from({ length: count }, () => 'people:log'),
    ...Array.from({ length: count }, () => '$'),
  ];
  assert.equal(await ask('XREAD', 'STREAMS', ...streams(64)), null);
  assert.equal(await ask('XREAD', 'STREAMS', ...streams(65)), '-ERR');
  const leaver = await RespClient.connect({ port: fixture.port, closeTimeoutMs: 100 });
  await leaver.command(['AUTH', ownerToken]);
  const waiting = leaver.command(['XREAD', 'BLOCK', '0', 'STREAMS', 'log', '999999']);
  const blocked = async (count: number): Promise<boolean> =>
    String(await ask('INFO', 'clients')).includes(`blocked_clients:${count}\r`);
  await waitFor(() => blocked(1), { what: 'a blocked client', timeoutMs: 60_000 });
  const left = Promise.allSettled([leaver.close(), waiting]);
  await waitFor(() => blocked(0), { what: 'no blocked client', timeoutMs: 60_000 });
  await left;
});

test('HSCAN answers whatever is there all the time, while others come and go', async () => {
  await using fixture = await RespFixture.open();
  const writer = await fixture.owner();
  const scanner = await fixture.owner();
  const lasting = Array.from({ length: 300 }, (_, i) => `keep-${i}`);
  await writer('HSET', contacts, ...lasting.flatMap((id) => [id, bob]));
  let isScanning = true;
  const writing = (async () => {
    for (let i = 0; isScanning; i++) {
      const id = `keep-${i % lasting.length}`;
      await Promise.all([
        writer('HSET', contacts, id, `{"name":"Bob ${i}"}`, `more-${i}`, bob),
        writer('HDEL', contacts, `more-${i - 3}`),
      ]);
    }
  })();
  const seen = new Set<string>();
  let cursor = '0';
  do {
    const page = (await scanner('HSCAN', contacts, cursor, 'COUNT', '7')) as [string, string[]];
    cursor = page[0];
    for (let i = 0; i < page[1].length; i += 2) seen.add(page[1][i] ?? '');
  } while (cursor !== '0');
  isScanning = false;
  await writing;
  assert.deepEqual(
    lasting.filter((id) => !seen.has(id)),
    [],
  );
});

test('SCAN answers all keys once, in pages, by pattern and by type', async () => {
  await using fixture = await RespFixture.open();
  const ask = await fixture.owner();
  for (let i = 0; i < 20; i++) {
    await fixture.bcdb.defineSchema('people', `net.example.t${i}.1`, {
      type: 'object',
      properties: {},
    });
  }
  const scan = async (...options: string[]): Promise<string[]> => {
    const keys: string[] = [];
    let cursor = '0';
    do {
      const page = (await ask('SCAN', cursor, ...options)) as [string, string[]];
      cursor = page[0];
      keys.push(...page[1]);
    } while (cursor !== '0');
    return keys;
  };
  const keys = await scan('COUNT', '3');
  assert.equal(keys.length, 21 * 2 + 1);
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(await ask('DBSIZE'), keys.length);
  assert.deepEqual((await scan()).toSorted(), keys.toSorted());
  assert.equal((await scan('TYPE', 'hash')).length, 21);
  assert.deepEqual(await scan('TYPE', 'stream'), ['people:log']);
  assert.deepEqual(
    await scan('MATCH', '*:schemas:*.t1?.1', 'COUNT', '100').then((a) => a.length),
    10,
  );
  const some = (await ask('HSCAN', contacts, '0', 'MATCH', 'x*', 'NOVALUES')) as unknown;
  assert.deepEqual(some, ['0', []]);
});

test('writes of many connections share commits and answer as Redis does', async () => {
  await using fixture = await RespFixture.open();
  const askers = await Promise.all(Array.from({ length: 64 }, () => fixture.owner()));
  const before = fixture.bcdb.head.size;
  let batches = 0;
  const unlisten = fixture.bcdb.listen(() => {
    batches++;
  });
  const replies = await Promise.all(
    askers.flatMap((ask, i) => [
      ask('HSET', contacts, 'same', `{"name":"${i}"}`),
      ask('HSET', contacts, `own-${i}`, bob),
      ask('HSET', contacts, `own-${i}`, '{}'),
      ask('HSET', contacts, `own-${i}`, bob),
    ]),
  );
  unlisten();
  assert.equal(replies.filter((reply) => reply === '-BCDB_SCHEMA_MISMATCH').length, 64);
  assert.equal(replies.filter((reply) => reply === 1).length, 65);
  assert.equal(replies.filter((reply) => reply === 0).length, 127);
  const records = fixture.bcdb.head.size - before;
  assert.ok(records >= 192 && batches < records / 2, `${records} records in ${batches} batches`);
});

test('a stranger makes room for others when all places are taken', async () => {
  await using fixture = await RespFixture.open({ limits: { maxConnections: 3 } });
  const owner = await fixture.owner();
  const sockets = [];
  for (let i = 0; i < 5; i++) {
    const client = await RespClient.connect({ port: fixture.port });
    sockets.push(client);
    await client.command(['PING']);
  }
  assert.equal(await owner('PING'), 'PONG');
  await Promise.allSettled(sockets.map((client) => client.close()));
});
