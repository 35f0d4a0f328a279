import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, GridError, syncFolder } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/**
 * The secret of a store, out of which all its keys are made. It is in the key file alone: the log and
 * its snapshots have the keys of blobs wrapped by one that they do not have.
 */
export class StorKeys {
  /** Encrypts the log and its snapshots. */
  readonly metadataKey: Buffer;
  readonly #blobsKey: Buffer;

  /** @param secret 32 bytes */
  constructor(secret: Uint8Array) {
    this.metadataKey = derive(secret, 'metadata');
    this.#blobsKey = derive(secret, 'blobs');
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

  /** @returns nonce, ciphertext, tag: bound to the id of the blob */
  wrap(blobId: Uint8Array, blobKey: Uint8Array): Buffer {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#blobsKey, nonce);
    cipher.setAAD(blobId);
    return Buffer.concat([nonce, cipher.update(blobKey), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws ZSTOR_KEY_INVALID */
  unwrap(blobId: Uint8Array, wrapped: Uint8Array): Buffer {
    const nonce = wrapped.subarray(0, nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', this.#blobsKey, nonce, {
      authTagLength: tagBytes,
    });
    decipher.setAAD(blobId);
    decipher.setAuthTag(wrapped.subarray(-tagBytes));
    const opened = decipher.update(wrapped.subarray(nonceBytes, -tagBytes));
    try {
      return Buffer.concat([opened, decipher.final()]);
    } catch (cause) {
      throw invalid('of this store', 'the key of a blob does not open with it', cause);
    }
  }
}

function derive(secret: Uint8Array, purpose: string): Buffer {
  const info = `commongrid/zstor-keys/1 ${purpose}`;
  return Buffer.from(hkdfSync('sha256', secret, new Uint8Array(), info, keyBytes));
}

function invalid(path: string, why: string, cause?: unknown): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_KEY_INVALID', `the key file ${path} cannot be used: ${why}`, {
    hint: 'put back the key file that was made with the store',
    details: { path },
    cause,
  });
}
