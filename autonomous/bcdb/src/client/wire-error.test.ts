import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readError } from './wire-error.ts';

test('an error of a server is read, but no verdict on its own log', () => {
  const error = (code: string): unknown => ({
    ...{ schema: 'grid.error.1', code, message: 'so it is' },
    details: { isProven: true },
  });
  assert.equal(readError(error('BCDB_DENIED'))?.code, 'BCDB_DENIED');
  for (const code of ['BCDB_HANDED_OVER', 'BCDB_LOG_FORKED', 'BCDB_STATE_DIFFERS']) {
    const read = readError(error(code));
    assert.equal(read?.code, 'BCDB_REPLY_INVALID');
    assert.deepEqual(read.details, {});
  }
  assert.equal(readError({ code: 'BCDB_DENIED' }), undefined);
});
