import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { TestGrid } from './grid-process.ts';

interface Up {
  readonly services: Record<string, { readonly addresses: Record<string, string> }>;
  readonly identity: { readonly key: string; readonly bot: string | null; readonly isNew: boolean };
}

interface Failure {
  readonly code: string;
  readonly hint: string;
}

const note = 'net.example.note.1';
const noteSchema = {
  type: 'object',
  properties: { text: { type: 'string', maxLength: 200, 'x-bcdb': { index: true, fts: true } } },
  required: ['text'],
  additionalProperties: false,
};

/** A grid with a namespace `notes` that has two of them. */
async function gridWithNotes(): Promise<TestGrid> {
  const grid = await TestGrid.open();
  await grid.json('up', '--port-base', '0');
  const file = join(grid.home, 'note.json');
  await writeFile(file, JSON.stringify(noteSchema));
  await grid.json('bcdb', 'ns', 'create', 'notes');
  await grid.json('bcdb', 'schema', 'add', 'notes', note, file);
  await grid.json('bcdb', 'put', 'notes', note, 'one', '{"text":"buy bread"}');
  await grid.json('bcdb', 'put', 'notes', note, 'two', '{"text":"buy milk"}');
  return grid;
}

/** Payloads leave the log a moment after the answer. */
async function waitForErasure(grid: TestGrid): Promise<void> {
  let count = 0;
  const isGone = async (): Promise<boolean> => {
    const file = join(grid.home, `${count++}.jsonl`);
    await grid.json('bcdb', 'export', file);
    return (await grid.json<{ erased: number }>('bcdb', 'verify', file)).erased > 0;
  };
  await waitFor(isGone, { timeoutMs: 60_000, everyMs: 50, what: 'the payload to be gone' });
}

/** A database that runs, but is not that of the home: its folder has the key, its door the log. */
async function backUpElsewhere(grid: TestGrid): Promise<void> {
  const { services } = await grid.json<Up>('status');
  const address = `http://${services['bcdb']?.addresses['bcdb-http']}`;
  await using other = await TestGrid.open();
  const file = join(grid.home, 'elsewhere.jsonl');
  const token = ['--token-file', join(grid.home, 'identity', 'owner-token')];
  const words = ['bcdb', 'backup', file, '--address', address, ...token];
  const { hint } = await failure(other, ...words);
  assert.match(hint, /--data/);
  await other.json(...words, '--data', join(grid.home, 'bcdb'));
  const data = join(grid.home, 'elsewhere');
  const restored = await other.json<{ records: number }>(
    ...['bcdb', 'restore', file, '--data', data],
  );
  assert.ok(restored.records > 0);
}

async function failure(grid: TestGrid, ...words: string[]): Promise<Failure & { status: number }> {
  const { status, stdout } = await grid.run(...words, '--json');
  return { ...(JSON.parse(stdout) as Failure), status: status ?? -1 };
}

test('the first up makes an identity that outlives its words and tells them to no log', async () => {
  await using grid = await TestGrid.open();
  const first = await grid.run('up', '--port-base', '0', '--json');
  assert.equal(first.status, 0, first.stderr);
  const { identity } = JSON.parse(first.stdout) as Up;
  assert.equal(identity.isNew, true);
  const wordsFile = join(grid.home, 'identity', 'recovery-words');
  const words = (await readFile(wordsFile, 'utf8')).trim();
  assert.equal(words.split(' ').length, 24);
  for (const name of ['recovery-words', 'owner-key', 'owner-token']) {
    assert.equal((await stat(join(grid.home, 'identity', name))).mode & 0o777, 0o600);
  }
  // Nobody watched: what was printed says where they are, and not what they are.
  const logs = await Promise.all(
    ['supervisor.log', 'bcdb.log'].map((name) => readFile(join(grid.home, 'run', name), 'utf8')),
  );
  for (const text of [first.stdout, first.stderr, ...logs]) assert.ok(!text.includes(words));
  assert.ok(first.stderr.includes(wordsFile));
  const bot = await grid.json<{ value: { name: string; keys: { key: string }[] } }>(
    ...['bcdb', 'get', 'grid', 'grid.bot.1', identity.bot ?? ''],
  );
  assert.equal(bot.value.name, 'owner');
  assert.deepEqual(
    bot.value.keys.map(({ key }) => key),
    [identity.key],
  );
  await rm(wordsFile);
  await grid.json('down');
  const again = await grid.json<Up>('up', '--port-base', '0');
  assert.deepEqual(again.identity, { key: identity.key, bot: null, isNew: false });
  assert.ok(!existsSync(wordsFile));
  // A key without its owner's words is not replaced by a stranger's.
  await grid.json('down');
  await rm(join(grid.home, 'identity', 'owner-key'));
  const lost = await failure(grid, 'up', '--port-base', '0');
  assert.equal(lost.code, 'GRID_IDENTITY_LOST');
  // The next step of the message works.
  await writeFile(wordsFile, words);
  const back = await grid.json<Up>('up', '--port-base', '0');
  assert.equal(back.identity.key, identity.key);
});

