import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, GridError, syncFolder } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import { deriveKey, keyBytes, KeyWrap } from './key-wrap.ts';

/**
 * The secret of a store, out of which all its keys are made. It is in the key file alone: the log and
 * its snapshots have the keys of blobs wrapped by one that they do not have.
 */
export class StorKeys {
  /** Encrypts the log and its snapshots. */
  readonly metadataKey: Buffer;
  /** Seals manifests, and the pointers of snapshots on the backends. */
  readonly manifestKey: Buffer;
  /** Seals the secrets of buckets. */
  readonly bucketsKey: Buffer;
  /** Seals the secrets of access keys. */
  readonly accessKeysKey: Buffer;
  /** Wraps the keys of blobs that belong to no bucket. */
  readonly own: KeyWrap;

  /** @param secret 32 bytes */
  constructor(secret: Uint8Array) {
    this.metadataKey = deriveKey(secret, 'metadata');
    this.manifestKey = deriveKey(this.metadataKey, 'manifests');
    this.bucketsKey = deriveKey(secret, 'buckets');
    this.accessKeysKey = deriveKey(secret, 'access keys');
    this.own = new KeyWrap(0, secret);
  }

  /**
   * @param path a line of base64url
   * @returns undefined when there is no such file
   * @throws ZSTOR_KEY_INVALID
   */
  static async read(path: string): Promise<StorKeys | undefined> {
    let text: string;
    try {
      text = (await readFile(path, 'utf8')).trim();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw invalid(path, errorCode(error) ?? String(error), error);
    }
    const secret = Buffer.from(text, 'base64url');
    if (secret.length !== keyBytes) throw invalid(path, `it does not hold ${keyBytes} bytes`);
    return new StorKeys(secret);
  }

  /** Makes a key file that its owner alone may read. Of several that try, one succeeds. */
  static async make(path: string): Promise<StorKeys> {
    const secret = randomBytes(keyBytes);
    await mkdir(dirname(path), { recursive: true });
    const temp = join(dirname(path), `.key.${randomBytes(8).toString('hex')}.tmp`);
    try {
      const file = await open(temp, 'wx', 0o600);
      try {
        await file.writeFile(`${secret.toString('base64url')}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await link(temp, path);
      await syncFolder(dirname(path));
    } catch (error) {
      throw invalid(path, `it cannot be made: ${errorCode(error) ?? String(error)}`, error);
    } finally {
      // There may be none.
      await unlink(temp).catch(() => {});
    }
    return new StorKeys(secret);
  }
}

/** The keys in a file. @throws ZSTOR_KEY_MISSING, ZSTOR_KEY_INVALID */
export async function readStoreKeys(path: string): Promise<StorKeys> {
  return (await StorKeys.read(path)) ?? keyMissing(path);
}

export function keyMissing(keyFile: string): never {
  throw new GridError<ZstorErrorCode>('ZSTOR_KEY_MISSING', `there is no key file ${keyFile}`, {
    hint: 'name the key file that was made with the store: nothing else opens it',
    details: { keyFile },
  });
}

function invalid(path: string, why: string, cause?: unknown): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_KEY_INVALID', `the key file ${path} cannot be used: ${why}`, {
    hint: 'put back the key file that was made with the store',
    details: { path },
    cause,
  });
}
