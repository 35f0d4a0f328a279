import { readdir, readFile, rm } from 'node:fs/promises';
import { errorCode, GridError, systemRandom, writeFileAtomic } from '@commongrid/base';
import { canonicalBytes, parseCanonical, SigningKey } from '@commongrid/crypto';
import type { BcdbFolder, BcdbOptions } from './config.ts';
import type { BcdbErrorCode } from './errors.ts';
import { logIdOf, requireGenesis } from './record/genesis.ts';
import type { Genesis } from './record/genesis.ts';
import type { HandoverStatement } from './record/handover.ts';
import { toBase64url } from './tree/base64.ts';

/** What a folder says of its log before the log is opened. */
export interface LogIdentity {
  readonly genesis: Genesis;
  readonly sequencerKey: SigningKey;
}

/** The same where the key may be lost, or still that of a sequencer before. */
export interface FoundIdentity {
  readonly genesis: Genesis;
  readonly sequencerKey: SigningKey | undefined;
}

/**
 * Reads the genesis and the sequencer's key of a folder, or makes both for a new log. The key is
 * written first: a genesis whose key is lost could not be used.
 * @throws BCDB_FOLDER_DAMAGED
 */
export async function loadOrMakeIdentity(
  folder: BcdbFolder,
  {
    owner,
    isOpen = false,
    releaseKeys = [],
  }: Pick<BcdbOptions, 'owner' | 'isOpen' | 'releaseKeys'>,
  nowMs: number,
): Promise<FoundIdentity> {
  const isNew = (await readIfThere(folder.genesis)) === undefined;
  if (isNew) {
    // A new genesis could not be that of the log which is here.
    if (await hasLog(folder)) throw genesisMissing(folder);
    return makeIdentity(folder, { owner, isOpen, releaseKeys }, nowMs);
  }
  return { genesis: await loadGenesis(folder), sequencerKey: await loadKey(folder) };
}

/** How the log of a folder began. @throws BCDB_FOLDER_DAMAGED */
export async function loadGenesis(folder: BcdbFolder): Promise<Genesis> {
  const bytes = await readIfThere(folder.genesis);
  if (bytes === undefined) throw genesisMissing(folder);
  try {
    return parseCanonical(bytes) as unknown as Genesis;
  } catch (error) {
    throw damaged(folder.genesis, 'it cannot be read', error);
  }
}

/**
 * Writes into the folder of a copy how its log began, unless it says so already.
 * @throws BCDB_OTHER_LOG, BCDB_FOLDER_DAMAGED: then nothing was written
 */
export async function keepGenesis(folder: BcdbFolder, genesis: Genesis): Promise<void> {
  if ((await readIfThere(folder.genesis)) !== undefined) {
    requireGenesis(await loadGenesis(folder), toBase64url(logIdOf(genesis)));
    return;
  }
  await writeGenesis(folder, genesis);
}

/**
 * Genesis and key of a folder. Whether the log was handed over to another key since, only the log
 * knows: see `settleKey`.
 * @throws BCDB_FOLDER_DAMAGED
 */
export async function loadIdentity(folder: BcdbFolder): Promise<LogIdentity> {
  const genesis = await loadGenesis(folder);
  const sequencerKey = await loadKey(folder);
  if (sequencerKey === undefined) throw keyMissing(folder);
  return { genesis, sequencerKey };
}

/**
 * The key of a folder for the sequencer that its log names. Where a handover was written and the
 * process was killed before the new key took the place of the old, that is done now.
 * @throws BCDB_FOLDER_DAMAGED
 */
export async function settleKey(folder: BcdbFolder, sequencer: string): Promise<SigningKey> {
  const key = await loadKey(folder);
  if (key?.publicKey.text === sequencer) return key;
  const pending = await loadPendingHandover(folder);
  if (pending?.key.publicKey.text === sequencer) {
    await writeKey(folder, pending.key);
    await rm(folder.pendingHandover, { force: true });
    return pending.key;
  }
  if (key === undefined) throw keyMissing(folder);
  throw damaged(folder.sequencerKey, `the log is that of ${sequencer}, whose key this is not`);
}

/** A handover that waits for signatures, with the key that it names. */
export interface PendingHandover {
  readonly statement: HandoverStatement;
  readonly key: SigningKey;
}

