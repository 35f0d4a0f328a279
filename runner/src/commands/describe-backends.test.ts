import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { BackendStatus } from '@commongrid/zstor';

import { describeBackends } from './describe-backends.ts';

function backend(no: number, state: BackendStatus['state'], isWritable = true): BackendStatus {
  return {
    ...{ no, name: `10.0.0.${no}:9900/shards`, state, use: 'used', class: 'good' },
    ...{ shards: 1, usedBytes: 0, freeBytes: 1024, isWritable },
  };
}

test('backends are listed by their numbers, and those that do not answer are counted', () => {
  assert.equal(
    describeBackends([backend(10, 'healthy'), backend(9, 'suspect')]),
    [
      '10.0.0.9:9900/shards   suspect  1 shard  0 B used  1 KiB free',
      '10.0.0.10:9900/shards  healthy  1 shard  0 B used  1 KiB free',
      '1 backend does not answer, and may be back',
    ].join('\n'),
  );
});

test('backends that answer and take no data are counted', () => {
  const lines = describeBackends([
    backend(9, 'healthy', false),
    backend(10, 'healthy', false),
    backend(11, 'suspect', false),
  ]).split('\n');
  assert.deepEqual(lines.slice(3), [
    '1 backend does not answer, and may be back',
    '2 backends do not take data: full, or reading only',
  ]);
});
