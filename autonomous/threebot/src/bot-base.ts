import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FolderLock, silentLogger, systemClock } from '@commongrid/base';
import type { BotOptions } from './bot-options.ts';
import type { BotLimits } from './config.ts';
import { DataBook } from './data/data-book.ts';
import { Files } from './data/files.ts';
import type { UseDatabase } from './data/records.ts';
import { LogView } from './log-view.ts';
import { BotCounts } from './metrics/bot-counts.ts';
import { KeptEntries } from './phonebook/kept-entries.ts';
import { Phonebook } from './phonebook/phonebook.ts';
import { BackupKeeper } from './recovery/backup-keeper.ts';
import { BotStore } from './store/bot-store.ts';

/**
 * What the actors of a bot stand on: its tables, its view of the log, the phonebook, where its data is.
 * The folder is its own until the stack ends.
 */
export async function openBase(
  options: BotOptions,
  limits: BotLimits,
  stack: AsyncDisposableStack,
) {
  const { folder, url, trust, key, heads, clock = systemClock, logger = silentLogger } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  stack.use(await FolderLock.open(folder));
  const store = stack.use(await BotStore.open(folder));
  const { db } = store;
  const view = stack.use(
    new LogView({ ...{ url, trust, key, heads, logger, clock }, halts: store }),
  );
  const use: UseDatabase = (work, signal) => view.use(work, signal);
  const kept = stack.use(KeptEntries.open(join(folder, 'phonebook.sqlite')));
  const phonebook = new Phonebook({ ...limits, use, seen: store, kept, clock });
  const book = new DataBook(db);
  const files = new Files(book, clock);
  const { id, papers } = options;
  const counts = new BotCounts();
  const base = { counts, db, view, use, phonebook, kept, book, files };
  if (papers === undefined) return { ...base, store, keeper: undefined };
  const keeper = new BackupKeeper({ ...base, id, log: trust.log, papers, folder, key, clock });
  return { ...base, store, keeper };
}
