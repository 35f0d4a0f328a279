import { createCipheriv, createDecipheriv } from 'node:crypto';
import { GridError, systemRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import type { ObjectName } from '../state/state-view.ts';

/**
 * A payload that only readers of a private namespace understand: version byte 1, the epoch of the key
 * (4 bytes, big endian), a nonce (12 bytes), AES-256-GCM ciphertext and its tag (16 bytes). It is
 * bound to log and object, so that it cannot be passed off as another's.
 */
const version = 1;
const headBytes = 1 + 4;
const nonceBytes = 12;
const tagBytes = 16;

/** Bytes that a sealed payload is longer than what it holds. */
export const sealOverheadBytes = headBytes + nonceBytes + tagBytes;

/** Where a payload belongs. */
export interface PayloadPlace extends ObjectName {
  /** Hash of the genesis, base64url. */
  readonly log: string;
}

/** The key of a private namespace from some record of its readers on. */
export interface EpochKey {
  readonly epoch: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export function sealPayload(
  { epoch, key }: EpochKey,
  place: PayloadPlace,
  plaintext: Uint8Array,
  random: Random = systemRandom,
): Uint8Array {
  const head = Buffer.alloc(headBytes);
  head.writeUInt8(version);
  head.writeUInt32BE(epoch, 1);
  const nonce = random.bytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(boundTo(place, head));
  const text = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return new Uint8Array(Buffer.concat([head, nonce, text, cipher.getAuthTag()]));
}

/** The epoch whose key opens a payload. @throws BCDB_SEALED_INVALID */
export function epochOf(sealed: Uint8Array): number {
  if (sealed.length < sealOverheadBytes || sealed[0] !== version) throw invalid();
  return Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length).readUInt32BE(1);
}

/** @throws BCDB_SEALED_INVALID when it is of another place or key, or was altered */
export function openPayload(
  { epoch, key }: EpochKey,
  place: PayloadPlace,
  sealed: Uint8Array,
): Uint8Array {
  if (epochOf(sealed) !== epoch) throw invalid();
  const nonce = sealed.subarray(headBytes, headBytes + nonceBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(boundTo(place, sealed.subarray(0, headBytes)));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  const text = sealed.subarray(headBytes + nonceBytes, -tagBytes);
  try {
    return new Uint8Array(Buffer.concat([decipher.update(text), decipher.final()]));
  } catch (error) {
    throw invalid(error);
  }
}

/** Names hold no spaces, so one text stands for one place. */
function boundTo({ log, ns, url, obj }: PayloadPlace, head: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`commongrid/sealed/1 ${log} ${ns} ${url} ${obj}\0`), head]);
}

function invalid(cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_SEALED_INVALID', 'the payload does not open with this key', {
    hint: 'ask an admin whether this key is among the readers of its epoch',
    cause,
  });
}
