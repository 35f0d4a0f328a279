import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';

import { GridError } from '@commongrid/base';

import type { GridErrorCode } from '../errors.ts';

/** Begins everything that is stored: docs/formats/grid-backup.md. */
const magic = Buffer.from('GRIDHOM1');

const nonceBytes = 12;
const tagBytes = 16;

/** What an object is longer than its content at most: packing is left out where it makes it longer. */
export const sealBytes = magic.length + 1 + nonceBytes + tagBytes;

/** The content follows as it is, or compressed. */
const forms = { plain: 0, zstd: 1 } as const;

/** As much must be saved that unpacking is worth it. */
const worthwhile = 0.95;

/**
 * Compresses and encrypts.
 * @param name what it is: bytes that were stored under another name do not open
 */
export async function sealObject(
  key: Uint8Array,
  name: string,
  content: Uint8Array,
): Promise<Buffer> {
  const packed = await promisify(zstdCompress)(content);
  const isPacked = packed.length < content.length * worthwhile;
  const form = Buffer.of(isPacked ? forms.zstd : forms.plain);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.concat([magic, form, Buffer.from(name)]));
  const body = cipher.update(isPacked ? packed : content);
  return Buffer.concat([magic, form, nonce, body, cipher.final(), cipher.getAuthTag()]);
}

/** @param sizeMax bytes of its content. @throws GRID_BACKUP_DAMAGED */
export async function openObject(
  key: Uint8Array,
  name: string,
  bytes: Uint8Array,
  sizeMax: number,
): Promise<Uint8Array> {
  try {
    const sealed = Buffer.from(bytes);
    if (!sealed.subarray(0, magic.length).equals(magic)) throw new TypeError('it begins otherwise');
    const form = sealed.subarray(magic.length, magic.length + 1);
    const nonceEnd = magic.length + 1 + nonceBytes;
    const nonce = sealed.subarray(magic.length + 1, nonceEnd);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce);
    decipher.setAAD(Buffer.concat([magic, form, Buffer.from(name)]));
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    const body = decipher.update(sealed.subarray(nonceEnd, -tagBytes));
    const content = Buffer.concat([body, decipher.final()]);
    if (form[0] === forms.plain) return content;
    return await promisify(zstdDecompress)(content, { maxOutputLength: sizeMax });
  } catch (cause) {
    throw damaged(name, 'its bytes are not those that were stored', cause);
  }
}

/** One that is longer than anything that was stored under its name. */
export function tooLong(name: string, bytesMax: number): GridError<GridErrorCode> {
  return damaged(name, `it is longer than ${bytesMax} bytes`);
}

export function damaged(name: string, why: string, cause?: unknown): GridError<GridErrorCode> {
  return new GridError('GRID_BACKUP_DAMAGED', `${name} of the backup is damaged: ${why}`, {
    hint: 'take another backup (--backup) or another copy of the place; `grid backup --full` writes all anew',
    details: { object: name },
    cause,
  });
}
