import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GridError } from '@commongrid/base';

import { PromiseBook } from './promise-book.ts';

const broken = async (): Promise<void> => {
  throw new Error('money: some is missing');
};

test('a promise is counted each time that it was kept, with its last figure', async () => {
  const book = new PromiseBook();
  await book.hold('money', () => '1 escrow');
  await book.hold('money', async () => '2 escrows');
  const fails = async (): Promise<string> => {
    throw new Error('money: some is missing');
  };
  await assert.rejects(book.hold('money', fails), /some is missing/);
  assert.deepEqual(book.promises, [{ name: 'money', checks: 2, figure: '2 escrows' }]);
});

test('what is found broken in the end is told once, and does not keep the rest from being looked at', async () => {
  const book = new PromiseBook();
  await book.attempt(broken);
  await book.attempt(broken);
  await book.attempt(async () => {
    throw new GridError('BCDB_LOG_FORKED', 'two heads');
  });
  assert.deepEqual(book.broken, ['money: some is missing', 'BCDB_LOG_FORKED: two heads']);
});

test('an end from outside is no broken promise', async () => {
  const book = new PromiseBook();
  const ended = book.attempt(async () => {
    throw new GridError('BASE_ABORTED', 'it was ended');
  });
  await assert.rejects(ended, /it was ended/);
  assert.deepEqual(book.broken, []);
});

test('what was found broken beside is thrown from then on', () => {
  const book = new PromiseBook();
  book.requireWhole();
  book.fails(new Error('once: two of them'));
  book.fails(new Error('another'));
  assert.throws(() => book.requireWhole(), /once: two of them/);
  assert.throws(() => book.requireWhole(), /once: two of them/);
});
