import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GridError } from '@commongrid/base';

import { exitStatusOf } from '../../exit-status.ts';
import { refusalOf } from './server-refusal.ts';

test('refusal of a server has the exit status of its meaning and a next step', () => {
  for (const [text, status] of [
    ['Namespace not found', 3],
    ['This namespace is not available', 5],
    ['Permission denied', 4],
    ['Access denied', 4],
    ['Authentication disabled', 4],
    ['Namespace protected and private', 4],
    ['Not enough free disk space for this reservation', 7],
    ['Invalid property value (expected: 0, 1)', 2],
    ['This name is not allowed', 2],
    ['Fenced', 5],
    ['Namespace is protected by worm mode', 5],
    ['not promoted: term 5 is known already', 5],
  ] as const) {
    const error = refusalOf(new GridError('RESP_REPLY_ERROR', text));
    assert.ok(error instanceof GridError, text);
    assert.equal(error.message, text);
    assert.equal(exitStatusOf(error.code), status, text);
    assert.ok((error.hint ?? '') !== '', text);
  }
});

test('refusal of a server that nobody knows stays as it is, and so do other errors', () => {
  const odd = new GridError('RESP_REPLY_ERROR', 'Internal Error');
  assert.equal(refusalOf(odd), odd);
  const other = new Error('Namespace not found');
  assert.equal(refusalOf(other), other);
});
