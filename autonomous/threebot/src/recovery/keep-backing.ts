import { repeat } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { BackupKeeper } from './backup-keeper.ts';

/** From one look whether a backup is due to the next, ms. */
const lookEveryMs = 600_000;

/** Time for one backup, ms. */
const backupMs = 300_000;

/** Makes backups as they fall due, until the signal fires. */
export function keepBacking(
  keeper: BackupKeeper,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const work = async (): Promise<void> => {
    const made = await keeper.makeIfDue(AbortSignal.any([signal, AbortSignal.timeout(backupMs)]));
    if (made === undefined) return;
    const { hash, urls, failures } = made;
    logger.info({ hash, urls, failures }, 'a backup of the bot is made');
  };
  const onError = (error: unknown): void => {
    logger.warn({ err: error }, 'a backup of the bot failed');
  };
  return repeat(lookEveryMs, work, { signal, onError });
}
