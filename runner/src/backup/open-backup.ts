import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

import { GridError } from '@commongrid/base';

import { readWordsFile } from '../commands/bot/bot-folder.ts';
import { readSecret } from '../commands/zdb/connection.ts';
import type { GridErrorCode } from '../errors.ts';
import type { GridHome } from '../home.ts';
import { readKeyFile } from '../key-file.ts';
import { ownerKeyOf } from '../owner-identity.ts';
import { readCard } from '../recovery-card.ts';
import { openKeys, readPlace } from './backup-keys.ts';
import type { BackupKeys, Opener } from './backup-keys.ts';
import { missing, newestBackup, readManifest } from './backup-manifest.ts';
import type { BackupManifest } from './backup-manifest.ts';
import type { BackupPlace } from './backup-place.ts';
import { readChunks } from './chunks.ts';

/** What a person has to open backups with, and which one. */
export interface OpenOptions {
  readonly wordsFile?: string;
  readonly card?: string;
  readonly passphraseFile?: string;
  /** Name of a backup; default: the newest. */
  readonly backup?: string;
}

/** A backup whose manifest is right. */
export interface OpenBackup {
  readonly place: BackupPlace;
  readonly keys: BackupKeys;
  readonly name: string;
  readonly manifest: BackupManifest;
}

/**
 * @param home that of the grid which made it; undefined where it is to be opened as on an empty machine
 * @throws GRID_BACKUP_MISSING, GRID_BACKUP_LOCKED, GRID_BACKUP_DAMAGED, GRID_BACKUP_FOREIGN, GRID_USAGE
 */
export async function openBackup(
  place: BackupPlace,
  home: GridHome | undefined,
  options: OpenOptions,
): Promise<OpenBackup> {
  const { opener, owner } = await openerOf(home, options);
  const facts = await readPlace(place);
  if (facts === undefined) throw missing(place, 'there are no backups');
  const keys = await openKeys(place, facts, opener);
  const name = options.backup ?? (await newestBackup(place));
  const manifest = await readManifest(place, keys, name, owner);
  return { place, keys, name, manifest };
}

/** Reads all that a backup has, and keeps nothing. @throws GRID_BACKUP_DAMAGED */
export async function verifyBackup({ place, keys, manifest }: OpenBackup): Promise<void> {
  for (const stored of [manifest.ledger, ...manifest.files]) {
    for await (const _ of readChunks(place, keys, stored)) {
      // Reading is verifying.
    }
  }
}

/** The secret of the backups that this grid makes. */
export async function backupKeyOf(home: GridHome): Promise<Uint8Array> {
  return Buffer.from(await readSecret(home.backupKeyFile), 'base64url');
}

interface KnownOpener {
  readonly opener: Opener;
  /** Key of the owner, where it is known before the backup is opened. */
  readonly owner: string | undefined;
}

async function openerOf(
  home: GridHome | undefined,
  { wordsFile, card, passphraseFile }: OpenOptions,
): Promise<KnownOpener> {
  const given = [wordsFile, card, passphraseFile].filter((one) => one !== undefined);
  if (given.length > 1) throw usage('name one of --words-file, --card and --passphrase-file');
  if (wordsFile !== undefined) return byWords(await readWordsFile(wordsFile));
  if (card !== undefined) return byWords(await wordsOfCard(card));
  if (passphraseFile !== undefined) {
    const passphrase = await readSecret(passphraseFile);
    return { opener: { kind: 'passphrase', passphrase }, owner: undefined };
  }
  if (home === undefined || !existsSync(home.backupKeyFile)) {
    throw usage('say what opens the backup: --words-file, --card or --passphrase-file');
  }
  const owner = (await readKeyFile(home.ownerKeyFile)).publicKey.text;
  return { opener: { kind: 'key', key: await backupKeyOf(home) }, owner };
}

function byWords(words: string): KnownOpener {
  return { opener: { kind: 'words', words }, owner: ownerKeyOf(words).publicKey.text };
}

async function wordsOfCard(file: string): Promise<string> {
  try {
    return readCard(await readFile(file, 'utf8')).words;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `${file} is no card: ${why}`, {
      hint: 'type it as it was printed, or give --words-file',
      details: { file },
      cause,
    });
  }
}

function usage(message: string): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', message, { hint: './grid restore --help' });
}
