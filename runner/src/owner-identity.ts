import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

import { errorCode, GridError, isGridError } from '@commongrid/base';
import { generateWords, SigningKey, wordsToEntropy } from '@commongrid/crypto';

import type { GridErrorCode } from './errors.ts';
import type { GridHome } from './home.ts';
import { keyText, readKeyFile, writeNewSecret } from './key-file.ts';

/** What the key that BCDB signs with for the owner is derived for. */
const ownerDomain = 'commongrid/owner/1';

/** What the key is derived for that signs releases of the software. */
const releaseDomain = 'commongrid/release/1';

/** Who owns this grid. */
export interface OwnerIdentity {
  /** Text of the owner's key. */
  readonly key: string;
  /** The 24 words, when this call made the identity; nobody is shown them a second time. */
  readonly newWords: string | undefined;
}

/**
 * The identity of a grid, made when there is none. Words are the root of everything; the key that
 * BCDB signs with, and the one that signs releases, are derived from them and have files of their
 * own, so that the words can be taken away. A file of words that somebody put there before the first start is used as it is.
 * @throws GRID_IDENTITY_LOST, CRYPTO_WORDS_INVALID, GRID_KEY_UNREADABLE, GRID_FILE_UNWRITABLE
 */
export async function createIdentity(home: GridHome): Promise<OwnerIdentity> {
  await home.createSecret(home.ownerTokenFile, 'base64url');
  let isNew = false;
  if (!existsSync(home.ownerKeyFile)) {
    requireNoDatabase(home);
    isNew = await wasWritten(home.wordsFile, generateWords());
    const words = await readFile(home.wordsFile, 'utf8');
    const entropy = wordsToEntropy(words);
    // The owner's key goes last: while it is missing all of this is done again.
    await wasWritten(home.releaseKeyFile, keyText(SigningKey.derive(entropy, releaseDomain)));
    await wasWritten(home.ownerKeyFile, keyText(ownerKeyOf(words)));
  }
  const key = await readKeyFile(home.ownerKeyFile);
  const newWords = isNew ? await readWords(home) : undefined;
  return { key: key.publicKey.text, newWords };
}

/** The key of the owner, as his words give it. @throws CRYPTO_WORDS_INVALID */
export function ownerKeyOf(words: string): SigningKey {
  return SigningKey.derive(wordsToEntropy(words), ownerDomain);
}

/** The words, as long as they are kept here. */
export async function readWords(home: GridHome): Promise<string | undefined> {
  try {
    return (await readFile(home.wordsFile, 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** New words would belong to somebody else than the owner of the database that is there. */
function requireNoDatabase(home: GridHome): void {
  if (existsSync(home.wordsFile) || !existsSync(home.bcdbGenesisFile)) return;
  throw new GridError<GridErrorCode>(
    'GRID_IDENTITY_LOST',
    `${home.bcdb} has an owner, but neither ${home.ownerKeyFile} nor ${home.wordsFile} is there`,
    { hint: `write the 24 words into ${home.wordsFile}`, details: { home: home.path } },
  );
}

async function wasWritten(file: string, text: string): Promise<boolean> {
  try {
    await writeNewSecret(file, text);
    return true;
  } catch (error) {
    if (isGridError(error, 'GRID_FILE_EXISTS')) return false;
    throw error;
  }
}
