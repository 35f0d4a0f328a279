import { GridError, isGridError, systemClock } from '@commongrid/base';
import { SealingKey, SealingPublicKey, wordsToEntropy } from '@commongrid/crypto';
import { readEntry } from '@commongrid/threebot';

import { connect } from '../commands/bcdb/connection.ts';
import type { CommandContext } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { GridHome } from '../home.ts';
import { readKeyFile } from '../key-file.ts';
import { readWords } from '../owner-identity.ts';
import { loadState } from '../supervisor/grid-state.ts';
import { BackupKeys, openKeys, readPlace, writePlace } from './backup-keys.ts';
import type { BackupPlace } from './backup-place.ts';
import { backupNames, readManifest, writeManifest } from './backup-manifest.ts';
import type { BackupManifest } from './backup-manifest.ts';
import { ChunkWriter } from './chunks.ts';
import { backupKeyOf } from './open-backup.ts';
import { filesOfHome, lockBackups } from './home-files.ts';
import { openLedgerLines } from './ledger-lines.ts';
import { pruneBackups } from './prune-backups.ts';
import type { Pruned } from './prune-backups.ts';

export interface BackupOptions {
  /** Opens backups at this place from now on, beside the words of the owner. */
  readonly passphrase: string | undefined;
  /** Stores everything anew, whatever earlier backups have. */
  readonly isFull: boolean;
  /** Backups that stay, with this one; older ones are removed. Undefined: all. */
  readonly keep: number | undefined;
}

/** A backup that was made. */
export interface MadeBackup {
  readonly name: string;
  readonly atMs: number;
  readonly files: number;
  /** Of all files, as they are. */
  readonly sizeBytes: number;
  /** What was stored by this call, compressed and encrypted. */
  readonly storedBytes: number;
  /** Records of the log. */
  readonly records: number;
  /** Older backups, and chunks that they alone needed. */
  readonly removed: Pruned;
}

/**
 * Backs up a whole grid while it runs:
 *
 * 1. The place: begun, or known by its key. Chunks that the newest whole backup names are there.
 * 2. Files, what refers to something before that; the Zero-DBs of S3 as they are in one moment.
 * 3. The log, last: nothing that was read before knows more of it.
 * 4. The manifest, signed by the owner. Before it is there, there is no backup.
 * 5. What is older than those that are to stay.
 *
 * @throws GRID_BACKUP_RUNNING while another one is made, GRID_BACKUP_FOREIGN, GRID_BACKUP_PLACE_FAILED, GRID_BACKUP_TOO_LARGE, GRID_USAGE where
 *   nobody could open it, or the place is in the folder of the grid
 */
export async function backupGrid(
  context: CommandContext,
  place: BackupPlace,
  { passphrase, isFull, keep }: BackupOptions,
): Promise<MadeBackup> {
  const home = new GridHome(context.environment.home);
  const owner = await readKeyFile(home.ownerKeyFile);
  await requireOutside(place, home);
  await using _alone = await lockBackups(home);
  const keys = await keysFor(context, home, place, passphrase);
  const known = isFull ? [] : await chunksOfNewest(place, keys, owner.publicKey.text);
  const writer = new ChunkWriter(place, keys, known);
  const atMs = systemClock.nowMs();
  const files: BackupManifest['files'] = [];
  for await (const { path, mode, content } of filesOfHome(home)) {
    const { chunks, ...facts } = await writer.write(content);
    files.push({ path, mode, ...facts, chunks: [...chunks] });
  }
  await using opened = new AsyncDisposableStack();
  const { log, records, lines } = await openLedgerLines(context, opened);
  const { chunks, ...facts } = await writer.write(inBytes(lines));
  await writer.settle();
  const portBase = (await loadState(home))?.portBase ?? null;
  const ledger = { ...facts, chunks: [...chunks], records };
  const manifest = { log, owner: owner.publicKey.text, portBase, ledger, files };
  const name = await writeManifest(
    place,
    keys,
    { schema: 'grid.backup.1', atMs, ...manifest },
    { owner },
  );
  const sizeBytes = files.reduce((sum, one) => sum + one.sizeBytes, facts.sizeBytes);
  const { storedBytes } = writer;
  const removed =
    keep === undefined
      ? { backups: 0, chunks: 0 }
      : await pruneBackups(place, keys, { made: name, keep, owner: owner.publicKey });
  return { name, atMs, files: files.length, sizeBytes, storedBytes, records, removed };
}

