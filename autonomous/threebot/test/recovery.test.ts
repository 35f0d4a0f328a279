import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemUrls } from '@commongrid/bcdb';
import { BcdbClient } from '@commongrid/bcdb/client';
import { isGridError, waitFor } from '@commongrid/base';
import { fetchBackup } from '../src/recovery/backup-places.ts';
import { backupHash, openBackup } from '../src/recovery/sealed-backup.ts';
import type { OpenedBackup } from '../src/recovery/sealed-backup.ts';
import { holdToLog, seenHeadPath } from '../src/recovery/seen-head.ts';
import type { Bot } from '../src/index.ts';
import { Grid } from './support/grid.ts';
import type { Self } from './support/grid.ts';
import { sealingKeyOf } from './support/phonebook-records.ts';

interface Made {
  readonly hash: string;
  readonly urls: readonly string[];
}

/** A bot with papers in its folder, and a namespace for what it keeps in the database. */
class Kept {
  readonly grid: Grid;
  readonly self: Self;
  readonly papers: string;

  private constructor(grid: Grid, self: Self) {
    this.grid = grid;
    this.self = self;
    this.papers = join(grid.folder, 'papers');
  }

  static async open(t: TestContext): Promise<Kept> {
    const grid = await Grid.open(t);
    const kept = new Kept(grid, await grid.self('ada'));
    await mkdir(join(kept.papers, 'contracts'), { recursive: true });
    await writeFile(join(kept.papers, 'contracts', 'one.json'), 'a contract');
    await mkdir(join(kept.papers, 'data'));
    await writeFile(join(kept.papers, 'data', 'farmer.json'), 'rules');
    const head = 'stores/one/data';
    await mkdir(join(kept.papers, head, 'deep'), { recursive: true });
    await writeFile(join(kept.papers, head, 'key'), 'opens the store');
    const notKept = [
      ...['words', 'LOCK', 'data/bot.sqlite', 'data/bot.sqlite-wal', 'data/LOCK'],
      ...[`${head}/metadata.sqlite`, `${head}/key.old`, `${head}/deep/key`],
    ];
    for (const name of notKept) await writeFile(join(kept.papers, name), 'not in backups');
    const value = { grants: [{ to: kept.self.id, rights: ['admin'] }] };
    const name = { ns: 'bot-ada', url: systemUrls.namespace, obj: 'namespace' } as const;
    await grid.bcdb.write({ ...name, op: 'put', value });
    return kept;
  }

  start(): Promise<Bot> {
    return this.grid.bot(this.self, { papers: this.papers });
  }

  root(): Promise<BcdbClient> {
    const { url, trust } = this.grid;
    return BcdbClient.connect({ url, trust, key: this.self.root });
  }

  async recorded(): Promise<Made | undefined> {
    const { value } = await (await this.root()).get('grid', 'grid.bot.1', this.self.id);
    return (value as { readonly backup?: Made }).backup;
  }

  openSealed(sealed: Uint8Array): Promise<OpenedBackup> {
    const name = { log: this.grid.trust.log, bot: this.self.id };
    return openBackup(sealed, sealingKeyOf(this.self.root), name);
  }
}

test('a backup is named in the record, and the words open what is at its places', async (t) => {
  const kept = await Kept.open(t);
  const bot = await kept.start();
  await bot.call('people.allow', { bot: bot.id, standing: 'circle' });
  await assert.rejects(bot.call('backup.now', {}), { code: 'BOT_BACKUP_UNPLACED' });
  await bot.call('data.configure', { namespace: 'bot-ada' });
  const folder = join(kept.grid.folder, 'backups');
  const made = (await bot.call('backup.now', { folder })) as Made & { failures: string[] };
  assert.deepEqual(made.failures, []);
  assert.deepEqual(await kept.recorded(), { hash: made.hash, urls: made.urls });

  const client = await kept.root();
  assert.equal(made.urls.length, 2);
  for (const place of made.urls) {
    const { hash } = made;
    const fetched = await fetchBackup({ places: [place], hash, isOlderAccepted: false, client });
    const { files, key } = await kept.openSealed(fetched.sealed);
    assert.equal(key, kept.self.device.publicKey.text);
    const paths = files.map(({ path }) => path);
    assert.deepEqual(paths, [
      ...['contracts/one.json', 'data/farmer.json', 'stores/one/data/key'],
      ...['data/bot.sqlite', 'seen-head'],
    ]);
    const copy = join(kept.grid.folder, 'copy.sqlite');
    await writeFile(copy, files[3]?.bytes ?? '');
    const db = new DatabaseSync(copy);
    assert.deepEqual(db.prepare('SELECT standing FROM people').get()?.['standing'], 'circle');
    db.close();
  }
});

