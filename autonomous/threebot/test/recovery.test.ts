import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemUrls } from '@commongrid/bcdb';
import { BcdbClient } from '@commongrid/bcdb/client';
import { waitFor } from '@commongrid/base';
import { fetchBackup } from '../src/recovery/backup-places.ts';
import { openBackup } from '../src/recovery/sealed-backup.ts';
import type { OpenedBackup } from '../src/recovery/sealed-backup.ts';
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
    const notKept = ['words', 'LOCK', 'data/bot.sqlite', 'data/bot.sqlite-wal', 'data/LOCK'];
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
    assert.deepEqual(paths, ['contracts/one.json', 'data/farmer.json', 'data/bot.sqlite']);
    const copy = join(kept.grid.folder, 'copy.sqlite');
    await writeFile(copy, files[2]?.bytes ?? '');
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
