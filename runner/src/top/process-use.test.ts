import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseProcessUse } from './process-use.ts';

test('the use of a process is read behind its name, whatever that holds', () => {
  const fields = Array.from({ length: 50 }, (_, at) => String(at + 3));
  const use = parseProcessUse(`7 (a) b (c) ${fields.join(' ')}\n`);
  assert.deepEqual(use, { cpuMs: (14 + 15) * 10, memoryBytes: 24 * 4096 });
});
