import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { silentLogger } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { CatalogDatabase } from '../src/catalog/catalog-database.ts';
import { firstState, follow } from '../src/catalog/chain.ts';
import type { ChainState } from '../src/catalog/chain.ts';
import { TlogCipher } from '../src/catalog/tlog-cipher.ts';
import { makeRecord } from '../src/catalog/tlog-record.ts';
import type { TlogKind, TlogRecord } from '../src/catalog/tlog-record.ts';

const logId = Buffer.alloc(16, 1);
const cipher = new TlogCipher(Buffer.alloc(32, 1), logId);
const table = 'CREATE TABLE a (id INTEGER PRIMARY KEY, value TEXT) STRICT';

function next(state: ChainState, kind: TlogKind, body: Uint8Array): TlogRecord {
  const { index, hash } = state;
  const epoch = kind === 'open' ? state.epoch + 1 : state.epoch;
  const draft = { kind, epoch, index: index + 1, prevHash: hash, body };
  return makeRecord(cipher, draft, { fence: 1, committed: index });
}

function opening(schema: number): Buffer {
  return Buffer.from(JSON.stringify({ fence: 1, schema }));
}

async function tables(folder: string, schema: readonly string[]): Promise<CatalogDatabase> {
  const database = await CatalogDatabase.open({ folder, schema, logger: silentLogger });
  if (database.state !== undefined) return database;
  const state = firstState([]);
  database.begin(logId, state);
  database.apply([next(state, 'open', opening(schema.length))]);
  return database;
}

test('tables go from version to version with the log, and remember where they are', async () => {
  await using folder = await tempFolder();
  const more = [table, 'ALTER TABLE a ADD COLUMN size INTEGER'];
  {
    using database = await tables(folder.path, [table]);
    assert.equal(database.state?.schema, 1);
  }
  using database = await tables(folder.path, more);
  assert.ok(database.state);
  database.apply([next(database.state, 'open', opening(2))]);
  assert.equal(database.state?.schema, 2);
  assert.equal(database.state?.epoch, 2);
  database.reader.prepare('SELECT size FROM a').all();
});

test('tables of a newer program are refused, and nothing of the record is applied', async () => {
  await using folder = await tempFolder();
  using database = await tables(folder.path, [table]);
  const { state } = database;
  assert.ok(state);
  const newer = next(state, 'open', opening(3));
  assert.throws(() => database.apply([newer]), hasCode('ZSTOR_CATALOG_SCHEMA_NEWER'));
  assert.deepEqual(database.state, state);
});

test('a record that does not fit to the tables halts, and changes nothing', async () => {
  await using folder = await tempFolder();
  using database = await tables(folder.path, [table]);
  const insert = (id: number): Uint8Array => {
    database.beginBatch();
    database.change((db) => db.prepare('INSERT INTO a VALUES (?, ?)').run(id, 'x'));
    const changes = database.endChanges();
    database.rollback();
    return changes;
  };
  assert.ok(database.state);
  const one = next(database.state, 'changes', insert(1));
  const two = next(follow(database.state, one), 'changes', insert(2));
  const twice = next(follow(follow(database.state, one), two), 'changes', insert(1));
  const before = database.state;
  assert.throws(() => database.apply([one, two, twice]), hasCode('ZSTOR_CATALOG_HALTED'));
  assert.deepEqual(database.state, before);
  database.apply([one, two]);
  assert.equal(database.reader.prepare('SELECT count(*) AS n FROM a').get()?.['n'], 2);
});

test('tables that changesets cannot carry are refused', async () => {
  const bad = [
    'CREATE TABLE a (name TEXT PRIMARY KEY)',
    'CREATE TABLE a (name TEXT)',
    'CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT)',
    'CREATE VIRTUAL TABLE a USING fts5(text)',
    `${table}; CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; END`,
  ];
  for (const script of bad) {
    await using folder = await tempFolder();
    await assert.rejects(tables(folder.path, [script]), hasCode('ZSTOR_CATALOG_SCHEMA_INVALID'));
  }
});

test('tables that only the disk keeps from being opened stay, damaged ones are set aside', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'catalog.db');
  (await tables(folder.path, [table]))[Symbol.dispose]();
  const options = { folder: folder.path, schema: [table], logger: silentLogger };
  {
    using other = new DatabaseSync(path);
    other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    await assert.rejects(CatalogDatabase.open(options), hasCode('ZSTOR_CATALOG_UNREADABLE'));
  }
  {
    using database = await CatalogDatabase.open(options);
    assert.equal(database.state?.schema, 1);
    assert.ok(database.sizeBytes > 0);
  }
  await writeFile(path, 'no tables');
  using database = await CatalogDatabase.open(options);
  assert.equal(database.state, undefined);
  assert.equal(await readFile(join(folder.path, 'damaged.db'), 'utf8'), 'no tables');
});
