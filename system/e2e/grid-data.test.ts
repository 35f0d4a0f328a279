import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { root, TestGrid } from './grid-process.ts';

/** Starts a bot, which ends with the stack. */
async function startBot(
  stack: AsyncDisposableStack,
  { home }: TestGrid,
  name: string,
): Promise<void> {
  const child: ChildProcess = spawn(join(root, 'grid'), ['bot', 'start', name, '--json'], {
    env: { ...process.env, GRID_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    await exit;
  });
  assert.ok(child.stdout);
  const ended = once(child, 'exit').then(() => assert.fail(`${name} ended`));
  await Promise.race([once(child.stdout, 'data'), ended]);
}

test('records and files of a bot are reached by address, from another bot where shared', async () => {
  await using grid = await TestGrid.open({ shards: '4+2' });
  // Bots end before their grid does.
  await using bots = new AsyncDisposableStack();
  await grid.json('up', '--port-base', '0');
  await Promise.all(['ada', 'bob'].map((name) => grid.json('bot', 'init', name)));
  await Promise.all(['ada', 'bob'].map((name) => startBot(bots, grid, name)));
  await grid.json('data', 'init', 'ada', '--s3');
  // Once more it is the same.
  const { bucket } = await grid.json<{ bucket: string }>('data', 'init', 'ada', '--s3');
  assert.equal(bucket, 'bot-ada');
  const asAda = (...words: string[]) => grid.json<unknown>('data', ...words, '--bot', 'ada');
  await asAda('define', 'notes', 'grid.note.1');
  const note = { title: 'Roof', format: 'text', body: 'mend it', tags: [], changedMs: 1 };
  await asAda('put', 'grid://ada/notes/1', JSON.stringify(note));
  const [sent, got] = ['sent', 'got'].map((name) => join(grid.home, '..', name));
  assert.ok(sent !== undefined && got !== undefined);
  const bytes = Buffer.from('ä picture\n'.repeat(100_000));
  await writeFile(sent, bytes);
  const file = 'grid://ada/files/photos/a%20b.jpg';
  await asAda('put', file, '--file', sent);

  const denied = await grid.run('data', 'get', 'grid://ada/notes/1', '--bot', 'bob');
  assert.equal(denied.status, 4, denied.stderr);
  await asAda('share', 'notes', 'known');
  await asAda('share', 'files/photos', 'known');
  const asBob = (...words: string[]) => grid.json<unknown>('data', ...words, '--bot', 'bob');
  assert.deepEqual(((await asBob('get', 'grid://ada/notes/1')) as { value: unknown }).value, note);
  await asBob('get', file, '--out', got);
  assert.ok(bytes.equals(await readFile(got)));
  const listed = (await asBob('ls', 'grid://ada/files/photos')) as { entries: unknown };
  const entry = { path: 'files/photos/a b.jpg', sizeBytes: bytes.length };
  assert.deepEqual(listed.entries, [entry]);
  const roots = (await asAda('ls')) as { entries: unknown };
  assert.deepEqual(roots.entries, [{ path: 'notes/' }, { path: 'files/' }]);
  const folders = (await asAda('ls', 'grid://ada/files')) as { entries: unknown };
  assert.deepEqual(folders.entries, [{ path: 'files/photos/' }]);
  // Those who may only read may not write, and what is removed is gone.
  const other = await grid.run('data', 'put', 'grid://ada/notes/2', '{}', '--bot', 'bob');
  assert.equal(other.status, 4, other.stderr);
  const { id: bob } = await grid.json<{ id: string }>('bot', 'status', 'bob');
  await asAda('grant', bob, 'notes:write', 'files/photos:write');
  await asBob('put', 'grid://ada/notes/2', JSON.stringify({ ...note, title: 'by bob' }));
  const theirs = (await asAda('get', 'grid://ada/notes/2')) as { value: { title: string } };
  assert.equal(theirs.value.title, 'by bob');
  const photo = 'grid://ada/files/photos/bob.jpg';
  await asBob('put', photo, '--file', sent);
  await asBob('rm', photo);
  await asBob('rm', 'grid://ada/notes/2');
  await asAda('rm', file);
  const gone = await grid.run('data', 'get', file, '--bot', 'bob');
  assert.equal(gone.status, 3, gone.stderr);
  // A backup beside the files is in the same bucket, and takes the place of the one before.
  await grid.json('bot', 'backup', 'ada', '--s3');
  const made = await grid.json<{ urls: readonly string[] }>('bot', 'backup', 'ada', '--s3');
  assert.deepEqual(
    made.urls.map((url) => new URL(url).protocol),
    ['http:', 'bcdb:'],
  );
  const { entries } = (await asAda('ls', 'grid://ada/files/backups')) as { entries: object[] };
  assert.equal(entries.length, 1);

  // On another machine it comes back from there, by a URL that was signed for it.
  const [backup] = entries as readonly { path: string }[];
  const input = JSON.stringify({ path: backup?.path.replace('files/', '') });
  const signed = ['bot', 'call', 'ada', 'data.fileUrl', input];
  const { url } = (await grid.json<{ answer: { url: string } }>(...signed)).answer;
  const card = join(grid.home, '..', 'card');
  await grid.json('bot', 'card', 'ada', '--out', card);
  await using elsewhere = await TestGrid.open();
  const recover = ['bot', 'recover', 'ada', '--card', card, '--from', url];
  const recovered = await elsewhere.json<{ backup: unknown }>(...recover);
  const { place, isNewest } = recovered.backup as { place: string; isNewest: boolean };
  assert.deepEqual([place, isNewest], [url, true]);
  // Or from the place that its record names, by a key to that S3.
  const key = await grid.json<object>('s3', 'keys', 'add', 'bot-ada');
  const keyFile = join(grid.home, '..', 's3-key');
  await writeFile(keyFile, JSON.stringify(key));
  const again = await elsewhere.json<{ backup: { place: string } }>(
    ...['bot', 'recover', 'ada', '--card', card, '--s3-key', keyFile],
    ...['--data', join(elsewhere.home, 'other')],
  );
  assert.equal(again.backup.place, made.urls[0]);
});
