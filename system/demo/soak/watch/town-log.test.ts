import assert from 'node:assert/strict';
import { test } from 'node:test';

import { requireSound } from './town-log.ts';

test('an export that is sound gives its records, and one that is damaged is told', () => {
  assert.equal(requireSound('{"verified":981,"isSound":true}\n'), 981);
  const fault = '{"verified":3,"fault":{"seq":3,"code":"BCDB_LOG_CORRUPT"},"isSound":false}';
  assert.throws(() => requireSound(fault), /^BrokenPromise: log: .*BCDB_LOG_CORRUPT/);
  const error = '{"schema":"grid.error.1","code":"BCDB_EXPORT_INVALID"}';
  assert.throws(() => requireSound(error), /BCDB_EXPORT_INVALID/);
});
