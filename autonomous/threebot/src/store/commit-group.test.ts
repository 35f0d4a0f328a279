import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { CommitGroup } from './commit-group.ts';

function open(): DatabaseSync {
  const db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE t (n INTEGER PRIMARY KEY)');
  return db;
}

function rows(db: DatabaseSync): readonly number[] {
  return db
    .prepare('SELECT n FROM t ORDER BY n')
    .all()
    .map(({ n }) => Number(n));
}

test('parts of one turn are committed together, and one that fails leaves no trace', async () => {
  using db = open();
  const group = new CommitGroup(db);
  const add = (n: number): Promise<number> =>
    group.run(() => {
      db.exec(`INSERT INTO t VALUES (${n})`);
      if (n === 2) throw new Error('the second');
      return n;
    });
  const results = await Promise.allSettled([1, 2, 3].map(add));
  assert.deepEqual(
    results.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason))),
    [1, 'Error: the second', 3],
  );
  assert.deepEqual(rows(db), [1, 3]);
  assert.equal(db.isTransaction, false);
});

test('more parts than one transaction takes are all done', async () => {
  using db = open();
  const group = new CommitGroup(db);
  const numbers = Array.from({ length: 1_000 }, (_one, n) => n);
  await Promise.all(numbers.map((n) => group.run(() => db.exec(`INSERT INTO t VALUES (${n})`))));
  assert.deepEqual(rows(db), numbers);
});

test('when the commit fails no part of it counts', async () => {
  using db = open();
  db.exec(
    'PRAGMA foreign_keys = ON; CREATE TABLE c (n REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)',
  );
  const group = new CommitGroup(db);
  const results = await Promise.allSettled([
    group.run(() => db.exec('INSERT INTO t VALUES (1)')),
    group.run(() => db.exec('INSERT INTO c VALUES (99)')),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.deepEqual(rows(db), []);
});