/** @throws GRID_USAGE for a place that would go with the grid, and be backed up with it */
async function requireOutside(place: BackupPlace, { path }: GridHome): Promise<void> {
  if (!(await place.isWithin(path))) return;
  throw new GridError<GridErrorCode>('GRID_USAGE', `${place.name} is in the grid's own folder`, {
    hint: `name a folder outside ${path}, best on another disk`,
  });
}

/** The keys of a place that this grid began, or begins now. */
async function keysFor(
  context: CommandContext,
  home: GridHome,
  place: BackupPlace,
  passphrase: string | undefined,
): Promise<BackupKeys> {
  await home.createSecret(home.backupKeyFile, 'base64url');
  const facts = await readPlace(place);
  const key = await backupKeyOf(home);
  const keys =
    facts === undefined ? new BackupKeys(key) : await openKeys(place, facts, { kind: 'key', key });
  const boxes = (facts?.boxes ?? []).filter(
    ({ kind }) => kind !== 'passphrase' || passphrase === undefined,
  );
  const isForWords = boxes.some(({ kind }) => kind === 'words');
  // Whoever has a passphrase can wait for the half of the words until the grid runs.
  const canWait = boxes.length > 0 || passphrase !== undefined;
  const seal = isForWords ? undefined : await ownersSeal(context, home, canWait);
  const added = [
    ...(seal === undefined ? [] : [await keys.sealTo(seal)]),
    ...(passphrase === undefined ? [] : [await keys.lockBy(passphrase)]),
  ];
  if (boxes.length + added.length === 0) {
    throw new GridError<GridErrorCode>(
      'GRID_USAGE',
      'nothing here says who is to open the backup',
      {
        hint: './grid up first, or give --passphrase-file FILE',
      },
    );
  }
  if (added.length > 0) await writePlace(place, keys, [...boxes, ...added]);
  return keys;
}

/**
 * The half of the owner's words to which everybody can seal: out of the words, or of his record.
 * @param canWait another time does where the database is down
 */
async function ownersSeal(
  context: CommandContext,
  home: GridHome,
  canWait: boolean,
): Promise<SealingPublicKey | undefined> {
  const words = await readWords(home);
  if (words !== undefined) return SealingKey.derive(wordsToEntropy(words)).publicKey;
  const owner = await readKeyFile(home.ownerKeyFile);
  try {
    const { client } = await connect(context, {});
    const path = `/v1/keys/${encodeURIComponent(owner.publicKey.text)}`;
    const { bot } = await client.read<{ readonly bot?: { readonly id: string } }>(path);
    if (bot === undefined) return undefined;
    return SealingPublicKey.fromText((await readEntry(client, bot.id)).record.seal);
  } catch (error) {
    const isDown = isGridError(error, 'GRID_NOT_UP') || isGridError(error, 'BCDB_UNREACHABLE');
    if (isDown && canWait) return undefined;
    throw error;
  }
}

/** An older backup that cannot be read makes this one larger, and no worse. */
async function chunksOfNewest(
  place: BackupPlace,
  keys: BackupKeys,
  owner: string,
): Promise<readonly string[]> {
  const [newest] = await backupNames(place);
  if (newest === undefined) return [];
  try {
    const { ledger, files } = await readManifest(place, keys, newest, owner);
    return [ledger, ...files].flatMap(({ chunks }) => chunks);
  } catch (error) {
    if (error instanceof GridError && error.code === 'GRID_BACKUP_DAMAGED') return [];
    throw error;
  }
}

async function* inBytes(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield Buffer.from(line);
}
