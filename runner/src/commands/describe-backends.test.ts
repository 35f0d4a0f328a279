import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { BackendStatus } from '@commongrid/zstor';

import { describeBackends } from './describe-backends.ts';

function backend(no: number, state: BackendStatus['state']): BackendStatus {
  return {
    ...{ no, name: `10.0.0.${no}:9900/shards`, state, use: 'used', class: 'good' },
    ...{ shards: 1, usedBytes: 0, freeBytes: 1024 },
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
