import { GridError } from '@commongrid/base';
import { SealingKey, wordsToEntropy } from '@commongrid/crypto';
import { botIdOf } from '@commongrid/model';
import { fetchBackup, holdToLog, openBackup, readEntry } from '@commongrid/threebot';
import type { BotEntry, OpenedBackup, S3Key } from '@commongrid/threebot';

import type { BotFolder } from '../commands/bot/bot-folder.ts';
import type { GridErrorCode } from '../errors.ts';
import { listDevice } from './list-device.ts';
import type { ListedDevice } from './list-device.ts';
import type { RecoveryOrigin } from './recovery-origin.ts';
import { lostKeys, restoreFiles } from './restore-files.ts';

export interface RecoverOptions {
  /** Name of the bot: it has to be that of the record. */
  readonly name: string;
  /** Files and URLs with its backup, asked before those of its record. */
  readonly from: readonly string[];
  /** Whether somebody else may have the keys of the machine that is gone. */
  readonly isLost: boolean;
  readonly isOlderAccepted: boolean;
  readonly withoutBackup: boolean;
  /** A key to the S3 that has the backup, where not everybody may read there. */
  readonly s3Key?: S3Key | undefined;
  /** Further keys that are to end. */
  readonly end: readonly string[];
}

/** A bot that is there again. */
export interface Recovered extends ListedDevice {
  readonly id: string;
  readonly key: string;
  readonly backup: {
    readonly atMs: number;
    readonly isNewest: boolean;
    readonly place: string;
  } | null;
  readonly fileCount: number;
}

interface FoundBackup {
  readonly opened: OpenedBackup;
  readonly place: string;
  readonly isNewest: boolean;
}

/**
 * Makes a bot be on this machine again:
 *
 * 1. A key of its own, on disk: no two machines ever count with one. 2. The record, and the backup that it
 * names, held to the log. 3. The files, and the head that was seen. 4. The root lists the new key and ends the lost ones. 5. The config: from now on
 * there is a bot here.
 *
 * Broken off anywhere, the same call goes on. The caller has the turn in the folder.
 * @throws GRID_BOT_EXISTS, GRID_BOT_UNKNOWN, BOT_BACKUP_MISSING, BOT_BACKUP_STALE, BOT_BACKUP_INVALID,
 *   BOT_BACKUP_AHEAD, BOT_BACKUP_FORKED
 */
export async function recoverBot(
  folder: BotFolder,
  origin: RecoveryOrigin,
  options: RecoverOptions,
): Promise<Recovered> {
  if (folder.isMade) throw exists(folder);
  const device = await folder.makeDevice();
  await folder.ownerToken();
  const entry = await entryOf(origin, options.name);
  const found = options.withoutBackup ? undefined : await findBackup(origin, entry, options);
  const files = found?.opened.files ?? [];
  const isHeld = await holdToLog(origin.client, files);
  const fileCount = await restoreFiles(folder.path, files);
  const { lastHead, lastCheckpoint } = origin.client;
  if (isHeld === true && lastHead !== undefined && lastCheckpoint !== undefined) {
    await folder.heads(origin.trust).keep({ size: lastHead.size, note: lastCheckpoint });
  }
  const { id, name } = entry;
  const listed = await listDevice(origin.client, id, device, {
    lost: [...lostKeys(files), ...options.end],
    ending: options.isLost ? 'compromised' : 'retired',
  });
  const { url, trust } = origin;
  await folder.writeConfig({ id, name, url, trust });
  const backup =
    found === undefined
      ? null
      : { atMs: found.opened.atMs, isNewest: found.isNewest, place: found.place };
  return { id, key: device.publicKey.text, ...listed, backup, fileCount };
}

/** The bot of which the words are the root now. @throws GRID_BOT_UNKNOWN */
async function entryOf({ client, root }: RecoveryOrigin, name: string): Promise<BotEntry> {
  const key = root.publicKey.text;
  const path = `/v1/keys/${encodeURIComponent(key)}`;
  const { bot } = await client.read<{ readonly bot?: { readonly id: string } }>(path);
  if (bot === undefined) throw unknown('these words are the root of no bot there');
  const entry = await readEntry(client, bot.id);
  if (entry.record.root !== key) throw unknown('these words are the root of no bot any more');
  if (entry.record.rootProof === undefined && botIdOf(entry.record.root) !== entry.id) {
    throw unknown('these words are the root of another bot');
  }
  if (entry.name !== name) throw unknown(`these words are ${entry.name}, not ${name}`);
  return entry;
}

async function findBackup(
  { client, words, trust }: RecoveryOrigin,
  { id, record }: BotEntry,
  { from, isOlderAccepted, s3Key }: RecoverOptions,
): Promise<FoundBackup> {
  const { urls = [], hash = '' } = record.backup ?? {};
  const places = [...from, ...urls];
  const { sealed, place, isNewest } = await fetchBackup({
    ...{ places, hash, isOlderAccepted, client, s3Key },
  });
  const key = SealingKey.derive(wordsToEntropy(words));
  const opened = await openBackup(sealed, key, { log: trust.log, bot: id });
  const signer = record.keys.find((one) => one.key === opened.key);
  if (signer === undefined || signer.role !== 'device' || signer.ended === 'compromised') {
    throw new GridError(
      'BOT_BACKUP_INVALID',
      'no device of the bot that counts signed this backup',
      {
        hint: 'take another copy',
        details: { key: opened.key },
      },
    );
  }
  return { opened, place, isNewest };
}

function exists({ path }: BotFolder): GridError<GridErrorCode> {
  return new GridError('GRID_BOT_EXISTS', `there is a bot in ${path} already`, {
    hint: 'name another folder with --data, or start it: grid bot start',
    details: { folder: path },
  });
}

function unknown(why: string): GridError<GridErrorCode> {
  return new GridError('GRID_BOT_UNKNOWN', why, {
    hint: 'see whether words, log and name belong together',
  });
}
