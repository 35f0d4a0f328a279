import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHello } from './hello.ts';
import { requestOf } from './testing/request-of.ts';

test('HELLO is read in each of its forms', () => {
  const none = { protocol: undefined, name: undefined, userAt: undefined };
  assert.deepEqual(readHello(requestOf('HELLO')), none);
  assert.deepEqual(readHello(requestOf('HELLO', '2')), { ...none, protocol: 2 });
  const full = requestOf('HELLO', '3', 'setname', 'me', 'AUTH', 'default', 'secret');
  assert.deepEqual(readHello(full), { protocol: 3, name: 'me', userAt: 5 });
});

test('HELLO is refused for what is wrong with it', () => {
  const cases = {
    protocol: [['4'], ['three'], ['AUTH', 'default', 'secret']],
    name: [
      ['3', 'SETNAME', 'a b'],
      ['3', 'SETNAME', 'a\nb'],
      ['3', 'SETNAME', 'x'.repeat(129)],
    ],
    arguments: [
      ['3', 'AUTH', 'default'],
      ['3', 'SETNAME'],
      ['3', 'NIX'],
    ],
  };
  for (const [problem, requests] of Object.entries(cases)) {
    for (const args of requests) {
      assert.equal(readHello(requestOf('HELLO', ...args)), problem, args.join(' '));
    }
  }
});
