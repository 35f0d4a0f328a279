import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { verifyExport } from '../src/offline/verify-export.ts';
import type { VerifyReport } from '../src/offline/verify-export.ts';

const note = 'net.example.note.1';

/** Lines of the export of a small database, without line ends. */
async function someExport(folder: string): Promise<readonly string[]> {
  const owner = SigningKey.generate();
  await using bcdb = await Bcdb.open({ dataDir: join(folder, 'data'), owner });
  await bcdb.createNamespace('notes');
  const schema = { type: 'object', properties: { text: { type: 'string', maxLength: 100 } } };
  await bcdb.defineSchema('notes', note, schema);
  const put = { ns: 'notes', op: 'put', url: note } as const;
  for (let index = 0; index < 20; index++) {
    await bcdb.write({ ...put, obj: `n${index % 7}`, value: { text: `text ${index}` } });
  }
  await bcdb.write({ ns: 'notes', op: 'del', url: note, obj: 'n3' });
  let text = '';
  for await (const lines of bcdb.export()) text += lines;
  return text.trimEnd().split('\n');
}

async function verify(folder: string, lines: readonly string[]): Promise<VerifyReport> {
  const file = join(folder, 'export.jsonl');
  await writeFile(file, `${lines.join('\n')}\n`);
  return verifyExport(file);
}

test('an export verifies with nothing but the file', async () => {
  await using folder = await tempFolder();
  const lines = await someExport(folder.path);
  const report = await verify(folder.path, lines);
  assert.equal(report.fault, undefined);
  assert.equal(report.verified, lines.length - 2);
});

test('whatever character of a record is changed, its height is named', async () => {
  await using folder = await tempFolder();
  const lines = await someExport(folder.path);
  const random = seededRandom('tamper');
  for (let round = 0; round < 60; round++) {
    const at = random.int(1, lines.length - 1);
    const line = lines[at] ?? '';
    const place = random.int(line.indexOf('"envelope"') + 14, line.length - 2);
    const other = line[place] === 'A' ? 'B' : 'A';
    const tampered = lines.with(at, line.slice(0, place) + other + line.slice(place + 1));
    if (tampered[at] === line) continue;
    const outcome = await verify(folder.path, tampered).then(
      ({ fault }) => fault?.seq,
      // A name of a member was hit: the line is no record any more.
      (error: { readonly details: { readonly line: number } }) => error.details.line - 2,
    );
    assert.equal(outcome, at - 1, `place ${place} of ${line}`);
  }
});

test('a body under another name, or in another spelling, is none', async () => {
  await using folder = await tempFolder();
  const lines = await someExport(folder.path);
  const at = lines.findIndex((line) => line.includes('"body"'));
  const line = lines[at] ?? '';
  const renamed = lines.with(at, line.replace('"body"', '"bAdy"'));
  await assert.rejects(verify(folder.path, renamed), { code: 'BCDB_EXPORT_INVALID' });
  // Two bits behind the 64 bytes of a signature that stand for nothing.
  const spelled = line.replace(/(.)=="/, (_all, last: string) => `${nextLetter(last)}=="`);
  assert.notEqual(spelled, line);
  assert.equal((await verify(folder.path, lines.with(at, spelled))).fault?.seq, at - 1);
});

/** The base64 letter with the next higher value. */
function nextLetter(letter: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  return letters[letters.indexOf(letter) + 1] ?? '';
}

test('records that are missing, doubled or swapped are found at their height', async () => {
  await using folder = await tempFolder();
  const lines = await someExport(folder.path);
  const cut = lines.toSpliced(10, 1);
  assert.equal((await verify(folder.path, cut)).fault?.seq, 9);
  const renumbered = cut.map((line, index) =>
    index < 10 ? line : line.replace(/^\{"seq":\d+/, `{"seq":${index - 1}`),
  );
  // The author's counter, or the version that the next one follows, gives it away.
  const fault = (await verify(folder.path, renumbered)).fault;
  assert.ok((fault?.seq ?? -1) >= 9 && (fault?.seq ?? -1) < 12, JSON.stringify(fault));
  const doubled = lines.toSpliced(10, 0, lines[10] ?? '');
  assert.equal((await verify(folder.path, doubled)).fault?.seq, 10);
  const unended = lines.slice(0, -1);
  assert.equal((await verify(folder.path, unended)).fault?.code, 'BCDB_EXPORT_INVALID');
  const shortened = [...lines.slice(0, -3), lines.at(-1) ?? ''];
  assert.equal((await verify(folder.path, shortened)).fault?.code, 'BCDB_LOG_CORRUPT');
});

test('another genesis than the expected one is refused', async () => {
  await using folder = await tempFolder();
  const lines = await someExport(folder.path);
  const file = join(folder.path, 'export.jsonl');
  await writeFile(file, `${lines.join('\n')}\n`);
  await assert.rejects(verifyExport(file, { log: 'A'.repeat(43) }), { code: 'BCDB_OTHER_LOG' });
  const genesis = lines[0]?.replace('"min":1', '"min":2') ?? '';
  await writeFile(file, `${[genesis, ...lines.slice(1)].join('\n')}\n`);
  await assert.rejects(verifyExport(file), { code: 'BCDB_OTHER_LOG' });
});
