import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPolicy } from './policy.ts';

const policy = {
  dataShards: 16,
  parityShards: 4,
  chunkSizeBytes: 4 * 2 ** 20,
  compression: 'zstd',
};

test('checkPolicy gives back what is in order', () => {
  assert.deepEqual(checkPolicy(policy), policy);
  assert.deepEqual(checkPolicy({ ...policy, chunkSizeBytes: 64 * 2 ** 20 }).dataShards, 16);
});

test('checkPolicy refuses codes, sizes and compressions that do not exist', () => {
  for (const wrong of [
    { dataShards: 0 },
    { parityShards: 0 },
    { dataShards: 252 },
    { chunkSizeBytes: 2 ** 20 },
    { compression: 'gzip' },
  ]) {
    assert.throws(() => checkPolicy({ ...policy, ...wrong }), { code: 'ZSTOR_POLICY_INVALID' });
  }
});

test('checkPolicy refuses shards that are larger than a value of Zero-DB', () => {
  const large = { ...policy, chunkSizeBytes: 64 * 2 ** 20 };
  assert.throws(() => checkPolicy({ ...large, dataShards: 8 }), { code: 'ZSTOR_POLICY_INVALID' });
  assert.equal(checkPolicy({ ...large, dataShards: 9 }).dataShards, 9);
});
