import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { isGridError, seededRandom } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import { canonicalBytes, SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { rebuildFolder } from '../src/offline/rebuild-folder.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import type { Genesis } from '../src/record/genesis.ts';
import { noteUrl, openNotes, writeNotes } from './support/notes.ts';

const seed = process.env['GRID_TEST_SEED'] ?? String(Date.now());

interface Made {
  readonly dataDir: string;
  readonly owner: SigningKey;
  /** Stands still, so that no tick changes the log. */
  readonly clock: ManualClock;
  readonly size: number;
  readonly digest: string;
  readonly root: Buffer;
}

/** A database of some hundred records that nobody has open. */
async function made(folder: string, count = 700): Promise<Made> {
  const dataDir = join(folder, 'data');
  const owner = SigningKey.generate();
  const clock = new ManualClock(1_800_000_000_000);
  await using bcdb = await openNotes({ dataDir, owner, clock });
  for (let from = 0; from < count; from += 100) await writeNotes(bcdb, 100, `n${from}-`);
  await bcdb.write({ ns: 'notes', op: 'del', url: noteUrl, obj: 'n0-3' });
  await bcdb.projection.waitFor(bcdb.head.size - 1);
  const { size, root } = bcdb.head;
  return { dataDir, owner, clock, size, digest: bcdb.digest, root: Buffer.from(root) };
}

/** Opens it, and holds it to what it was. */
async function same({ dataDir, owner, clock, size, digest, root }: Made): Promise<void> {
  await using bcdb = await Bcdb.open({ dataDir, owner, clock });
  assert.equal(bcdb.head.size, size);
  assert.deepEqual(Buffer.from(bcdb.rootAt(size)), root);
  assert.equal(bcdb.digest, digest);
  await bcdb.projection.waitFor(size - 1);
  assert.equal(await bcdb.projection.count('notes', noteUrl), 699);
}

async function flip(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  await writeFile(file, bytes);
}

test('state that is no database any more, or has a broken page, is made anew', async () => {
  await using folder = await tempFolder();
  const before = await made(folder.path);
  const state = join(before.dataDir, 'state.sqlite');
  await writeFile(
    state,
    'this is no database, though it is long enough to look like one'.repeat(9),
  );
  await same(before);
  const bytes = await readFile(state);
  bytes.fill(0xa5, 4096 * 3, 4096 * 5);
  await writeFile(state, bytes);
  await same(before);
  await rm(state);
  await same(before);
});

test('a row of the state that was changed with care is found by verify, and rebuild mends it', async () => {
  await using folder = await tempFolder();
  const before = await made(folder.path);
  const state = join(before.dataDir, 'state.sqlite');
  const key = `h notes ${noteUrl} n0-3`;
  for (const sql of [
    'UPDATE entry SET value = replace(value, substr(value, -1), 1) WHERE key = ?',
    'DELETE FROM entry WHERE key = ?',
  ]) {
    {
      using db = new DatabaseSync(state);
      assert.equal(db.prepare(sql).run(key).changes, 1);
    }
    const { fault, findings } = await verifyFolder(before.dataDir);
    assert.equal(fault, undefined);
    assert.equal(findings.length, 1);
    assert.match(findings[0] ?? '', new RegExp(key));
    await rebuildFolder(before.dataDir);
    assert.deepEqual((await verifyFolder(before.dataDir)).findings, []);
    await same(before);
  }
});

test('a log that was put back to an older copy, or is gone, is refused and not gone on with', async () => {
  await using folder = await tempFolder();
  const before = await made(folder.path);
  const log = join(before.dataDir, 'log');
  const [old, whole] = [join(folder.path, 'old'), join(folder.path, 'whole')];
  await cp(log, old, { recursive: true });
  {
    await using bcdb = await openNotes(before);
    await writeNotes(bcdb, 20, 'later-');
  }
  await cp(log, whole, { recursive: true });
  for (const source of [old, undefined]) {
    await rm(log, { recursive: true });
    if (source !== undefined) await cp(source, log, { recursive: true });
    for (let tries = 0; tries < 2; tries++) {
      await assert.rejects(Bcdb.open(before), { code: 'BCDB_LOG_ROLLED_BACK' });
    }
  }
  await rm(log, { recursive: true });
  await cp(whole, log, { recursive: true });
  await using bcdb = await Bcdb.open(before);
  assert.ok(bcdb.head.size > before.size);
});

test('any changed byte of a segment is found at open or by verify, and the log keeps its length', async () => {
  await using folder = await tempFolder();
  const before = await made(folder.path, 200);
  const log = join(before.dataDir, 'log');
  const [name = ''] = (await readdir(log)).filter((one) => /^\d|seg/.test(one));
  const segment = join(log, name);
  const sound = await readFile(segment);
  const random = seededRandom(seed);
  for (let round = 0; round < 25; round++) {
    const at = random.int(0, sound.length);
    await flip(segment, at);
    const where = `byte ${at} of ${name}, GRID_TEST_SEED=${seed}`;
    const { fault } = await verifyFolder(before.dataDir);
    assert.equal(fault?.code, 'BCDB_LOG_CORRUPT', where);
    assert.ok(fault.seq >= 0 && fault.seq <= before.size, where);
    await assert.rejects(Bcdb.open(before), { code: 'BCDB_LOG_CORRUPT' }, where);
    await writeFile(segment, sound);
  }
  await using bcdb = await Bcdb.open(before);
  assert.equal(bcdb.head.size, before.size);
});

test('a changed hash of the tree never makes a wrong proof', async () => {
  await using folder = await tempFolder();
  const before = await made(folder.path);
  const tree = join(before.dataDir, 'tree');
  const roots = new Map<number, string>();
  {
    await using bcdb = await Bcdb.open(before);
    for (let size = 1; size <= before.size; size += 13) {
      roots.set(size, Buffer.from(bcdb.rootAt(size)).toString('hex'));
    }
  }
  const random = seededRandom(seed);
  for (const file of await readdir(tree)) {
    const path = join(tree, file);
    const sound = await readFile(path);
    for (let round = 0; round < 2; round++) {
      const at = random.int(0, sound.length);
      await flip(path, at);
      const where = `byte ${at} of ${file}, GRID_TEST_SEED=${seed}`;
      let damaged = 0;
      {
        await using bcdb = await Bcdb.open(before);
        assert.equal(bcdb.head.size, before.size, where);
        for (const [size, root] of roots) {
          try {
            assert.equal(Buffer.from(bcdb.rootAt(size)).toString('hex'), root, where);
          } catch (error) {
            assert.ok(isGridError(error, 'BCDB_TREE_DAMAGED'), `${where}: ${String(error)}`);
            damaged++;
          }
        }
      }
      if (damaged > 0) await rebuildFolder(before.dataDir);
      await same(before);
      await writeFile(path, sound);
    }
  }
});

test('a changed row or word of a projection is found by verify, and rebuild mends it', async () => {
  await using folder = await tempFolder();
  const before = await made(folder.path, 700);
  const file = join(before.dataDir, 'projection', 'ns-notes.db');
  const id = searchedType(file);
  const changes = [
    `UPDATE _o${id} SET payload = '{"text":"forged"}' WHERE obj = 'n0-5'`,
    `DELETE FROM _h${id} WHERE obj = 'n0-3'`,
    `DELETE FROM _t${id} WHERE rowid = (SELECT id FROM _o${id} WHERE obj = 'n0-5')`,
  ];
  for (const sql of changes) {
    {
      using db = new DatabaseSync(file);
      assert.ok(db.prepare(sql, { readBigInts: true }).run().changes > 0, sql);
    }
    const { fault, findings } = await verifyFolder(before.dataDir);
    assert.equal(fault, undefined);
    assert.equal(findings.length, 1, sql);
    await rebuildFolder(before.dataDir);
    assert.deepEqual((await verifyFolder(before.dataDir)).findings, []);
  }
  await same(before);
});

/** Number of the one type that has full text. */
function searchedType(file: string): number {
  using db = new DatabaseSync(file, { readOnly: true });
  const sql = "SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%'";
  return Number(String(db.prepare(sql).get()?.['name']).slice(2));
}

test('another genesis or another key of the sequencer is refused', async () => {
  await using folder = await tempFolder();
  const before = await made(folder.path, 100);
  const [genesisFile, keyFile] = ['genesis.json', 'sequencer.key'].map((name) =>
    join(before.dataDir, name),
  );
  assert.ok(genesisFile !== undefined && keyFile !== undefined);
  const [genesis, key] = await Promise.all([readFile(genesisFile), readFile(keyFile)]);
  const other = SigningKey.generate();
  await writeFile(keyFile, `${Buffer.from(other.exportSeed()).toString('base64url')}\n`);
  await assert.rejects(Bcdb.open(before), { code: 'BCDB_FOLDER_DAMAGED' });
  const forged = { ...(JSON.parse(String(genesis)) as Genesis), sequencer: other.publicKey.text };
  await writeFile(genesisFile, canonicalBytes(forged));
  await assert.rejects(Bcdb.open(before), { code: 'BCDB_OTHER_LOG' });
  await writeFile(keyFile, key);
  const admins = { signers: [other.publicKey.text], min: 1 };
  const usurped = { ...(JSON.parse(String(genesis)) as Genesis), admins };
  await writeFile(genesisFile, canonicalBytes(usurped));
  await assert.rejects(Bcdb.open(before), { code: 'BCDB_OTHER_LOG' });
  await rm(keyFile);
  await writeFile(genesisFile, genesis);
  await assert.rejects(Bcdb.open(before), { code: 'BCDB_FOLDER_DAMAGED' });
  await writeFile(keyFile, key);
  await using bcdb = await Bcdb.open(before);
  assert.equal(bcdb.head.size, before.size);
});

test('of those who open one new folder at once one gets it, and the log is the same ever after', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const options = { dataDir: folder.path, owner };
  const opened = await Promise.allSettled(Array.from({ length: 4 }, () => Bcdb.open(options)));
  const winners = opened.filter((one) => one.status === 'fulfilled');
  assert.equal(winners.length, 1);
  for (const one of opened) {
    if (one.status === 'fulfilled') continue;
    assert.equal((one.reason as { code?: string }).code, 'BASE_FOLDER_LOCKED');
  }
  const log = winners[0]?.value.log;
  await winners[0]?.value.close();
  await using bcdb = await Bcdb.open(options);
  assert.equal(bcdb.log, log);
});
