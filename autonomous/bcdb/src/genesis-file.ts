import { readFile } from 'node:fs/promises';
import { errorCode, GridError, systemRandom, writeFileAtomic } from '@commongrid/base';
import { canonicalBytes, parseCanonical, SigningKey } from '@commongrid/crypto';
import type { BcdbFolder, BcdbOptions } from './config.ts';
import type { BcdbErrorCode } from './errors.ts';
import { base64url } from './record/genesis.ts';
import type { Genesis } from './record/genesis.ts';

/** What a folder says of its log before the log is opened. */
export interface LogIdentity {
  readonly genesis: Genesis;
  readonly sequencerKey: SigningKey;
}

/**
 * Reads the genesis and the sequencer's key of a folder, or makes both for a new log. The key is
 * written first: a genesis whose key is lost could never be used.
 * @throws BCDB_FOLDER_DAMAGED
 */
export async function loadOrMakeIdentity(
  folder: BcdbFolder,
  { owner, isOpen = false }: Pick<BcdbOptions, 'owner' | 'isOpen'>,
  nowMs: number,
): Promise<LogIdentity> {
  const isNew = (await readIfThere(folder.genesis)) === undefined;
  return isNew ? makeIdentity(folder, { owner, isOpen }, nowMs) : loadIdentity(folder);
}

/** What the folder of a log says of it. @throws BCDB_FOLDER_DAMAGED */
export async function loadIdentity(folder: BcdbFolder): Promise<LogIdentity> {
  const bytes = await readIfThere(folder.genesis);
  if (bytes === undefined) throw damaged(folder.genesis, 'it is missing');
  const seed = await readIfThere(folder.sequencerKey);
  if (seed === undefined) {
    throw damaged(folder.sequencerKey, 'it is missing, and only its holder may sign this log');
  }
  try {
    const sequencerKey = SigningKey.fromSeed(
      Buffer.from(seed.toString('utf8').trim(), 'base64url'),
    );
    const genesis = parseCanonical(bytes) as unknown as Genesis;
    if (genesis.sequencer === sequencerKey.publicKey.text) return { genesis, sequencerKey };
  } catch (error) {
    throw damaged(folder.genesis, 'it cannot be read', error);
  }
  throw damaged(folder.sequencerKey, 'it is not the key that the genesis names');
}

/** Keeps an identity in a folder, the key first. */
export async function writeIdentity(
  folder: BcdbFolder,
  { genesis, sequencerKey }: LogIdentity,
): Promise<void> {
  const seed = `${base64url(sequencerKey.exportSeed())}\n`;
  await writeFileAtomic(folder.sequencerKey, seed, { mode: 0o600 });
  await writeFileAtomic(folder.genesis, canonicalBytes(genesis), { mode: 0o600 });
}

async function makeIdentity(
  folder: BcdbFolder,
  { owner, isOpen }: { readonly owner: SigningKey; readonly isOpen: boolean },
  nowMs: number,
): Promise<LogIdentity> {
  const sequencerKey = SigningKey.generate();
  const genesis: Genesis = {
    format: 'bcdb/1',
    nonce: base64url(systemRandom.bytes(32)),
    at: Math.floor(nowMs),
    sequencer: sequencerKey.publicKey.text,
    admins: { signers: [owner.publicKey.text], min: 1 },
    releaseKeys: [],
    isOpen,
  };
  await writeIdentity(folder, { genesis, sequencerKey });
  return { genesis, sequencerKey };
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw damaged(file, errorCode(error) ?? String(error), error);
  }
}

function damaged(file: string, why: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_FOLDER_DAMAGED', `cannot use ${file}: ${why}`, {
    hint: 'restore it from a backup of this database',
    details: { file },
    cause,
  });
}