test('an older or changed backup is refused, unless somebody accepts it', async (t) => {
  const kept = await Kept.open(t);
  const bot = await kept.start();
  await bot.call('data.configure', { namespace: 'bot-ada' });
  const folder = join(kept.grid.folder, 'backups');
  const make = async () => (await bot.call('backup.now', { folder })) as Made;
  const first = await make();
  const { hash, urls } = await make();
  assert.notEqual(hash, first.hash);
  const client = await kept.root();
  const place = (url: string, isOlderAccepted = false) =>
    fetchBackup({ places: [url], hash, isOlderAccepted, client });
  await assert.rejects(place(first.urls[0] ?? ''), { code: 'BOT_BACKUP_STALE' });
  assert.equal((await place(first.urls[0] ?? '', true)).isNewest, false);
  // Of the database, the former one is gone.
  await assert.rejects(place(first.urls[1] ?? ''), { code: 'BOT_BACKUP_MISSING' });
  const file = fileURLToPath(urls[0] ?? '');
  const bytes = await readFile(file);
  bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1;
  await writeFile(file, bytes);
  await assert.rejects(place(file), { code: 'BOT_BACKUP_STALE' });
  const accepted = await place(file, true);
  await assert.rejects(kept.openSealed(accepted.sealed), { code: 'BOT_BACKUP_INVALID' });
  // Another place still has it.
  const found = await fetchBackup({
    places: [file, ...urls],
    hash,
    isOlderAccepted: false,
    client,
  });
  assert.ok(found.place.startsWith('bcdb://'));
  for (let n = 0; n < 4; n++) await make();
  assert.equal((await readdir(folder)).length, 3);
});

test('a backup is held to the log: what it saw has to be there', async (t) => {
  const kept = await Kept.open(t);
  const { grid, self } = kept;
  const fork = await grid.fork();
  const bot = await kept.start();
  await bot.call('data.configure', { namespace: 'bot-ada' });
  const { hash, urls } = (await bot.call('backup.now', {})) as Made;
  const client = await kept.root();
  const { sealed } = await fetchBackup({ places: urls, hash, isOlderAccepted: false, client });
  const { files } = await kept.openSealed(sealed);
  assert.equal(await holdToLog(client, files), true);
  const before = files.filter(({ path }) => path !== seenHeadPath);
  assert.equal(await holdToLog(client, before), undefined);
  // A database that was brought back from an old copy has less, and then something else.
  const { host, port } = fork.httpAddress;
  const url = `http://${host}:${port}`;
  const other = await BcdbClient.connect({ url, trust: grid.trust, key: self.root });
  await assert.rejects(holdToLog(other, files), { code: 'BOT_BACKUP_AHEAD', retryable: true });
  let n = 0;
  const isForked = async (): Promise<boolean> => {
    await fork.bcdb.createNamespace(`other-${n++}`);
    const error = await holdToLog(other, files).catch((thrown: unknown) => thrown);
    assert.ok(isGridError(error), 'it is held to nothing on this branch');
    return error.code === 'BOT_BACKUP_FORKED';
  };
  await waitFor(isForked, { what: 'the other branch', timeoutMs: 60_000, everyMs: 100 });
});

test('a backup at an S3 that not everybody reads comes by a key to that S3 alone', async (t) => {
  const kept = await Kept.open(t);
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const isSigned = request.url?.includes('X-Amz-Signature=') === true;
    response.writeHead(isSigned ? 200 : 403).end(isSigned ? 'sealed' : '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const key = { endpoint, region: 'us-east-1', accessKey: 'id', secretKey: 'hidden' };
  const options = {
    ...{ places: [`${endpoint}/bot-ada/backups/a%20b.backup`], client: await kept.root() },
    ...{ hash: backupHash(Buffer.from('sealed')), isOlderAccepted: false },
  };
  await assert.rejects(fetchBackup(options), { code: 'BOT_BACKUP_MISSING' });
  const elsewhere = { ...key, endpoint: 'http://127.0.0.1:1' };
  await assert.rejects(fetchBackup({ ...options, s3Key: elsewhere }), {
    code: 'BOT_BACKUP_MISSING',
  });
  assert.ok(asked.length === 2 && asked.every((url) => !url.includes('X-Amz')));
  const { sealed } = await fetchBackup({ ...options, s3Key: key });
  assert.equal(Buffer.from(sealed).toString(), 'sealed');
  assert.match(asked[2] ?? '', /^\/bot-ada\/backups\/a%20b\.backup\?/);
});

test('a backup is made by itself where one is due', async (t) => {
  const kept = await Kept.open(t);
  const first = await kept.start();
  await first.call('data.configure', { namespace: 'bot-ada' });
  assert.equal(await kept.recorded(), undefined);
  await first.close();
  const second = await kept.start();
  const made = await waitFor(() => kept.recorded(), {
    ...{ what: 'a backup that was due', timeoutMs: 60_000, everyMs: 100 },
  });
  const status = async (bot: Bot) => (await bot.call('backup.status', {})) as { last: Made };
  await waitFor(async () => (await status(second)).last !== null, {
    ...{ what: 'the backup to be remembered', timeoutMs: 60_000, everyMs: 100 },
  });
  assert.equal((await status(second)).last.hash, made.hash);
});
