import { hash } from 'node:crypto';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { GridError, Mutex, readTextIfThere, writeFileAtomic } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import { SealingPublicKey } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import type { Hash } from '@commongrid/model';
import type { DataBook } from '../data/data-book.ts';
import type { Files } from '../data/files.ts';
import type { UseDatabase } from '../data/records.ts';
import type { BotErrorCode } from '../errors.ts';
import type { BotCounts } from '../metrics/bot-counts.ts';
import type { Phonebook } from '../phonebook/phonebook.ts';
import { changeOwnRecord } from '../phonebook/publish.ts';
import { backupFiles } from './backup-files.ts';
import type { BackupFile } from './backup-files.ts';
import { putIntoFiles, putIntoFolder } from './backup-places.ts';
import type { DatedBackup } from './backup-places.ts';
import { BackupSettings } from './backup-settings.ts';
import type { BackupPlan } from './backup-settings.ts';
import { eraseOthers, putIntoDatabase } from './database-backups.ts';
import { backupHash, sealBackup } from './sealed-backup.ts';
import { seenHeadFile } from './seen-head.ts';

export interface BackupKeeperOptions {
  /** Id of the bot. */
  readonly id: string;
  readonly log: string;
  /** Folder of the bot, whose papers are kept. */
  readonly papers: string;
  /** Folder of its tables. */
  readonly folder: string;
  readonly db: DatabaseSync;
  readonly key: SigningKey;
  readonly use: UseDatabase;
  readonly phonebook: Phonebook;
  readonly book: DataBook;
  readonly files: Files;
  readonly counts: BotCounts;
  readonly clock: Clock;
}

/** A backup that was made, and named in the record of the bot. */
export interface MadeBackup {
  readonly hash: string;
  readonly urls: readonly string[];
  readonly atMs: number;
  readonly sizeBytes: number;
  /** Places that did not take it, and why. */
  readonly failures: readonly string[];
}

/** What is remembered of the last backup. It is no part of backups: each one would differ by it. */
type LastBackup = MadeBackup & { readonly content: string };

/** Makes backups of a bot, puts them where its owner wants them, and says so in its record. */
export class BackupKeeper {
  readonly settings: BackupSettings;
  readonly #o: BackupKeeperOptions;
  readonly #turn = new Mutex();

  constructor(options: BackupKeeperOptions) {
    this.#o = options;
    this.settings = new BackupSettings(options.db);
  }

  /**
   * First the places, then the record: what it names is there.
   * @param extraFolder a folder besides what is configured
   * @throws BOT_BACKUP_UNPLACED where no place takes it, and what the database refuses
   */
  make(extraFolder: string | undefined, signal: AbortSignal): Promise<MadeBackup> {
    return this.#turn.run(async () => this.#make(await this.#content(), extraFolder, signal));
  }

