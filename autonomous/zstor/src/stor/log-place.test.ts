import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendSpec } from '../backends/backends-file.ts';
import { firstMembersOf } from './log-place.ts';

function specOf(node: string, port: number, log?: string): BackendSpec {
  const place = { node, farm: 'attic', country: 'BE', isSpare: false };
  const address = { host: '127.0.0.1', port, namespace: 'shards', log };
  return { ...place, ...address, password: undefined, tlsFingerprint: undefined };
}

test('a log begins on the first 2m + 1 nodes that have a place for it', () => {
  const specs = [
    specOf('a', 1, 'log'),
    specOf('a', 2, 'log'),
    specOf('b', 3),
    specOf('c', 4, 'log'),
    specOf('d', 5, 'log'),
    specOf('e', 6, 'log'),
  ];
  assert.deepEqual(firstMembersOf(specs, 1), [
    '127.0.0.1:1/log',
    '127.0.0.1:4/log',
    '127.0.0.1:5/log',
  ]);
  assert.throws(() => firstMembersOf(specs, 2), { code: 'ZSTOR_BACKENDS_INVALID' });
});
