import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Catalog } from '../src/catalog/catalog.ts';
import type { SnapshotNote } from '../src/catalog/chain.ts';
import { pointerOf } from '../src/catalog/snapshots.ts';
import { keepTables } from '../src/rebuild/keep-tables.ts';
import { CatalogFixture, registersOf, setRegister, writeMany } from './support/catalog-fixture.ts';

const schema = [
  `CREATE TABLE register (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   CREATE INDEX by_value ON register (value);
   CREATE TABLE chunks (id BLOB PRIMARY KEY) STRICT, WITHOUT ROWID`,
];
const chunkId = Buffer.alloc(16, 3);

test('tables are kept when they are sound, of this store, and newer than all snapshots', async () => {
  await using fixture = await CatalogFixture.open({ spares: 5 });
  const options = fixture.options('a', { schema });
  const head = await fixture.serving('a', { schema });
  const path = head.databasePath;
  await head.write((db) => db.prepare('INSERT INTO chunks VALUES (?)').run(chunkId));
  await writeMany(head, 30);
  const old = join(fixture.folder.path, 'old');
  await mkdir(old);
  head.read((db) => db.prepare('VACUUM INTO ?').run(join(old, 'catalog.db')));
  await head.takeSnapshot();
  const snapshots = head.snapshotPointers.map((pointer) => ({ pointer }));
  const behind = await keepIn(old, snapshots, true);
  assert.equal(behind, undefined, 'they are older');
  await head.write(setRegister('last', 1));
  const expected = registersOf(head);
  await assert.rejects(keepIn(options.folder, snapshots, true), { code: 'BASE_FOLDER_LOCKED' });
  await head.close();
  await bendIndex(await copyTo(path, join(fixture.folder.path, 'bent')));

  const kept = await keepIn(options.folder, snapshots, false);
  assert.ok(kept);
  const members = ['m5', 'm6', 'm7', 'm8', 'm9'];
  await Catalog.restore(fixture.options('b', { schema, members }), pointerOf(kept));
  const next = await fixture.serving('b', { schema, members });
  assert.deepEqual(registersOf(next), expected);
  await next.write(setRegister('other', 1));
  await next.close();

  // That log is another one, though it has all of it.
  const ownFolder = fixture.options('b').folder;
  assert.equal(await keepIn(ownFolder, snapshots, true), undefined, 'they are of another log');
  assert.ok(await keepIn(options.folder, [], true), 'backends have their chunks');
  assert.equal(await keepIn(options.folder, [], false), undefined, 'they are of another store');
  assert.equal(await keepIn(join(fixture.folder.path, 'none'), snapshots, true), undefined);
  const isIndexed = await keepIn(join(fixture.folder.path, 'bent'), [], true);
  assert.equal(isIndexed, undefined, 'an index does not fit to its table');
  await truncate(path, 5_000);
  assert.equal(await keepIn(options.folder, snapshots, true), undefined, 'they are cut');
  assert.equal((await readFile(path)).length, 5_000);

  function keepIn(
    folder: string,
    known: readonly { pointer: Buffer }[],
    hasChunk: boolean,
  ): Promise<SnapshotNote | undefined> {
    const has = (id: Uint8Array): boolean => hasChunk && chunkId.equals(id);
    return keepTables({ ...options, folder }, { snapshots: known, inventory: { has } });
  }
});

async function copyTo(path: string, folder: string): Promise<string> {
  await mkdir(folder);
  const to = join(folder, 'catalog.db');
  await copyFile(path, to);
  return to;
}

/** Changes the last byte of the page of an index, which is that of a key of its table. */
async function bendIndex(path: string): Promise<void> {
  const db = new DatabaseSync(path, { readOnly: true });
  const sql = `SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'by_value'`;
  const row = db.prepare(sql).get();
  db.close();
  const bytes = await readFile(path);
  const end = Number(row?.['rootpage']) * Number(row?.['page_size']) - 1;
  bytes.writeUInt8(bytes.readUInt8(end) ^ 1, end);
  await writeFile(path, bytes);
}