  /** Makes one where it is time and something changed. Returns undefined otherwise. */
  makeIfDue(signal: AbortSignal): Promise<MadeBackup | undefined> {
    return this.#turn.run(async () => {
      const plan = this.#plan();
      if (!plan.database && !plan.files && plan.folder === undefined) return undefined;
      const last = await this.last();
      const ageMs = this.#o.clock.nowMs() - (last?.atMs ?? 0);
      if (ageMs >= 0 && ageMs < plan.everyHours * 3_600_000) return undefined;
      const files = await this.#content();
      if (digestOf(files) === last?.content) return undefined;
      return this.#make(files, undefined, signal);
    });
  }

  async last(): Promise<LastBackup | undefined> {
    const text = await readTextIfThere(this.#lastFile);
    return text === undefined ? undefined : (JSON.parse(text) as LastBackup);
  }

  async #make(
    files: readonly BackupFile[],
    extraFolder: string | undefined,
    signal: AbortSignal,
  ): Promise<MadeBackup> {
    const { backups } = this.#o.counts;
    try {
      const made = await this.#makeOne(files, extraFolder, signal);
      backups.add({ outcome: 'made' });
      return made;
    } catch (error) {
      backups.add({ outcome: 'failed' });
      throw error;
    }
  }

  async #makeOne(
    files: readonly BackupFile[],
    extraFolder: string | undefined,
    signal: AbortSignal,
  ): Promise<MadeBackup> {
    const { id, log, key, use, phonebook, clock } = this.#o;
    const { seal, backup: former } = (await phonebook.renewed(id)).record;
    const named = former?.urls ?? [];
    const name = { log, bot: id, atMs: clock.nowMs() };
    // No older than the tables. It is no part of what is compared: each backup would differ by it.
    const seen = seenHeadFile(await use(newestNote, signal));
    const all = [...files, seen];
    const sealed = await sealBackup(name, all, SealingPublicKey.fromText(seal), key);
    const digest = backupHash(sealed);
    const dated = { sealed, atMs: name.atMs };
    const { urls, failures } = await this.#place(dated, named, extraFolder, signal);
    const backup = { urls: [...urls], hash: digest as Hash };
    await use((client) => changeOwnRecord(client, id, { backup }, signal), signal);
    const made = { hash: digest, urls, atMs: name.atMs, sizeBytes: sealed.length, failures };
    const last = { ...made, content: digestOf(files) } satisfies LastBackup;
    await writeFileAtomic(this.#lastFile, JSON.stringify(last), { mode: 0o600 });
    await this.#clearAway(urls, named, digest, signal);
    return made;
  }

  async #place(
    dated: DatedBackup,
    named: readonly string[],
    extraFolder: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly urls: readonly string[]; readonly failures: readonly string[] }> {
    const { id, use, book, files } = this.#o;
    const { sealed } = dated;
    const plan = this.#plan();
    const name = id.replace('bot:', '');
    const folders = new Set([plan.folder, extraFolder].filter((one) => one !== undefined));
    const { namespace } = book;
    const tries = [
      ...[...folders].map((folder) => () => putIntoFolder(folder, name, dated, named)),
      ...(plan.files ? [() => putIntoFiles(files, name, dated, signal)] : []),
      ...(plan.database && namespace !== undefined
        ? [
            () =>
              use(
                (client) => putIntoDatabase(client, namespace, sealed, backupHash(sealed), signal),
                signal,
              ),
          ]
        : []),
    ];
    const urls: string[] = [];
    const failures: string[] = [];
    for (const attempt of tries) {
      try {
        urls.push(await attempt());
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
      }
    }
    if (urls.length > 0) return { urls, failures };
    const why = failures.length === 0 ? 'nobody said where' : failures.join('; ');
    throw new GridError<BotErrorCode>('BOT_BACKUP_UNPLACED', `no place has the backup: ${why}`, {
      hint: 'grid bot backup NAME --to FOLDER, or grid data init',
    });
  }

  /** Older ones of database and S3, once the record names the new one. */
  async #clearAway(
    urls: readonly string[],
    named: readonly string[],
    digest: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { book, files, use } = this.#o;
    const { namespace } = book;
    if (namespace !== undefined && urls.some((url) => url.startsWith('bcdb://'))) {
      await use((client) => eraseOthers(client, namespace, digest, signal), signal);
    }
    for (const url of named) {
      const key = urls.includes(url) ? undefined : files.keyAt(url);
      if (key !== undefined) await files.remove(key, signal);
    }
  }

  /** Where there is a namespace, it is a place unless somebody said otherwise. */
  #plan(): BackupPlan & { readonly database: boolean } {
    const plan = this.settings.plan;
    const isThere = this.#o.book.namespace !== undefined;
    return { ...plan, database: (plan.database ?? true) && isThere };
  }

  #content(): Promise<readonly BackupFile[]> {
    const { papers, folder, db } = this.#o;
    return backupFiles(papers, db, join(folder, 'backup.tmp'));
  }

  get #lastFile(): string {
    return join(this.#o.folder, 'last-backup.json');
  }
}

async function newestNote(client: BcdbClient, signal: AbortSignal): Promise<string> {
  await client.checkpoint({ signal });
  return client.lastCheckpoint ?? '';
}

function digestOf(files: readonly BackupFile[]): string {
  const each = files.map(({ path, bytes }) => `${hash('sha256', bytes, 'base64url')} ${path}\n`);
  return hash('sha256', each.join(''), 'base64url');
}
