import assert from 'node:assert/strict';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isGridError } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { findPrimary } from '../src/log/postgres/find-primary.ts';
import { exportLog } from '../src/offline/export-log.ts';
import { applyHandover, stateHandover } from '../src/offline/handover.ts';
import { rebuildFolder } from '../src/offline/rebuild-folder.ts';
import { StoppedFolder } from '../src/offline/stopped-folder.ts';
import { verifyExport } from '../src/offline/verify-export.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { signHandover } from '../src/record/handover.ts';
import { PostgresPair } from '../src/testing/postgres-pair.ts';

const note = 'net.example.note.1';
const schema = { type: 'object', properties: { text: { type: 'string', maxLength: 100 } } };

let pair: PostgresPair;
before(async () => {
  pair = await PostgresPair.open();
});
after(() => pair.close());

function put(obj: string, text: string) {
  return { ns: 'notes', op: 'put', url: note, obj, value: { text } } as const;
}

test('a database over PostgreSQL goes on when its primary is killed, and loses nothing', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const postgres = { urls: pair.urls(await pair.createDatabase()) };
  const options = { dataDir: folder.path, owner, postgres };
  let receipts: readonly { readonly seq: number }[];
  {
    await using bcdb = await Bcdb.open(options);
    await bcdb.createNamespace('notes');
    await bcdb.defineSchema('notes', note, schema);
    const writes = Array.from({ length: 300 }, (_, index) => bcdb.write(put(`n${index}`, 'first')));
    await writes[50];
    await pair.failOver();
    await pair.addStandby();
    receipts = await Promise.all(writes);
  }
  assert.equal(new Set(receipts.map(({ seq }) => seq)).size, 300);
  await using again = await Bcdb.open(options);
  await again.projection.waitFor(again.head.size - 1);
  assert.equal(await again.projection.count('notes', note), 300);
});

test('a second process takes the log over, and the first is refused from then on', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const postgres = { urls: pair.urls(await pair.createDatabase()) };
  const [first, second] = [join(folder.path, 'a'), join(folder.path, 'b')];
  await using old = await Bcdb.open({ dataDir: first, owner, postgres });
  await old.createNamespace('notes');
  await old.defineSchema('notes', note, schema);
  for (const file of ['genesis.json', 'sequencer.key']) {
    await cp(join(first, file), join(second, file));
  }
  await using next = await Bcdb.open({ dataDir: second, owner, postgres });
  await next.write(put('a', 'by the next'));
  await assert.rejects(old.write(put('b', 'by the old')), isNotWriter);
  await next.projection.waitFor(next.head.size - 1);
  assert.equal(await next.projection.count('notes', note), 1);
});

test('a log in PostgreSQL is handed over by the folder that has its key', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const postgres = { urls: pair.urls(await pair.createDatabase()) };
  const options = { dataDir: folder.path, owner, postgres };
  {
    await using bcdb = await Bcdb.open(options);
    await bcdb.createNamespace('notes');
    await bcdb.defineSchema('notes', note, schema);
  }
  const { statement } = await stateHandover(folder.path, { postgres });
  const signed = signHandover({ statement, signatures: [] }, owner);
  const report = await applyHandover(folder.path, [signed], { postgres });
  await using bcdb = await Bcdb.open(options);
  assert.equal(bcdb.sequencer, report.sequencer);
  await bcdb.write(put('a', 'by the next key'));
});

/** The old one may have heard it before, about a tick of its own. */
function isNotWriter(error: unknown): boolean {
  const first = isGridError(error, 'BCDB_LOG_STOPPED') ? error.cause : error;
  return isGridError(first, 'BCDB_LOG_NOT_WRITER');
}

test('a stopped folder whose log is in PostgreSQL is exported, verified and rebuilt', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const postgres = { urls: pair.urls(await pair.createDatabase()) };
  const dataDir = join(folder.path, 'data');
  const options = { dataDir, owner, postgres };
  {
    await using bcdb = await Bcdb.open(options);
    await bcdb.createNamespace('notes');
    await bcdb.defineSchema('notes', note, schema);
    await Promise.all(Array.from({ length: 600 }, (_, n) => bcdb.write(put(`n${n}`, 'first'))));
    await assert.rejects(StoppedFolder.open(dataDir, { postgres }), { code: 'BASE_FOLDER_LOCKED' });
  }
  await assert.rejects(StoppedFolder.open(dataDir), { code: 'BCDB_FOLDER_MISSING' });
  const file = join(folder.path, 'export.jsonl');
  let size = 0;
  {
    await using stopped = await StoppedFolder.open(dataDir, { postgres });
    const { engine, genesis, log } = stopped;
    const signed = await stopped.signedHead();
    size = signed.size;
    const read = (from: number, to: number) => engine.read(from, to);
    const lines = exportLog({ log, genesis, read }, { size, checkpoint: signed.note });
    await writeFile(file, await Array.fromAsync(lines));
    const refused = engine.append({ from: size, entries: [], head: engine.head });
    await assert.rejects(refused, { code: 'BCDB_LOG_NOT_WRITER' });
  }
  const exported = await verifyExport(file);
  assert.deepEqual([exported.verified, exported.fault], [size, undefined]);
  const verified = await verifyFolder(dataDir, { postgres });
  assert.deepEqual([verified.verified, verified.fault, verified.findings], [size, undefined, []]);
  assert.equal((await rebuildFolder(dataDir, { postgres })).records, size);
  // Reading has taken the log over from nobody.
  await using again = await Bcdb.open(options);
  await again.write(put('later', 'goes on'));
});

test('verifying a stopped folder names the first row that somebody changed in PostgreSQL', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const name = await pair.createDatabase();
  const postgres = { urls: pair.urls(name) };
  {
    await using bcdb = await Bcdb.open({ dataDir: folder.path, owner, postgres });
    await bcdb.createNamespace('notes');
    await bcdb.defineSchema('notes', note, schema);
    await bcdb.write(put('a', 'as it was'));
  }
  await change(postgres.urls, `UPDATE bcdb_entry SET leaf = '\\x00' || leaf WHERE seq = 2`);
  const { fault } = await verifyFolder(folder.path, { postgres });
  assert.deepEqual([fault?.seq, fault?.code], [2, 'BCDB_LOG_CORRUPT']);
});

/** Runs a statement on whichever server takes it. */
async function change(urls: readonly string[], text: string): Promise<void> {
  const session = await findPrimary({ urls, single: true, answerMs: 10_000 });
  await session.query({ text });
  await session.close();
}
