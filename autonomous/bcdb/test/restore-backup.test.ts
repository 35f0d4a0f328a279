import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { exportLog } from '../src/offline/export-log.ts';
import { lostRecords } from '../src/offline/lost-records.ts';
import { restoreBackup } from '../src/offline/restore-backup.ts';
import { StoppedFolder } from '../src/offline/stopped-folder.ts';
import { verifyExport } from '../src/offline/verify-export.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';

const note = 'net.example.note.1';
const schema = { type: 'object', properties: { text: { type: 'string', maxLength: 100 } } };

/** A folder with a small database, and lines of its backup. */
async function makeBackup(dataDir: string, owner: SigningKey): Promise<string[]> {
  {
    await using bcdb = await Bcdb.open({ dataDir, owner });
    await bcdb.createNamespace('notes');
    await bcdb.defineSchema('notes', note, schema);
    const put = { ns: 'notes', op: 'put', url: note } as const;
    const texts = Array.from({ length: 20 }, (_text, index) => `note ${index}`);
    await Promise.all(
      texts.map((text, index) => bcdb.write({ ...put, obj: `${index}`, value: { text } })),
    );
    await bcdb.write({ ns: 'notes', op: 'erase', url: note, obj: '3' });
    await bcdb.erased();
  }
  await using stopped = await StoppedFolder.open(dataDir);
  const { engine, genesis, sequencerKey, log } = stopped;
  const read = engine.read.bind(engine);
  const { size, note: checkpoint } = await stopped.signedHead();
  const options = { size, checkpoint, sequencerKey };
  const text = (await Array.fromAsync(exportLog({ log, genesis, read }, options))).join('');
  return text.trimEnd().split('\n');
}

test('a restored database has the same head, goes on, and verifies', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const [from, to, file] = ['from', 'to', 'backup'].map((name) => join(folder.path, name));
  assert.ok(from !== undefined && to !== undefined && file !== undefined);
  const lines = await makeBackup(from, owner);
  await writeFile(file, `${lines.join('\n')}\n`);
  const report = await restoreBackup(file, to, { nothingLost: true });
  assert.equal(report.verified, lines.length - 2);
  assert.equal(report.erased, 1);
  {
    await using bcdb = await Bcdb.open({ dataDir: to, owner });
    assert.ok(bcdb.head.size >= report.verified);
    assert.equal(Buffer.from(bcdb.rootAt(report.verified)).toString('base64url'), report.root);
    await bcdb.write({ ns: 'notes', op: 'put', url: note, obj: 'new', value: { text: 'more' } });
  }
  const verified = await verifyFolder(to);
  assert.equal(verified.fault, undefined);
  assert.deepEqual(verified.findings, []);
  await assert.rejects(restoreBackup(file, to), { code: 'BCDB_FOLDER_EXISTS' });
});

test('a backup that was changed, cut off or has no right key restores nothing', async () => {
  await using folder = await tempFolder();
  const [from, to, file] = ['from', 'to', 'backup'].map((name) => join(folder.path, name));
  assert.ok(from !== undefined && to !== undefined && file !== undefined);
  const lines = await makeBackup(from, SigningKey.generate());
  const [header = '', ...rest] = lines;
  const otherKey = Buffer.from(SigningKey.generate().exportSeed()).toString('base64url');
  const { sequencerKey: _key, ...withoutKey } = JSON.parse(header) as { sequencerKey: string };
  const bad: Readonly<Record<string, readonly string[]>> = {
    changed: lines.map((line) => line.replace('"obj\\":\\"7\\"', '"obj\\":\\"8\\"')),
    cut: lines.slice(0, -1),
    shortened: [header, ...rest.toSpliced(-3, 2)],
    otherKey: [JSON.stringify({ ...withoutKey, sequencerKey: otherKey }), ...rest],
    noKey: [JSON.stringify(withoutKey), ...rest],
    noBackup: ['{"some":"json"}'],
  };
  for (const [name, text] of Object.entries(bad)) {
    await writeFile(file, `${text.join('\n')}\n`);
    await assert.rejects(restoreBackup(file, to), { code: 'BCDB_EXPORT_INVALID' }, name);
    assert.equal(existsSync(to), false, name);
    assert.deepEqual((await readdir(folder.path)).toSorted(), ['backup', 'from'], name);
  }
  assert.notEqual(await readFile(file, 'utf8'), '');
});

test('a file that is not there, or none, is told as such', async () => {
  await using folder = await tempFolder();
  const to = join(folder.path, 'to');
  for (const file of [join(folder.path, 'missing'), folder.path]) {
    for (const read of [
      () => verifyExport(file),
      () => restoreBackup(file, to),
      () => Array.fromAsync(lostRecords(file, 'log')),
    ]) {
      await assert.rejects(read(), { code: 'BCDB_EXPORT_INVALID', message: /^cannot read / });
    }
  }
  assert.equal(existsSync(to), false);
});