test('objects are written, found and read as they were', async () => {
  await using grid = await gridWithNotes();
  const found = await grid.json<{ objects: { obj: string }[] }>(
    ...['bcdb', 'find', 'notes', note, '--where', 'text^=buy', '--order', 'text:desc'],
  );
  assert.deepEqual(
    found.objects.map(({ obj }) => obj),
    ['two', 'one'],
  );
  const { seq } = await grid.json<{ seq: number }>('bcdb', 'get', 'notes', note, 'one');
  await grid.json('bcdb', 'put', 'notes', note, 'one', '{"text":"buy rye bread"}');
  const before = await grid.json<{ value: { text: string } }>(
    ...['bcdb', 'get', 'notes', note, 'one', '--as-of', String(seq)],
  );
  assert.equal(before.value.text, 'buy bread');
  const { rows } = await grid.json<{ rows: unknown[][] }>(
    ...['bcdb', 'sql', 'notes', 'SELECT obj FROM note WHERE text LIKE ? ORDER BY obj', '%bread'],
  );
  assert.deepEqual(rows, [['one']]);
  await grid.json('bcdb', 'del', 'notes', note, 'two');
  assert.equal((await failure(grid, 'bcdb', 'get', 'notes', note, 'two')).status, 3);
  const { text } = await grid.json<{ text: string }>('bcdb', 'schema', 'types', 'notes', note);
  assert.match(text, /export interface Note \{\n {2}readonly text: string;\n\}/);
});

test('what is refused has a code, a status and a next step', async () => {
  await using grid = await gridWithNotes();
  const wrong = await failure(grid, 'bcdb', 'put', 'notes', note, 'x', '{"txt":1}');
  assert.deepEqual([wrong.code, wrong.status], ['BCDB_SCHEMA_MISMATCH', 2]);
  const nowhere = await failure(grid, 'bcdb', 'put', 'void', note, 'x', '{"text":"a"}');
  assert.deepEqual([nowhere.code, nowhere.status], ['BCDB_NAMESPACE_UNKNOWN', 3]);
  const noJson = await failure(grid, 'bcdb', 'put', 'notes', note, 'x', 'bread');
  assert.deepEqual([noJson.code, noJson.status], ['GRID_USAGE', 2]);
  const stale = await failure(
    grid,
    ...['bcdb', 'put', 'notes', note, 'one', '{"text":"a"}', '--prev', 'A'.repeat(43)],
  );
  assert.deepEqual([stale.code, stale.status], ['BCDB_CONFLICT', 5]);
  const keyFile = join(grid.home, 'stranger.key');
  await grid.json('bcdb', 'key', 'new', keyFile);
  const stranger = await failure(grid, 'bcdb', 'get', 'notes', note, 'one', '--key-file', keyFile);
  assert.deepEqual([stranger.code, stranger.status], ['BCDB_DENIED', 4]);
  const twice = await failure(grid, 'bcdb', 'key', 'new', keyFile);
  assert.deepEqual([twice.code, twice.status], ['GRID_FILE_EXISTS', 5]);
  const blind = await failure(grid, 'bcdb', 'ns', 'list', '--address', 'http://127.0.0.1:1');
  assert.equal(blind.code, 'GRID_TRUST_UNKNOWN');
  const genesis = join(grid.home, 'bcdb', 'genesis.json');
  const away = await failure(
    grid,
    ...['bcdb', 'ns', 'list', '--address', 'http://127.0.0.1:1', '--genesis', genesis],
  );
  assert.deepEqual([away.code, away.status], ['BCDB_UNREACHABLE', 6]);
  await grid.json('down', 'bcdb');
  assert.equal((await failure(grid, 'bcdb', 'ns', 'list')).code, 'GRID_NOT_UP');
});

test('an export that was changed is found out, by the height of the first bad record', async () => {
  await using grid = await gridWithNotes();
  const file = join(grid.home, 'log.jsonl');
  const { records } = await grid.json<{ records: number }>('bcdb', 'export', file);
  const sound = await grid.json<{ verified: number; isSound: boolean }>('bcdb', 'verify', file);
  assert.deepEqual([sound.verified, sound.isSound], [records, true]);
  const lines = (await readFile(file, 'utf8')).split('\n');
  const { seq } = await grid.json<{ seq: number }>('bcdb', 'get', 'notes', note, 'one');
  const record = JSON.parse(lines[seq + 1] ?? '') as { body: string };
  const body = Buffer.from(record.body, 'base64');
  body[20] = (body[20] ?? 0) ^ 1;
  lines[seq + 1] = JSON.stringify({ ...record, body: body.toString('base64') });
  await writeFile(file, lines.join('\n'));
  const { status, stdout } = await grid.run('bcdb', 'verify', file, '--json');
  assert.equal(status, 1);
  const report = JSON.parse(stdout) as { fault: { seq: number; code: string } };
  assert.equal(report.fault.seq, seq);
  assert.equal(report.fault.code, 'BCDB_BODY_MISMATCH');
});

