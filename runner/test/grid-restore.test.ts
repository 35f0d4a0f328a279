import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { errorCode, FolderLock } from '@commongrid/base';
import { Bcdb } from '@commongrid/bcdb';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';
import { ZdbServer } from '@commongrid/zdb';

import { filesOfHome, lockBackups } from '../src/backup/home-files.ts';
import { requireEmpty } from '../src/backup/restore-grid.ts';
import { GridHome } from '../src/home.ts';
import { readKeyFile } from '../src/key-file.ts';
import { createIdentity } from '../src/owner-identity.ts';
import { runCommand } from './fixtures/run-command.ts';

const listen = [{ host: '127.0.0.1', port: 0 }];

/** The folder of a grid that is down, but for Zero-DBs and tables that are open in this process. */
async function openHome(path: string, stack: AsyncDisposableStack): Promise<GridHome> {
  const home = new GridHome(path);
  await home.create();
  await createIdentity(home);
  await writeNote(home, 'written before');
  const bot = join(home.bots, 'anna');
  await mkdir(join(bot, 'data'), { recursive: true });
  await mkdir(join(bot, 'heads'));
  await writeFile(join(bot, 'heads', '7.head'), 'had again');
  await writeFile(join(bot, 'words'), 'her words');
  const db = new DatabaseSync(join(bot, 'data', 'bot.sqlite'));
  stack.defer(() => db.close());
  db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('kept')");
  db.exec("BEGIN; INSERT INTO t VALUES ('not done')");
  for (const dataDir of [home.zdb, home.backend('zdb-3')]) {
    const server = stack.use(await ZdbServer.open({ dataDir, listen }));
    await using client = await RespClient.connect({ port: portOf(server) });
    await client.command(['SET', 'key', dataDir]);
  }
  await writeFile(join(home.hub, 'LOCK'), '');
  await writeFiles(home.path, {
    'bots/temp/words': 'of a bot that is called so',
    'deployed/temp/password': 'open sesame',
    'front-door/doors.json': '{}',
    ...{ 'hub/images/temp/7': 'half', 'hub/images/blobs/a/b': 'chunk' },
    ...{ 'flists/temp/7': 'half', 'flists/blobs/a/b': 'chunk' },
    ...{ 'flists/flists/c': 'image', 'flists/signatures/d': 'signature' },
  });
  return home;
}

async function writeFiles(top: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(top, path)), { recursive: true });
    await writeFile(join(top, path), content);
  }
}

async function writeNote(home: GridHome, obj: string): Promise<number> {
  const owner = await readKeyFile(home.ownerKeyFile);
  await using bcdb = await Bcdb.open({ dataDir: home.bcdb, owner });
  const value = { grants: [{ to: bcdb.owner, rights: ['admin'] }] };
  const ns = obj.replaceAll(' ', '-');
  await bcdb.write({ ns, op: 'put', url: 'bcdb.namespace.1', obj: 'namespace', value });
  return bcdb.head.size;
}

async function valueIn(dataDir: string): Promise<string> {
  await using server = await ZdbServer.open({ dataDir, listen });
  await using client = await RespClient.connect({ port: portOf(server) });
  const value = await client.command(['GET', 'key']);
  return Buffer.isBuffer(value) ? value.toString() : '';
}

function portOf(server: ZdbServer): number {
  const [{ port } = { port: 0 }] = server.addresses;
  return port;
}

