import assert from 'node:assert/strict';
import { test } from 'node:test';

import { errorCodesOf, errorPage } from './error-codes.ts';

const text = `/** Failures of the store. */
export type StoreErrorCode =
  | 'STORE_FULL' // no room: make some
  // the other side left: call again
  | 'STORE_GONE'
  /** asked for nothing: ask for something */
  | 'STORE_EMPTY'
  | 'STORE_MUTE';
`;

test('codes are read with the comment behind or above them', () => {
  assert.deepEqual(errorCodesOf(text), [
    { code: 'STORE_FULL', meaning: 'no room: make some' },
    { code: 'STORE_GONE', meaning: 'the other side left: call again' },
    { code: 'STORE_EMPTY', meaning: 'asked for nothing: ask for something' },
    { code: 'STORE_MUTE', meaning: '' },
  ]);
});

test('the page of errors has a row for each code', () => {
  const page = errorPage([{ path: 'low/store/src/errors.ts', text }]);
  assert.match(page, /^## low\/store$/m);
  assert.match(page, /^\| `STORE_FULL` \| no room: make some \|$/m);
});
