import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { suite, test } from 'node:test';
import { isGridError } from '@commongrid/base';
import { ZdbServer } from '../src/index.ts';
import { type Asker, Door } from './support/door.ts';

const closed = '-Namespace protected and private';
const readOnly = '-Namespace is in read-only mode';
const denied = '-Access denied';

async function prove(ask: Asker, words: readonly string[], password: string): Promise<string> {
  const nonce = (await ask('AUTH', 'SECURE', 'CHALLENGE')).slice(1);
  assert.match(nonce, /^[0-9a-f]{16}$/);
  const proof = createHash('sha1').update(`${nonce}:${password}`).digest('hex');
  return ask(...words, proof);
}

suite('access', { concurrency: false }, () => {
  test('server closes the default namespace once there is an admin password', async () => {
    await using door = await Door.open({ adminPassword: 'secret' });
    const ask = await door.client();
    for (const command of [
      'GET k',
      'SET k v',
      'DEL k',
      'SCAN',
      'DBSIZE',
      'MGET k',
      'MSET k v',
      'WAIT *',
    ]) {
      assert.equal(await ask(...command.split(' ')), closed, command);
    }
    assert.equal(await ask('SELECT', 'default'), closed);
    assert.equal(await ask('SELECT', 'default', 'wrong'), denied);
    assert.equal(await ask('NSLIST'), '["default"]');
    for (const command of ['NSNEW x', 'NSSET x a b', 'NSDEL x', 'NSJUMP', 'COMPACT', 'ERASE k']) {
      assert.equal(await ask(...command.split(' ')), '-Permission denied', command);
    }
    assert.equal(await ask('AUTH', 'wrong'), denied);
    assert.equal(await ask('AUTH', 'x'.repeat(129)), '-Password too long');
    assert.equal(await ask('AUTH', 'secret'), '+OK');
    assert.equal(await ask('SET', 'k', 'v'), '"k"');
    assert.equal(await ask('NSNEW', 'x'), '+OK');
    const other = await door.client();
    assert.equal(await other('SELECT', 'default', 'secret'), '+OK');
    assert.equal(await other('GET', 'k'), '"v"');
    assert.equal(await other('SET', 'k', 'w'), '"k"');
    assert.equal(await other('NSNEW', 'y'), '-Permission denied');
    assert.equal(await other('SET', 'k', 'w', '5'), '-Permission denied');
  });

  test('server lets everybody read the default namespace under protect', async () => {
    await using door = await Door.open({ adminPassword: 'secret', protect: true });
    const ask = await door.client();
    assert.equal(await ask('GET', 'k'), 'nil');
    assert.equal(await ask('SET', 'k', 'v'), readOnly);
    assert.equal(await ask('AUTH', 'secret'), '+OK');
    assert.equal(await ask('SET', 'k', 'v'), readOnly);
    assert.equal(await ask('SELECT', 'default', 'secret'), '+OK');
    assert.equal(await ask('SET', 'k', 'v'), '"k"');
  });

  test('server asks for the password of a namespace', async () => {
    await using door = await Door.open();
    const admin = await door.client();
    await admin('NSNEW', 'ns');
    const open = await door.client();
    assert.equal(await open('SELECT', 'ns', 'needless'), '+OK');
    assert.equal(await open('SET', 'k', 'v'), '"k"');
    await admin('NSSET', 'ns', 'password', 'pass');
    const ask = await door.client();
    assert.equal(await ask('SELECT', 'ns'), '+OK');
    assert.equal(await ask('GET', 'k'), '"v"');
    assert.equal(await ask('SET', 'k', 'w'), readOnly);
    assert.equal(await ask('DEL', 'k'), readOnly);
    await admin('NSSET', 'ns', 'public', '0');
    assert.equal(await ask('SELECT', 'ns'), closed);
    assert.equal(await ask('SELECT', 'ns', 'wrong'), denied);
    assert.equal(await ask('SELECT', 'ns', 'x'.repeat(256)), '-Password too long');
    assert.equal(await ask('SELECT', 'ns', 'pass', 'more'), '-Too many arguments');
    assert.equal(await ask('SELECT', 'ns', 'pass'), '+OK');
    assert.equal(await ask('SET', 'k', 'w'), '"k"');
    await admin('NSSET', 'ns', 'password', '*');
    assert.equal(await (await door.client())('SELECT', 'ns'), '+OK');
  });

  test('server takes proofs of passwords, each nonce once', async () => {
    await using door = await Door.open({ adminPassword: 'secret' });
    const ask = await door.client();
    const unasked = '-No CHALLENGE requested, secure authentication not available';
    assert.equal(await ask('AUTH', 'SECURE', 'x'.repeat(40)), unasked);
    assert.equal(await ask('AUTH', 'OTHER', 'x'), '-Only SECURE extra method supported');
    assert.match(await ask('AUTH', 'SECURE', 'CHALLENGE'), /^\+/);
    assert.equal(await ask('AUTH', 'SECURE', 'short'), '-Invalid hash length');
    assert.equal(await ask('AUTH', 'SECURE', 'x'.repeat(40)), unasked);
    assert.equal(await prove(ask, ['AUTH', 'SECURE'], 'wrong'), denied);
    assert.equal(await prove(ask, ['AUTH', 'SECURE'], 'secret'), '+OK');
    await ask('NSNEW', 'ns');
    await ask('NSSET', 'ns', 'password', 'pass');
    assert.equal(await prove(ask, ['SELECT', 'ns', 'SECURE'], 'secret'), denied);
    assert.equal(await prove(ask, ['SELECT', 'ns', 'SECURE'], 'pass'), '+OK');
    assert.equal(await ask('SET', 'k', 'v'), '"k"');
  });

  test('server takes the password as clients of Redis send it', async () => {
    await using door = await Door.open({ adminPassword: 'secret' });
    for (const protocol of [2, 3] as const) {
      const ask = await door.client({ protocol, password: 'secret' });
      assert.equal(await ask('SET', 'k', `v${protocol}`), '"k"');
    }
    const ask = await door.client();
    assert.equal(await ask('AUTH', 'default', 'secret'), '+OK');
    assert.equal(await ask('RESET'), '+RESET');
    assert.equal(await ask('GET', 'k'), closed);
    assert.equal(await ask('HELLO', '3', 'AUTH', 'default', 'wrong'), denied);
    assert.equal(await ask('GET', 'k'), closed);
  });

  test('server tells clients of a removed namespace and closes them', async () => {
    await using door = await Door.open();
    const admin = await door.client();
    await admin('NSNEW', 'ns');
    const ask = await door.client();
    await ask('SELECT', 'ns');
    await admin('NSDEL', 'ns');
    await admin('NSNEW', 'ns');
    const removed = '-Your active namespace is not available anymore (probably removed).';
    assert.equal(await ask('GET', 'k'), removed);
    await assert.rejects(ask('PING'), (error) => isGridError(error, 'RESP_CONNECTION_LOST'));
  });

  test('server keeps clients of a flushed namespace in it', async () => {
    await using door = await Door.open();
    const [admin, other] = [await door.client(), await door.client()];
    await admin('NSNEW', 'ns');
    await admin('NSSET', 'ns', 'password', 'pass');
    await admin('NSSET', 'ns', 'public', '0');
    await admin('NSSET', 'ns', 'epoch', '4');
    for (const ask of [admin, other]) await ask('SELECT', 'ns', 'pass', 'EPOCH', '4');
    await other('SET', 'k', 'v');
    assert.equal(await admin('FLUSH'), '+OK');
    assert.equal(await other('GET', 'k'), 'nil');
    assert.equal(await other('SET', 'k', 'w'), '"k"');
    assert.equal(await admin('GET', 'k'), '"w"');
  });

  test('server refuses writers of a former epoch, on open connections too', async () => {
    await using door = await Door.open();
    const [old, next, admin] = [await door.client(), await door.client(), await door.client()];
    await admin('NSNEW', 'ns');
    assert.equal(await old('SELECT', 'ns'), '+OK');
    assert.equal(await old('SET', 'k', '1'), '"k"');
    assert.equal(await old('EPOCH', '3'), '-Fenced');
    assert.equal(await next('SELECT', 'ns', 'EPOCH', '1'), '+OK');
    assert.equal(await old('SET', 'k', '2'), readOnly);
    assert.equal(await old('GET', 'k'), '"1"');
    assert.equal(await old('EPOCH', '1'), '+OK');
    assert.equal(await old('SET', 'k', '2'), '"k"');
    assert.equal(await next('SELECT', 'ns', 'EPOCH', '2'), '+OK');
    assert.equal(await old('SET', 'k', '3'), '-Fenced');
    assert.equal(await old('DEL', 'k'), '-Fenced');
    assert.equal(await old('MSET', 'k', '3'), '-Fenced');
    assert.equal(await old('SELECT', 'ns', 'EPOCH', '1'), '-Fenced');
    assert.equal(await old('SELECT', 'ns', 'EPOCH', '-1'), '-Invalid argument');
    assert.equal(await next('SET', 'k', '4'), '"k"');
    assert.equal(await admin('NSSET', 'ns', 'epoch', '2'), '-Fenced');
    assert.equal(await admin('NSSET', 'ns', 'epoch', '7'), '+OK');
    assert.equal(await next('SET', 'k', '5'), '-Fenced');
    assert.equal(await next('EPOCH', '7'), '+OK');
    assert.equal(await next('SET', 'k', '5'), '"k"');
    await admin('NSSET', 'ns', 'password', 'pass');
    const guest = await door.client();
    assert.equal(await guest('SELECT', 'ns', 'EPOCH', '8'), readOnly);
    assert.equal(await guest('SELECT', 'ns', 'pass', 'EPOCH', '8'), '+OK');
  });

  test('server lets in one of those that bring the same epoch as a new one', async () => {
    await using door = await Door.open();
    const [one, two, admin] = [await door.client(), await door.client(), await door.client()];
    await admin('NSNEW', 'ns');
    const answers = await Promise.all(
      [one, two].map((ask) => ask('SELECT', 'ns', 'EPOCH', '5', 'NEW')),
    );
    assert.deepEqual(answers.toSorted(), ['+OK', '-Fenced']);
    const [winner, loser] = answers[0] === '+OK' ? [one, two] : [two, one];
    assert.equal(await winner('SET', 'k', 'v'), '"k"');
    assert.equal(await loser('SELECT', 'ns'), '+OK');
    assert.equal(await loser('SET', 'k', 'w'), readOnly);
    assert.equal(await winner('SELECT', 'ns', 'EPOCH', '5', 'NEW'), '-Fenced');
    assert.equal(await winner('SELECT', 'ns', 'EPOCH', '5'), '+OK');
    assert.equal(await loser('SELECT', 'ns', 'EPOCH', '4', 'NEW'), '-Fenced');
    assert.equal(await loser('SELECT', 'ns', 'EPOCH', 'x', 'NEW'), '-Invalid argument');
    await admin('NSSET', 'ns', 'password', 'EPOCH');
    await admin('NSSET', 'ns', 'public', '0');
    assert.equal(await loser('SELECT', 'ns', 'EPOCH', '6', 'NEW'), closed);
    assert.equal(await loser('SELECT', 'ns', 'EPOCH', 'EPOCH', '6', 'NEW'), '+OK');
    assert.equal(await winner('SET', 'k', 'x'), '-Fenced');
  });

  test('server is not opened to others without a password', async () => {
    const options = { dataDir: '/nowhere', listen: [{ host: '0.0.0.0', port: 0 }] };
    await assert.rejects(ZdbServer.open(options), (error) =>
      isGridError(error, 'ZDB_PASSWORD_REQUIRED'),
    );
  });

  test('server keeps who showed no password to small requests', async () => {
    await using door = await Door.open({ adminPassword: 'secret' });
    const ask = await door.client();
    assert.equal(await ask('PING', Buffer.alloc(100_000)), '-Payload too big');
    const admin = await door.client({ password: 'secret' });
    assert.equal((await admin('PING', Buffer.alloc(100_000))).length, 100_002);
  });
});