test('a grid is restored into an empty folder, with its log under a new key', async () => {
  await using folder = await tempFolder('restore');
  await using stack = new AsyncDisposableStack();
  const home = await openHome(join(folder.path, 'a'), stack);
  const words = join(folder.path, 'words');
  await cp(home.wordsFile, words);
  const place = join(folder.path, 'place');
  const backup = await runCommand(home.path, ['backup', place, '--json']);
  const made = JSON.parse(backup.printed) as { readonly name: string; readonly records: number };
  await writeNote(home, 'written after');

  const target = join(folder.path, 'b');
  const restore = ['restore', place, '--words-file', words];
  const plan = await runCommand(target, [...restore, '--dry-run']);
  assert.match(plan.printed, new RegExp(`^${made.name}\n`));
  assert.equal(existsSync(target), false);
  const { printed } = await runCommand(target, [...restore, '--json']);
  const restored = JSON.parse(printed) as { readonly records: number; readonly sequencer: string };
  assert.equal(restored.records, made.records + 1);
  await assert.rejects(runCommand(target, restore), hasCode('GRID_RESTORE_OCCUPIED'));
  assert.deepEqual(await readdir(folder.path), ['a', 'b', 'place', 'words']);

  const there = new GridHome(target);
  assert.equal(await there.exists(), true);
  assert.equal(existsSync(there.wordsFile), false);
  for (const file of ['owner-key', 'owner-token', 'backup-key']) {
    const [one, other] = [home, there].map(({ identity }) => readFile(join(identity, file)));
    assert.deepEqual(await one, await other);
  }
  assert.equal(await readFile(join(there.bots, 'anna', 'words'), 'utf8'), 'her words');
  assert.deepEqual(await readdir(join(there.bots, 'anna')), ['data', 'words']);
  assert.deepEqual(await readdir(join(there.bots, 'temp')), ['words']);
  assert.deepEqual(await readdir(join(there.deployed, 'temp')), ['password']);
  assert.deepEqual(await readdir(there.frontDoor), ['doors.json']);
  assert.deepEqual(await readdir(there.flists), ['blobs', 'flists', 'signatures']);
  assert.deepEqual(await readdir(there.hub), ['images']);
  assert.deepEqual(await readdir(join(there.hub, 'images')), ['blobs']);
  const tables = new DatabaseSync(join(there.bots, 'anna', 'data', 'bot.sqlite'));
  assert.deepEqual({ ...tables.prepare('SELECT * FROM t').get() }, { a: 'kept' });
  tables.close();
  assert.equal(await valueIn(there.zdb), home.zdb);
  assert.equal(await valueIn(there.backend('zdb-3')), home.backend('zdb-3'));
  const owner = await readKeyFile(there.ownerKeyFile);
  await using bcdb = await Bcdb.open({ dataDir: there.bcdb, owner });
  assert.equal(bcdb.head.size, restored.records);
  assert.ok(bcdb.hasNamespace('written-before'));
  assert.ok(!bcdb.hasNamespace('written-after'));
  assert.equal(bcdb.sequencer, restored.sequencer);
});

test('where a restore fails nothing is there, and the next one begins anew', async () => {
  await using folder = await tempFolder('restore');
  await using stack = new AsyncDisposableStack();
  const home = await openHome(join(folder.path, 'a'), stack);
  const [place, passphrase] = [join(folder.path, 'place'), join(folder.path, 'passphrase')];
  await writeFile(passphrase, 'one day in May\n');
  await runCommand(home.path, ['backup', place, '--passphrase-file', passphrase]);
  const target = join(folder.path, 'b');
  const restore = ['restore', place, '--passphrase-file', passphrase];
  const fans = await readdir(join(place, 'chunks'));
  const chunks = await Promise.all(
    fans.map(async (fan) => (await readdir(join(place, 'chunks', fan))).map((id) => join(fan, id))),
  );
  const all = chunks.flat();
  for (const chunk of [all[0], all[all.length >> 1], all.at(-1)]) {
    const file = join(place, 'chunks', chunk ?? '');
    const bytes = await readFile(file);
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
    await writeFile(file, changed);
    await assert.rejects(runCommand(target, restore), hasCode('GRID_BACKUP_DAMAGED'), chunk);
    assert.equal(existsSync(target), false);
    await writeFile(file, bytes);
  }
  // One that was killed left this; the other one is still at work.
  const left = await workshop(target, 'killed');
  const used = await workshop(target, 'at-work');
  const others = await FolderLock.open(used);
  await runCommand(target, restore);
  await others.close();
  assert.deepEqual([existsSync(left), existsSync(join(used, 'grid/half'))], [false, true]);
  assert.equal(existsSync(join(target, 'half')), false);
  // It was never up here, and nobody has the words: a passphrase does.
  const next = join(folder.path, 'next');
  await assert.rejects(runCommand(target, ['backup', next]), hasCode('GRID_NOT_UP'));
  await runCommand(target, ['backup', next, '--passphrase-file', passphrase]);
  await runCommand(target, ['backup', next]);
  await runCommand(target, ['backup', next, '--verify', '--passphrase-file', passphrase]);
  // What damage costs is gone once all is stored anew.
  await rm(join(place, 'chunks'), { recursive: true });
  const verify = ['backup', place, '--verify'];
  await assert.rejects(runCommand(home.path, verify), hasCode('GRID_BACKUP_DAMAGED'));
  await runCommand(home.path, ['backup', place, '--full']);
  await runCommand(home.path, verify);
});

