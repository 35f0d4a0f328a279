import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { contact, contacts, ownerToken, RespFixture } from './resp-fixture.ts';

const run = promisify(execFile);

const ada = '{"about":"writes programs","name":"Ada"}';
const bob = '{"name":"Bob"}';

/** Programs and libraries that people have: each connects, works, and has nothing to complain of. */
suite('clients', { concurrency: false }, () => {
  test('redis-cli does the tour', async () => {
    await using fixture = await RespFixture.open();
    const base = ['-p', String(fixture.port), '--no-auth-warning', '-a', ownerToken];
    const ask = async (...args: string[]): Promise<string> => {
      const { stdout, stderr } = await run('redis-cli', [...base, ...args]);
      assert.equal(stderr, '');
      return stdout.trimEnd();
    };
    assert.equal(await ask('HSET', contacts, 'ada', ada, 'bob', bob), '2');
    assert.equal(await ask('-3', 'HGET', contacts, 'ada'), ada);
    assert.equal(await ask('GET', `${contacts}/bob`), bob);
    assert.equal(await ask('HDEL', contacts, 'bob'), '1');
    assert.equal(await ask('--scan'), (await scanned(fixture.port)).join('\n'));
    assert.match(await ask('XRANGE', 'people:log', '-', '+', 'COUNT', '1'), /leaf/);
    assert.match(await ask('INFO', 'server'), /redis_version:\d/);
    assert.match(await ask('COMMAND', 'DOCS', 'HGET'), /summary/);
    assert.match(await ask('BCDB.SEARCH', contacts, 'programs'), /^ada\n/);
    assert.match(await ask('BCDB.CHECKPOINT'), /^commongrid/);
    assert.match(
      await ask('--user', 'default', 'HSET', contacts, 'x', '{}'),
      /^BCDB_SCHEMA_MISMATCH/,
    );
  });

  test('redis-benchmark works without a warning', async () => {
    await using fixture = await RespFixture.open();
    await fixture.bcdb.write({
      ns: 'people',
      op: 'put',
      url: contact,
      obj: 'bob',
      value: { name: 'Bob' },
    });
    const args = ['-p', String(fixture.port), '-a', ownerToken, '-n', '1000', '-c', '8'];
    for (const command of [
      ['HGET', contacts, 'bob'],
      ['HSET', contacts, 'k__rand_int__', bob],
    ]) {
      const options = ['-r', '100', '--csv', ...command];
      const { stdout, stderr } = await run('redis-benchmark', [...args, ...options]);
      assert.doesNotMatch(stdout + stderr, /warn|error/i);
    }
  });

  test('node-redis does the tour in both protocols', async () => {
    await using fixture = await RespFixture.open();
    for (const RESP of [2, 3] as const) {
      const errors: unknown[] = [];
      const client = createClient({
        socket: { host: '127.0.0.1', port: fixture.port },
        password: ownerToken,
        RESP,
        name: 'tester',
      });
      client.on('error', (error: unknown) => errors.push(error));
      await client.connect();
      const id = `ada${RESP}`;
      assert.equal(await client.hSet(contacts, id, ada), 1);
      assert.equal(await client.hGet(contacts, id), ada);
      assert.deepEqual(await client.hmGet(contacts, [id, 'nobody']), [ada, null]);
      assert.equal((await client.hGetAll(contacts))[id], ada);
      assert.equal(await client.hExists(contacts, id), 1);
      assert.equal(await client.set(`${contacts}/bob`, bob), 'OK');
      assert.equal(await client.get(`${contacts}/bob`), bob);
      assert.equal(await client.type(contacts), 'hash');
      const fields: string[] = [];
      for await (const page of client.hScanIterator(contacts, { COUNT: 1 })) {
        fields.push(...page.map(({ field }) => field));
      }
      assert.deepEqual(fields, (await client.hKeys(contacts)).toSorted());
      const keys: string[] = [];
      for await (const page of client.scanIterator({ COUNT: 1 })) keys.push(...page);
      assert.equal(keys.length, await client.dbSize());
      const [last] = (await client.xRevRange('people:log', '+', '-', { COUNT: 1 })) ?? [];
      assert.match(last?.message['leaf'] ?? '', /"obj":"bob"/);
      const read = await client.xRead({ key: 'people:log', id: '0' }, { COUNT: 1 });
      assert.ok(read !== null);
      assert.equal(await client.xLen('people:log'), await count(fixture));
      assert.match(await client.info(), /redis_version/);
      assert.equal(await client.clientGetName(), 'tester');
      const note = await client.sendCommand<string>(['BCDB.CHECKPOINT']);
      assert.match(note, /^commongrid/);
      await client.close();
      assert.deepEqual(errors, []);
    }
  });

  test('ioredis does the tour', async () => {
    await using fixture = await RespFixture.open();
    const errors: unknown[] = [];
    const client = new Redis({ port: fixture.port, password: ownerToken, lazyConnect: true });
    client.on('error', (error) => errors.push(error));
    await client.connect();
    assert.equal(await client.hset(contacts, 'ada', ada, 'bob', bob), 2);
    assert.equal(await client.hget(contacts, 'ada'), ada);
    assert.deepEqual(await client.hgetall(contacts), { ada, bob });
    assert.deepEqual(await client.hscan(contacts, 0), ['0', ['ada', ada, 'bob', bob]]);
    assert.deepEqual(await client.pipeline().hdel(contacts, 'bob').hlen(contacts).exec(), [
      [null, 1],
      [null, 1],
    ]);
    const [page] = (await client.xread('COUNT', 1, 'STREAMS', 'people:log', '0')) ?? [];
    assert.equal(page?.[0], 'people:log');
    assert.equal(page?.[1][0]?.[1][0], 'leaf');
    await client.quit();
    assert.deepEqual(errors, []);
  });

  test('python3-redis does the tour', async () => {
    await using fixture = await RespFixture.open();
    const program = `
import json, redis
client = redis.Redis(port=${fixture.port}, password='${ownerToken}')
key = '${contacts}'
ada = json.dumps({'name': 'Ada', 'about': 'writes programs'})
assert client.ping()
assert client.hset(key, 'ada', ada) == 1
assert client.hset(key, mapping={'ada': ada, 'bob': ada}) == 1
assert json.loads(client.hget(key, 'ada'))['name'] == 'Ada'
assert client.hlen(key) == 2
assert client.hkeys(key) == [b'ada', b'bob']
assert sorted(dict(client.hscan_iter(key, count=1))) == [b'ada', b'bob']
assert len(list(client.scan_iter(count=1))) == client.dbsize()
assert client.get(key + '/ada') == client.hget(key, 'ada')
assert client.delete(key + '/ada') == 1
assert client.hdel(key, 'bob', 'eve') == 1
assert client.exists(key) == 1
entries = client.xrange('people:log')
assert len(entries) == client.xlen('people:log')
assert b'leaf' in entries[0][1]
assert client.xread({'people:log': '0'}, count=1)[0][0] == b'people:log'
assert client.execute_command('BCDB.CHECKPOINT').startswith(b'commongrid')
assert client.info()['redis_version'][0].isdigit()
try:
    client.hset(key, 'x', '{}')
    assert False
except redis.exceptions.ResponseError as error:
    assert str(error).startswith('BCDB_SCHEMA_MISMATCH'), error
print('well')
`;
    const { stdout, stderr } = await run('/usr/bin/python3', ['-W', 'error', '-c', program]);
    assert.equal(stdout, 'well\n');
    assert.equal(stderr, '');
  });
});

async function scanned(port: number): Promise<readonly string[]> {
  const client = new Redis({ port, password: ownerToken });
  const [, keys] = await client.scan(0, 'COUNT', 1000);
  await client.quit();
  return keys;
}

/** Records of the namespace, counted in the log itself. */
async function count({ bcdb }: RespFixture): Promise<number> {
  let found = 0;
  for await (const group of bcdb.read(0, bcdb.head.size)) {
    found += group.filter(({ leaf }) => Buffer.from(leaf).includes('"ns":"people"')).length;
  }
  return found;
}
