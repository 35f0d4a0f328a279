import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { TestGrid } from './grid-process.ts';

const note = 'net.example.note.1';

interface Key {
  readonly file: string;
  readonly key: string;
  readonly seal: string;
}

interface Found {
  readonly value?: unknown;
  readonly box?: string;
}

async function codeOf(grid: TestGrid, ...words: string[]): Promise<string> {
  const { stdout } = await grid.run(...words, '--json');
  return (JSON.parse(stdout) as { readonly code: string }).code;
}

test('commands of one key at the same time do not contradict each other', async () => {
  await using grid = await TestGrid.open();
  await grid.json('up', '--port-base', '0');
  const bob = await grid.json<Key>('bcdb', 'key', 'new', join(grid.home, 'bob.key'));
  await grid.json('bcdb', 'ns', 'create', 'team', '--private');
  await grid.json('bcdb', 'ns', 'grant', 'team', bob.key, 'read', 'write');
  await grid.run('bcdb', 'ns', 'readers', 'team', '--add', bob.seal);
  const puts = ['one', 'two', 'three'].map((name) =>
    grid.json('bcdb', 'put', 'team', note, name, '{}', '--key-file', bob.file),
  );
  assert.equal((await Promise.all(puts)).length, 3);
});

test('two people share a private namespace until one is removed from its readers', async () => {
  await using grid = await TestGrid.open();
  await grid.json('up', '--port-base', '0');
  const bob = await grid.json<Key>('bcdb', 'key', 'new', join(grid.home, 'bob.key'));
  const asBob = ['--key-file', bob.file];
  const shown = await grid.run('bcdb', 'key', 'show', bob.file, '--seal');
  assert.equal(shown.stdout, `${bob.seal}\n`);
  await grid.json('bcdb', 'ns', 'create', 'secret', '--private');
  await grid.json('bcdb', 'ns', 'grant', 'secret', bob.key, 'read', 'write');
  await grid.json('bcdb', 'put', 'secret', note, 'early', '{"text":"before Bob came"}');
  const notYet = await codeOf(grid, 'bcdb', 'put', 'secret', note, 'x', '{}', ...asBob);
  assert.equal(notYet, 'BCDB_NOT_READER');
  // The next step of that message is what an admin does.
  const added = await grid.run('bcdb', 'ns', 'readers', 'secret', '--add', bob.seal);
  assert.match(added.stdout, /These open what is written from now on, with key 2/);
  await grid.json('bcdb', 'put', 'secret', note, 'shared', '{"text":"it was Bob"}', ...asBob);
  const owner = await grid.json<Found>('bcdb', 'get', 'secret', note, 'shared');
  assert.deepEqual(owner.value, { text: 'it was Bob' });
  const tooEarly = await codeOf(grid, 'bcdb', 'get', 'secret', note, 'early', ...asBob);
  assert.equal(tooEarly, 'BCDB_NOT_READER');
  await grid.json('bcdb', 'ns', 'readers', 'secret', '--remove', bob.seal);
  await grid.json('bcdb', 'put', 'secret', note, 'shared', '{"text":"without Bob"}');
  const { versions } = await grid.json<{ readonly versions: readonly Found[] }>(
    ...['bcdb', 'history', 'secret', note, 'shared', ...asBob],
  );
  assert.deepEqual(
    versions.map(({ value }) => value),
    [undefined, { text: 'it was Bob' }],
  );
  const listed = await grid.json<{ readonly objects: readonly Found[] }>(
    ...['bcdb', 'find', 'secret', note],
  );
  assert.deepEqual(
    listed.objects.map(({ value }) => value),
    [{ text: 'before Bob came' }, { text: 'without Bob' }],
  );
  // Nothing of it is in the log in the clear.
  const file = join(grid.home, 'log.jsonl');
  await grid.json('bcdb', 'export', file);
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const { body = '' } = (line === '' ? {} : JSON.parse(line)) as { readonly body?: string };
    assert.ok(!Buffer.from(body, 'base64').includes(' Bob'));
  }
});

test('what needs to see into a private namespace is refused, with the reason', async () => {
  await using grid = await TestGrid.open();
  const { services } = await grid.json<{
    readonly services: Record<string, { readonly addresses: Record<string, string> }>;
  }>('up', '--port-base', '0');
  await grid.json('bcdb', 'ns', 'create', 'secret', '--private');
  const lines = join(grid.home, 'lines.jsonl');
  await writeFile(lines, `{"url":"${note}","obj":"a","value":{"text":"from a file"}}\n`);
  await grid.json('bcdb', 'import', lines, 'secret');
  const imported = await grid.json<Found>('bcdb', 'get', 'secret', note, 'a');
  assert.deepEqual(imported.value, { text: 'from a file' });
  const schema = join(grid.home, 'note.json');
  await writeFile(schema, '{"type":"object"}');
  for (const words of [
    ['find', 'secret', note, '--where', 'text=x'],
    ['search', 'secret', 'file'],
    ['sql', 'secret', 'SELECT 1'],
    ['schema', 'add', 'secret', note, schema],
  ]) {
    assert.equal(await codeOf(grid, 'bcdb', ...words), 'BCDB_NAMESPACE_PRIVATE');
  }
  const proposed = await codeOf(grid, 'bcdb', 'propose', 'secret', note, 'a', '{}');
  assert.equal(proposed, 'BCDB_NOT_SEALED');
  const again = await codeOf(grid, 'bcdb', 'ns', 'create', 'secret', '--private');
  assert.equal(again, 'GRID_NAMESPACE_EXISTS');
  // A token makes the server sign; there is nothing to open boxes with.
  const token = join(grid.home, 'token');
  await copyFile(join(grid.home, 'identity', 'owner-token'), token);
  const genesis = join(grid.home, 'bcdb', 'genesis.json');
  const address = services['bcdb']?.addresses['bcdb-http'] ?? '';
  const far = ['--address', address, '--genesis', genesis, '--token-file', token];
  const keyless = await codeOf(grid, 'bcdb', 'get', 'secret', note, 'a', ...far);
  assert.equal(keyless, 'GRID_KEY_MISSING');
});