/** As a restore has it in the middle of its work. */
async function workshop(target: string, name: string): Promise<string> {
  const path = `${target}.restoring-${name}`;
  await writeFiles(path, { LOCK: '', 'grid/half': '' });
  return path;
}

test('of restores at one time one makes the grid, whole, and the others leave nothing', async () => {
  await using folder = await tempFolder('restore');
  await using stack = new AsyncDisposableStack();
  const home = await openHome(join(folder.path, 'a'), stack);
  const words = join(folder.path, 'words');
  await cp(home.wordsFile, words);
  const place = join(folder.path, 'place');
  await runCommand(home.path, ['backup', place]);
  const target = join(folder.path, 'b');
  const once = ['restore', place, '--words-file', words];
  const all = await Promise.allSettled(Array.from({ length: 3 }, () => runCommand(target, once)));
  const refused = all.flatMap((one) => (one.status === 'rejected' ? [errorCode(one.reason)] : []));
  assert.deepEqual(refused, ['GRID_RESTORE_OCCUPIED', 'GRID_RESTORE_OCCUPIED']);
  assert.deepEqual((await readdir(folder.path)).toSorted(), ['a', 'b', 'place', 'words']);
  const again = join(folder.path, 'again');
  await runCommand(again, once);
  assert.deepEqual(await filesIn(target), await filesIn(again));
});

async function filesIn(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => relative(path, join(parentPath, name))).toSorted();
}

test('a grid is backed up by one command at a time', async () => {
  await using folder = await tempFolder('restore');
  const home = new GridHome(join(folder.path, 'a'));
  await home.create();
  await createIdentity(home);
  await using _other = await lockBackups(home);
  const second = runCommand(home.path, ['backup', join(folder.path, 'place')]);
  await assert.rejects(second, hasCode('GRID_BACKUP_RUNNING'));
});

test('a grid is not backed up into its own folder, whatever leads there', async () => {
  await using folder = await tempFolder('restore');
  await using stack = new AsyncDisposableStack();
  const home = await openHome(join(folder.path, 'a'), stack);
  const link = join(folder.path, 'link');
  await symlink(home.deployed, link);
  for (const place of [home.path, join(home.deployed, 'new', 'place'), link, join(link, 'new')]) {
    await assert.rejects(runCommand(home.path, ['backup', place]), hasCode('GRID_USAGE'), place);
  }
  // It has another name, though it begins alike.
  await runCommand(home.path, ['backup', `${home.path}-backups`]);
});

test('a grid takes the name of no link, file or mounted disk', async () => {
  await using folder = await tempFolder('restore');
  const at = (name: string): string => join(folder.path, name);
  const [empty, link, file] = [at('empty'), at('link'), at('file')];
  await mkdir(empty);
  await symlink(empty, link);
  await writeFile(file, '');
  await requireEmpty(empty);
  await requireEmpty(at('missing'));
  await assert.rejects(requireEmpty(file), hasCode('GRID_RESTORE_OCCUPIED'));
  for (const home of [link, '/proc']) {
    await assert.rejects(requireEmpty(home), hasCode('GRID_RESTORE_FIXED'), home);
  }
});

test('what refers to something of an image is read before that', async () => {
  await using folder = await tempFolder('restore');
  await using stack = new AsyncDisposableStack();
  const home = await openHome(join(folder.path, 'a'), stack);
  const paths: string[] = [];
  for await (const { path, content } of filesOfHome(home)) {
    for await (const _ of content) continue;
    if (path.startsWith('flists/')) paths.push(path);
  }
  assert.deepEqual(paths, ['flists/signatures/d', 'flists/flists/c', 'flists/blobs/a/b']);
});

test('what a command would not heed is refused', async () => {
  await using folder = await tempFolder('restore');
  for (const words of [
    ['--list', '--full'],
    ['--list', '--backup', 'x'],
    ['--verify', '--full'],
    ['--words-file', 'words'],
  ]) {
    const running = runCommand(folder.path, ['backup', join(folder.path, 'place'), ...words]);
    await assert.rejects(running, hasCode('GRID_USAGE'), words.join(' '));
  }
});
