import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { VerifiedVersion } from '@commongrid/s3';

import { describeVerified } from './prove.ts';

test('a verified proof is told with who says so, and steers no terminal', () => {
  const verified = {
    version: { bucket: 'b', key: 'a\u009b2J\u202eb', id: '1', sizeBytes: 1, etag: 'e' },
    anchor: { store: 'of-somebody', size: 1, root: '' },
    record: {
      ...{ seq: 0, head: { size: 1 } },
      envelope: { t: 0, log: 'log', author: 'author' },
    },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const text = describeVerified(verified as unknown as VerifiedVersion);
  assert.match(text, /^[ -~\n]*$/);
  assert.match(text, /says the store of-somebody, .* signed by author$/);
});
