import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abortError, errorCode, GridError, isGridError, throwIfAborted } from './errors.ts';

test('GridError becomes its published JSON when it is serialised', () => {
  const error = new GridError('ZDB_FULL', 'no room', {
    hint: 'delete something',
    retryable: true,
    details: { used: 5, price: 12n, list: [{ amount: 3n }] },
    cause: new Error('secret of this process'),
  });
  assert.deepEqual(JSON.parse(JSON.stringify(error)), {
    schema: 'grid.error.1',
    code: 'ZDB_FULL',
    message: 'no room',
    hint: 'delete something',
    retryable: true,
    details: { used: 5, price: '12', list: [{ amount: '3' }] },
  });
});

test('GridError has quiet defaults when no options are given', () => {
  const error = new GridError('A', 'b');
  assert.equal(error.retryable, false);
  assert.deepEqual(error.details, {});
  assert.equal('cause' in error, false);
  assert.deepEqual(Object.keys(error.toJSON()), [
    'schema',
    'code',
    'message',
    'retryable',
    'details',
  ]);
});

test('isGridError compares the code when one is given', () => {
  const error: unknown = new GridError('A', 'b');
  assert.ok(isGridError(error));
  assert.ok(isGridError(error, 'A'));
  assert.ok(!isGridError(error, 'B'));
  assert.ok(!isGridError(Object.assign(new Error('b'), { code: 'A' }), 'A'));
});

test('errorCode reads grid and system errors and nothing else', () => {
  assert.equal(errorCode(new GridError('A', 'b')), 'A');
  assert.equal(errorCode(Object.assign(new Error('gone'), { code: 'ENOENT' })), 'ENOENT');
  assert.equal(errorCode(Object.assign(new Error('odd'), { code: 7 })), undefined);
  assert.equal(errorCode(new Error('plain')), undefined);
  assert.equal(errorCode('text'), undefined);
});

test('throwIfAborted throws with the reason as cause once the signal has fired', () => {
  const controller = new AbortController();
  throwIfAborted(undefined);
  throwIfAborted(controller.signal);
  controller.abort('enough');
  assert.throws(() => throwIfAborted(controller.signal), { code: 'BASE_ABORTED', cause: 'enough' });
  assert.equal(abortError(controller.signal).cause, 'enough');
});
