import { GridError, isGridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { BotErrorCode } from '../errors.ts';
import type { BackupFile } from './backup-files.ts';

/** Where a backup has the checkpoint that the bot saw when its tables were as they are there. */
export const seenHeadPath = 'seen-head';

/** @param note a checkpoint no older than the tables of the backup */
export function seenHeadFile(note: string): BackupFile {
  return { path: seenHeadPath, bytes: Buffer.from(note) };
}

/**
 * Holds a backup to the log that a recovery goes on with: what its tables rely on has to be there. Backups of before
 * have no checkpoint, and cannot be held to anything.
 * @returns whether the log has what the backup saw; undefined where nobody can say
 * @throws BOT_BACKUP_AHEAD, BOT_BACKUP_FORKED
 */
export async function holdToLog(
  client: BcdbClient,
  files: readonly BackupFile[],
  signal?: AbortSignal,
): Promise<true | undefined> {
  const file = files.find(({ path }) => path === seenHeadPath);
  if (file === undefined) return undefined;
  const note = Buffer.from(file.bytes).toString('utf8');
  try {
    if (await client.compare(note, signal === undefined ? {} : { signal })) return true;
  } catch (cause) {
    if (!isGridError(cause, 'BCDB_LOG_FORKED')) throw cause;
    throw new GridError<BotErrorCode>(
      'BOT_BACKUP_FORKED',
      'the backup is from another branch of the log: this database contradicts what the bot saw',
      {
        hint: 'ask other bots which branch they see, and name a database of that with --url; --without-backup brings back the identity alone',
        details: { seen: note, shown: client.lastCheckpoint },
        cause,
      },
    );
  }
  throw new GridError<BotErrorCode>(
    'BOT_BACKUP_AHEAD',
    'the backup saw more of the log than this database has: it lags behind, or lost something',
    {
      hint: 'wait for it, or name another database with --url; --without-backup brings back the identity alone',
      retryable: true,
      details: { seen: note, shown: client.lastCheckpoint },
    },
  );
}
