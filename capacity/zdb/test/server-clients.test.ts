import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { Door } from './support/door.ts';

const run = promisify(execFile);

/** Programs and libraries that people have: each connects, works, and has nothing to complain of. */
suite('clients', { concurrency: false }, () => {
  test('redis-cli works without a complaint', async () => {
    await using door = await Door.open({ adminPassword: 'secret' });
    const base = ['-p', String(door.port), '--no-auth-warning', '-a', 'secret'];
    const ask = async (...args: string[]): Promise<string> => {
      const { stdout, stderr } = await run('redis-cli', [...base, ...args]);
      assert.equal(stderr, '');
      return stdout;
    };
    assert.equal(await ask('SET', 'k', 'v'), 'k\n');
    assert.equal(await ask('-3', 'GET', 'k'), 'v\n');
    assert.match(await ask('INFO', 'server'), /redis_version:\d/);
    assert.match(await ask('--user', 'default', 'NSLIST'), /^default\n$/);
    assert.match(await ask('COMMAND', 'DOCS', 'GET'), /summary/);
  });

  test('redis-benchmark works without a warning', async () => {
    await using door = await Door.open();
    const args = ['-p', String(door.port), '-t', 'set,get,ping,mset', '-n', '2000', '-P', '8'];
    const { stdout, stderr } = await run('redis-benchmark', [...args, '-r', '1000', '--csv']);
    assert.doesNotMatch(stdout + stderr, /warn|error/i);
    for (const name of ['PING_INLINE', 'SET', 'GET', 'MSET (10 keys)']) {
      assert.ok(stdout.includes(`"${name}","`), name);
    }
  });

  test('node-redis works in both protocols', async () => {
    await using door = await Door.open({ adminPassword: 'secret' });
    for (const RESP of [2, 3] as const) {
      const errors: unknown[] = [];
      const client = createClient({
        socket: { host: '127.0.0.1', port: door.port },
        password: 'secret',
        RESP,
        name: 'tester',
      });
      client.on('error', (error: unknown) => errors.push(error));
      await client.connect();
      assert.equal(await client.set('k', `v${RESP}`), 'k');
      assert.equal(await client.get('k'), `v${RESP}`);
      assert.deepEqual(await client.mGet(['k', 'nix']), [`v${RESP}`, null]);
      assert.equal(await client.exists('k'), 1);
      assert.equal(await client.dbSize(), 1);
      assert.match(await client.info(), /redis_version/);
      assert.equal(await client.clientGetName(), 'tester');
      await client.close();
      assert.deepEqual(errors, []);
    }
  });

  test('ioredis works', async () => {
    await using door = await Door.open({ adminPassword: 'secret' });
    const errors: unknown[] = [];
    const client = new Redis({ port: door.port, password: 'secret', lazyConnect: true });
    client.on('error', (error) => errors.push(error));
    await client.connect();
    assert.equal(await client.set('k', 'v'), 'k');
    assert.equal(await client.get('k'), 'v');
    assert.deepEqual(await client.pipeline().set('a', '1').get('a').exec(), [
      [null, 'a'],
      [null, '1'],
    ]);
    await client.quit();
    assert.deepEqual(errors, []);
  });

  test('python3-redis works', async () => {
    await using door = await Door.open({ adminPassword: 'secret' });
    const program = `
import redis
client = redis.Redis(port=${door.port}, password='secret')
assert client.ping()
client.set('k', 'v')
assert client.get('k') == b'v'
assert client.mget('k', 'nix') == [b'v', None]
assert client.exists('k') == 1
assert client.info()['redis_version'][0].isdigit()
assert client.config_get('save') == {'save': ''}
pipe = client.pipeline(transaction=False)
pipe.get('k').echo('x')
assert pipe.execute() == [b'v', b'x']
print('well')
`;
    const { stdout, stderr } = await run('/usr/bin/python3', ['-W', 'error', '-c', program]);
    assert.equal(stdout, 'well\n');
    assert.equal(stderr, '');
  });
});
