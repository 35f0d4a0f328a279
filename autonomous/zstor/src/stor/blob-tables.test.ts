import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { numberBackend, settleBackend } from './backend-tables.ts';
import { findBlob, insertBlob, releaseBlob, retainBlob } from './blob-tables.ts';
import { findFile, listFiles, removeFile, setFile, storSchema } from './file-tables.ts';

function openTables(): DatabaseSync {
  const db = new DatabaseSync(':memory:');
  for (const script of storSchema) db.exec(script);
  return db;
}

function put(db: DatabaseSync, name: string, no: number): void {
  const id = Buffer.alloc(16, no);
  const chunk = { id: Buffer.alloc(16, 100 + no), plaintextBytes: no };
  const record = {
    ...{ id: chunk.id, kind: 'copied' as const, dataShards: 1, parityShards: 2 },
    ...{ bodyBytes: no + 16, locations: [1, 2, 3], digests: [Buffer.alloc(32)] },
  };
  insertBlob(db, { id, keyNo: 0, wrappedKey: Buffer.alloc(60), chunks: [chunk] }, [record]);
  setFile(db, { name, sizeBytes: no, sha256: 'ab'.repeat(32), atMs: 1 }, id);
}

function namesIn(db: DatabaseSync, prefix: string, after: string, limit = 10): string[] {
  return listFiles(db, prefix, after, limit).map(({ name }) => name);
}

test('files are listed by prefix, page by page, in the order of their UTF-8', () => {
  using db = openTables();
  for (const [no, name] of ['b', 'a/2', 'a/é', 'a/1', 'a', 'a/\u{1F600}', '%'].entries()) {
    put(db, name, no + 1);
  }
  assert.deepEqual(namesIn(db, 'a/', ''), ['a/1', 'a/2', 'a/é', 'a/\u{1F600}']);
  assert.deepEqual(namesIn(db, '', '', 3), ['%', 'a', 'a/1']);
  assert.deepEqual(namesIn(db, '', 'a/é'), ['a/\u{1F600}', 'b']);
  assert.deepEqual(namesIn(db, 'a/', 'b'), []);
  assert.deepEqual(namesIn(db, '%', ''), ['%']);
});

test('chunks of a file are dead once it is replaced or removed, and its key is gone', () => {
  using db = openTables();
  const dead = (): number[] =>
    db
      .prepare('SELECT chunk FROM dead')
      .all()
      .map(({ chunk }) => (chunk instanceof Uint8Array ? (chunk[0] ?? 0) : 0));
  put(db, 'one', 1);
  put(db, 'two', 2);
  put(db, 'one', 3);
  assert.deepEqual(dead(), [101]);
  assert.equal(findBlob(db, Buffer.alloc(16, 1)), undefined);
  assert.equal(findFile(db, 'one')?.file.sizeBytes, 3);
  assert.equal(removeFile(db, 'two'), true);
  assert.equal(removeFile(db, 'two'), false);
  assert.deepEqual(dead(), [101, 102]);
  assert.deepEqual(findBlob(db, Buffer.alloc(16, 3))?.chunks[0]?.plaintextBytes, 3);
});

test('a blob that two rows refer to goes with the second', () => {
  using db = openTables();
  put(db, 'one', 1);
  const id = Buffer.alloc(16, 1);
  retainBlob(db, id);
  releaseBlob(db, id);
  assert.notEqual(findBlob(db, id), undefined);
  releaseBlob(db, id);
  assert.equal(findBlob(db, id), undefined);
  assert.equal(db.prepare('SELECT count(*) AS n FROM dead').get()?.['n'], 1);
});

test('a backend keeps its number', () => {
  using db = openTables();
  const numbers = ['a', 'b', 'a', 'c', 'b'].map((name) => numberBackend(db, name));
  assert.deepEqual(numbers, [1, 2, 1, 3, 2]);
});

test('a marker says which backend a namespace is, whatever its name says', () => {
  using db = openTables();
  const listed = new Set(['a', 'b']);
  const mayBe = (name: string): boolean => listed.has(name);
  const settle = (name: string, no: number, found?: number): number | undefined =>
    settleBackend(db, { name, no, found, mayBe });
  const a = numberBackend(db, 'a');
  const b = numberBackend(db, 'b');
  // New: it is given its marker, and has it from then on.
  assert.equal(settle('a', a), a);
  assert.equal(settle('a', a, a), a);
  assert.equal(settle('b', b, b), b);
  // Emptied, and asked under the old number once more.
  const second = settle('a', a) ?? 0;
  assert.ok(second > b);
  assert.equal(settle('a', a), second);
  assert.equal(settle('a', second, second), second);
  assert.equal(numberBackend(db, 'a'), second);
  // What it had is back.
  assert.equal(settle('a', second, a), a);
  assert.equal(numberBackend(db, 'a'), a);
  // The same server under two names, and one that has moved.
  const c = numberBackend(db, 'c');
  assert.equal(settle('c', c, b), undefined);
  listed.delete('b');
  assert.equal(settle('c', c, b), b);
  assert.equal(numberBackend(db, 'c'), b);
});