/** @throws BCDB_FOLDER_DAMAGED */
export async function loadPendingHandover(
  folder: BcdbFolder,
): Promise<PendingHandover | undefined> {
  const bytes = await readIfThere(folder.pendingHandover);
  if (bytes === undefined) return undefined;
  try {
    const { statement, sequencerKey } = JSON.parse(bytes.toString('utf8')) as {
      readonly statement: HandoverStatement;
      readonly sequencerKey: string;
    };
    return { statement, key: keyFrom(sequencerKey) };
  } catch (error) {
    throw damaged(folder.pendingHandover, 'it cannot be read', error);
  }
}

/** The new key is on disk before anybody signs for it. */
export async function writePendingHandover(
  folder: BcdbFolder,
  { statement, key }: PendingHandover,
): Promise<void> {
  const text = JSON.stringify({ statement, sequencerKey: toBase64url(key.exportSeed()) });
  await writeFileAtomic(folder.pendingHandover, `${text}\n`, { mode: 0o600 });
}

/** Keeps an identity in a folder, the key first. */
export async function writeIdentity(
  folder: BcdbFolder,
  { genesis, sequencerKey }: LogIdentity,
): Promise<void> {
  await writeKey(folder, sequencerKey);
  await writeGenesis(folder, genesis);
}

async function writeGenesis(folder: BcdbFolder, genesis: Genesis): Promise<void> {
  await writeFileAtomic(folder.genesis, canonicalBytes(genesis), { mode: 0o600 });
}

async function makeIdentity(
  folder: BcdbFolder,
  { owner, isOpen, releaseKeys }: Required<Pick<BcdbOptions, 'owner' | 'isOpen' | 'releaseKeys'>>,
  nowMs: number,
): Promise<LogIdentity> {
  // One that is there may sign a log that is kept elsewhere: it is never written over.
  const sequencerKey = (await loadKey(folder)) ?? SigningKey.generate();
  const genesis: Genesis = {
    format: 'bcdb/1',
    nonce: toBase64url(systemRandom.bytes(32)),
    at: Math.floor(nowMs),
    sequencer: sequencerKey.publicKey.text,
    admins: { signers: [owner.publicKey.text], min: 1 },
    releaseKeys,
    isOpen,
  };
  await writeIdentity(folder, { genesis, sequencerKey });
  return { genesis, sequencerKey };
}

async function writeKey(folder: BcdbFolder, key: SigningKey): Promise<void> {
  const seed = `${toBase64url(key.exportSeed())}\n`;
  await writeFileAtomic(folder.sequencerKey, seed, { mode: 0o600 });
}

/** Undefined when it is lost. */
async function loadKey(folder: BcdbFolder): Promise<SigningKey | undefined> {
  const seed = await readIfThere(folder.sequencerKey);
  if (seed === undefined) return undefined;
  try {
    return keyFrom(seed.toString('utf8').trim());
  } catch (error) {
    throw damaged(folder.sequencerKey, 'it cannot be read', error);
  }
}

function keyFrom(seed: string): SigningKey {
  return SigningKey.fromSeed(Buffer.from(seed, 'base64url'));
}

async function hasLog({ log }: BcdbFolder): Promise<boolean> {
  try {
    return (await readdir(log)).length > 0;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw damaged(log, errorCode(error) ?? String(error), error);
  }
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw damaged(file, errorCode(error) ?? String(error), error);
  }
}

/** Nobody can sign in the name of this folder. */
function genesisMissing({ genesis }: BcdbFolder): GridError<BcdbErrorCode> {
  return new GridError('BCDB_FOLDER_DAMAGED', `cannot use ${genesis}: it is missing`, {
    hint: 'copy it from a replica; the first line of an export or backup has it, too, as "genesis"',
    details: { file: genesis },
  });
}

export function keyMissing(folder: BcdbFolder): GridError<BcdbErrorCode> {
  return new GridError(
    'BCDB_FOLDER_DAMAGED',
    `cannot use ${folder.sequencerKey}: it is missing, and only its holder may sign this log`,
    {
      hint: `restore a backup, or hand the log over: grid bcdb handover --data ${folder.path}`,
      details: { file: folder.sequencerKey },
    },
  );
}

function damaged(file: string, why: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_FOLDER_DAMAGED', `cannot use ${file}: ${why}`, {
    hint: 'restore it from a backup of this database',
    details: { file },
    cause,
  });
}
