import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { runProgram } from '@commongrid/base';

const program = fileURLToPath(new URL('support/print-addresses.ts', import.meta.url));

test('a machine is reached where its links lead out, and not at those of what runs on it', async () => {
  const name = `addr-${randomBytes(4).toString('hex')}`;
  await using stack = new AsyncDisposableStack();
  await runProgram('ip', ['netns', 'add', name]);
  stack.defer(async () => void (await runProgram('ip', ['netns', 'delete', name])));
  const inside = (...words: readonly string[]): Promise<string> =>
    runProgram('ip', ['netns', 'exec', name, ...words]);
  const found = async (): Promise<readonly string[]> =>
    (await inside(process.execPath, program)).split('\n').slice(0, -1);
  const ip = (line: string): Promise<string> => inside('ip', ...line.split(' '));

  await ip('link set lo up');
  assert.deepEqual(await found(), []);
  // The way out, with what is not for others; a bridge and a link of containers, which lead nowhere.
  for (const line of [
    'link add out type veth peer name far',
    'link add bridge type bridge',
    'link add one type veth peer name two',
    'link set one master bridge',
    ...['out', 'far', 'bridge', 'one', 'two'].map((link) => `link set ${link} up`),
    'address add 192.0.2.7/24 dev out',
    'address add 10.1.2.3/24 dev out',
    'address add 169.254.7.7/16 dev out',
    'address add 2001:db8::7/64 dev out nodad',
    'address add 2001:db8::8/64 dev out nodad preferred_lft 0',
    'address add fd00::7/64 dev out nodad',
    'address add 172.17.0.1/16 dev bridge',
    'address add 10.156.0.1/32 dev two',
  ]) {
    await ip(line);
  }
  assert.deepEqual(await found(), [], 'no link leads out');
  await ip('route add default via 192.0.2.1 dev out');
  const all = ['ip://192.0.2.7', 'ip://[2001:db8::7]', 'ip://10.1.2.3', 'ip://[fd00::7]'];
  assert.deepEqual(await found(), all);
  await ip('route delete default');
  await ip('-6 route add default via 2001:db8::1 dev out');
  assert.deepEqual(await found(), all);
  await ip('address delete 192.0.2.7/24 dev out');
  assert.deepEqual(await found(), all.slice(1));
});
