import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';

import { inTransaction } from './in-transaction.ts';

function open(): DatabaseSync {
  const db = new DatabaseSync(':memory:');
  db.exec('PRAGMA page_size = 512; CREATE TABLE t (bytes BLOB)');
  return db;
}

function rows(db: DatabaseSync): unknown {
  return db.prepare('SELECT count(*) AS count FROM t').get()?.['count'];
}

test('what is done in a transaction stays, and its result is given', () => {
  using db = open();
  const result = inTransaction(db, () => {
    db.exec('INSERT INTO t VALUES (1)');
    return 'done';
  });
  assert.equal(result, 'done');
  assert.equal(rows(db), 1);
});

test('when a part fails nothing of it stays, and its error is thrown', () => {
  using db = open();
  const work = (): void => {
    db.exec('INSERT INTO t VALUES (1)');
    throw new Error('a part');
  };
  assert.throws(() => inTransaction(db, work), /a part/);
  assert.equal(rows(db), 0);
  assert.equal(db.isTransaction, false);
});

test('a full disk is told as such', () => {
  using db = open();
  db.exec('PRAGMA max_page_count = 20');
  const work = (): void => {
    db.exec('INSERT INTO t VALUES (zeroblob(100000))');
  };
  assert.throws(() => inTransaction(db, work), /full/);
  assert.equal(rows(db), 0);
});