test('a backup becomes the same database again, and its objects go into another one', async () => {
  await using grid = await gridWithNotes();
  await grid.json('bcdb', 'put', 'notes', note, 'secret', '{"text":"never said"}');
  await grid.json('bcdb', 'del', 'notes', note, 'secret', '--erase');
  await waitForErasure(grid);
  const file = join(grid.home, 'backup.jsonl');
  const { records } = await grid.json<{ records: number }>('bcdb', 'backup', file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await backUpElsewhere(grid);
  await grid.json('bcdb', 'ns', 'create', 'copy');
  const { written, skipped } = await grid.json<{ written: number; skipped: number }>(
    ...['bcdb', 'import', file, 'copy', '--from', 'notes'],
  );
  // The type and two notes; of the third nobody knows any more what it was.
  assert.deepEqual([written, skipped], [3, 1]);
  const found = await grid.json<{ objects: unknown[] }>('bcdb', 'search', 'copy', 'milk');
  assert.equal(found.objects.length, 1);
  const home = join(grid.home, 'bcdb');
  const running = await failure(grid, 'bcdb', 'verify', '--data', home);
  assert.equal(running.code, 'BASE_FOLDER_LOCKED');
  await grid.json('down');
  assert.equal(
    (await failure(grid, 'bcdb', 'restore', file, '--data', home)).code,
    'BCDB_FOLDER_EXISTS',
  );
  await rm(home, { recursive: true });
  const restored = await grid.json<{ records: number }>('bcdb', 'restore', file, '--data', home);
  assert.equal(restored.records, records);
  await grid.json('bcdb', 'rebuild', '--data', home);
  await grid.json('bcdb', 'verify', '--data', home);
  const handover = ['bcdb', 'handover'] as const;
  const statement = join(grid.home, 'handover.json');
  await grid.json(...handover, '--data', home, '--statement', statement);
  assert.equal(
    (await failure(grid, ...handover, 'apply', statement, '--data', home)).code,
    'BCDB_HANDOVER_UNSIGNED',
  );
  await grid.json(...handover, 'sign', statement);
  const handed = await grid.json<{ size: number }>(...handover, 'apply', statement, '--data', home);
  assert.equal(handed.size, records + 1);
  // A log that ends with a handover needs no other one.
  assert.deepEqual(await grid.json(...handover, '--data', home), handed);
  await grid.json('up', '--port-base', '0');
  // The commands here saw what was written after the backup, and is gone: that is told once.
  const words = ['bcdb', 'get', 'notes', note, 'two'] as const;
  assert.equal((await failure(grid, ...words)).code, 'BCDB_HANDED_OVER');
  const { value } = await grid.json<{ value: { text: string } }>(...words);
  assert.equal(value.text, 'buy milk');
});

test('objects of a type become those of its next version, once', async () => {
  await using grid = await gridWithNotes();
  const next = 'net.example.note.2';
  const schema = {
    type: 'object',
    properties: {
      body: { type: 'string', maxLength: 200 },
      format: { type: 'string', maxLength: 20 },
    },
    required: ['body', 'format'],
  };
  const steps = [
    { op: 'rename', from: ['text'], to: ['body'] },
    { op: 'default', path: ['format'], value: 'plain' },
  ];
  const [schemaFile, stepsFile] = [join(grid.home, 'next.json'), join(grid.home, 'steps.json')];
  await writeFile(schemaFile, JSON.stringify(schema));
  await writeFile(stepsFile, JSON.stringify(steps));
  await grid.json('bcdb', 'schema', 'add', 'notes', next, schemaFile);
  const words = ['bcdb', 'schema', 'migrate', 'notes', note, next, stepsFile] as const;
  const first = await grid.json<{ written: number }>(...words);
  assert.equal(first.written, 2);
  const one = await grid.json<{ value: unknown }>('bcdb', 'get', 'notes', next, 'one');
  assert.deepEqual(one.value, { body: 'buy bread', format: 'plain' });
  const again = await grid.json<{ written: number; kept: number }>(...words);
  assert.deepEqual([again.written, again.kept], [0, 2]);
  await grid.json('down');
});
