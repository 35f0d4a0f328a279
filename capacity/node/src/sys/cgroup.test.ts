import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseCpuList } from './cgroup.ts';

test('a list of CPUs is read as the kernel writes it', () => {
  assert.deepEqual(parseCpuList('0'), [0]);
  assert.deepEqual(parseCpuList('0-3,7'), [0, 1, 2, 3, 7]);
  assert.deepEqual(parseCpuList('2,4-5'), [2, 4, 5]);
});
