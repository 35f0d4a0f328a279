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
  // Of what it is given a server may say so; who only asks could be halted with it.
  for (const code of ['BCDB_SIGNATURE_INVALID', 'BCDB_VALIDATOR_UNKNOWN']) {
    assert.equal(readError(error(code))?.code, code);
    assert.equal(readError(error(code), true)?.code, 'BCDB_REPLY_INVALID');
  }
  assert.equal(readError({ code: 'BCDB_DENIED' }), undefined);
});
