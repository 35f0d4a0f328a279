import { randomBytes } from 'node:crypto';
import { link, open, readFile, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { errorCode, GridError, isGridError, syncFolder } from '@commongrid/base';
import { SealingKey, SigningKey } from '@commongrid/crypto';

import type { GridErrorCode } from './errors.ts';

/**
 * Writes a secret into a new file that its owner alone may read. Of several that do it at the same
 * time one succeeds, and nobody ever sees a part of it.
 * @throws GRID_FILE_EXISTS, GRID_FILE_UNWRITABLE
 */
export async function writeNewSecret(file: string, text: string): Promise<void> {
  const temp = tempBeside(file);
  try {
    const handle = await open(temp, 'wx', 0o600);
    try {
      await handle.writeFile(`${text}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(temp, file);
    await syncFolder(dirname(file));
  } catch (error) {
    throw unwritten(file, error);
  } finally {
    // There may be none; one that is left over has a name of its own and is never read.
    await unlink(temp).catch(() => {});
  }
}

/** Name under which a file is written before it is whole; readers of a folder skip such names. */
export function tempBeside(file: string): string {
  return join(dirname(file), `.${basename(file)}.${randomBytes(8).toString('hex')}.tmp`);
}

/** A key file: the 32 bytes of the seed as one line of base64url. @throws GRID_KEY_UNREADABLE */
export async function readKeyFile(file: string): Promise<SigningKey> {
  try {
    const text = (await readFile(file, 'utf8')).trim();
    return SigningKey.fromSeed(Buffer.from(text, 'base64url'));
  } catch (error) {
    const why = isGridError(error) ? error.message : (errorCode(error) ?? String(error));
    throw new GridError<GridErrorCode>('GRID_KEY_UNREADABLE', `no key in ${file}: ${why}`, {
      hint: 'grid up makes the key of the owner, grid bcdb key new another one: name its file',
      details: { file },
      cause: error,
    });
  }
}

/** The key that opens what is sealed to the holder of a key file: it is derived, so one file is enough. */
export function sealingKeyOf(key: SigningKey): SealingKey {
  return SealingKey.derive(key.exportSeed());
}

/** What a key file holds. */
export function keyText(key: SigningKey): string {
  return Buffer.from(key.exportSeed()).toString('base64url');
}

/** Why a new file could not be made. An error that has a code of its own stays as it is. */
export function unwritten(file: string, error: unknown): GridError {
  if (isGridError(error)) return error;
  if (errorCode(error) === 'EEXIST') {
    return new GridError<GridErrorCode>('GRID_FILE_EXISTS', `${file} is there already`, {
      hint: 'name a new file: this one is not written over',
      details: { file },
    });
  }
  const why = errorCode(error) ?? String(error);
  return new GridError<GridErrorCode>('GRID_FILE_UNWRITABLE', `cannot write ${file}: ${why}`, {
    hint: 'name a file in a folder that you may write',
    details: { file },
    cause: error,
  });
}
