import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { GridError } from '@commongrid/base';
import {
  boxFromText,
  boxToText,
  canonicalBytes,
  openBox,
  parseCanonical,
  PublicKey,
  sealBox,
  signatureBytes,
} from '@commongrid/crypto';
import type { SealingKey, SealingPublicKey, SigningKey } from '@commongrid/crypto';
import { Type } from 'typebox';
import { Check } from 'typebox/value';
import type { BotErrorCode } from '../errors.ts';
import { backupBytesMax, backupFilesMax } from './backup-files.ts';
import type { BackupFile } from './backup-files.ts';

/**
 * A backup as it lies anywhere: docs/formats/bot-backup.md. Only the words of the bot open it, and a
 * device of the bot signed it.
 */
const magic = Buffer.from('GRIDBKUP');
const version = 1;
const domain = 'commongrid/bot-backup/1';

const lengthBytes = 4;
const tagBytes = 16;
/** The key is used once, so that one nonce will do. */
const nonce = Buffer.alloc(12);

/** Bytes of the head; it has a box and three names. */
const headBytesMax = 4_096;

/** Bytes of a sealed backup: what does not compress grows a little. */
const sealedBytesMax = backupBytesMax + 4 * 2 ** 20;

const headShape = Type.Object(
  {
    v: Type.Literal(version),
    log: Type.String(),
    bot: Type.String(),
    key: Type.String(),
    atMs: Type.Integer(),
    box: Type.String(),
  },
  { additionalProperties: false },
);

const indexShape = Type.Array(Type.Tuple([Type.String(), Type.Integer({ minimum: 0 })]), {
  maxItems: backupFilesMax,
});

/** Whose backup it is. */
export interface BackupName {
  readonly log: string;
  readonly bot: string;
}

export interface OpenedBackup {
  readonly files: readonly BackupFile[];
  /** When it was made, by the clock of the bot. */
  readonly atMs: number;
  /** The key of the device that made it. */
  readonly key: string;
}

/** What the record of a bot says of a backup. */
export function backupHash(sealed: Uint8Array): string {
  return hash('sha256', sealed, 'base64url');
}

/**
 * @param to `seal` of the record of the bot: of its words
 * @param signer the device
 */
export async function sealBackup(
  name: BackupName & { readonly atMs: number },
  files: readonly BackupFile[],
  to: SealingPublicKey,
  signer: SigningKey,
): Promise<Uint8Array> {
  const contentKey = randomBytes(32);
  const box = boxToText(await sealBox(to, contentKey, { info: infoOf(name) }));
  const { log, bot, atMs } = name;
  const head = canonicalBytes({ v: version, log, bot, key: signer.publicKey.text, atMs, box });
  const front = Buffer.concat([magic, uint32(version), uint32(head.length), head]);
  const packed = await promisify(zstdCompress)(pack(files));
  const cipher = createCipheriv('aes-256-gcm', contentKey, nonce).setAAD(front);
  const sealed = Buffer.concat([front, cipher.update(packed), cipher.final(), cipher.getAuthTag()]);
  return Buffer.concat([sealed, signer.sign(domain, digest(sealed))]);
}

/**
 * Whether the key that signed it may have is for the caller to say.
 * @throws BOT_BACKUP_INVALID
 */
export async function openBackup(
  sealed: Uint8Array,
  key: SealingKey,
  name: BackupName,
): Promise<OpenedBackup> {
  try {
    return await open(Buffer.from(sealed), key, name);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GridError<BotErrorCode>('BOT_BACKUP_INVALID', `this is no backup of it: ${why}`, {
      hint: 'see whether words, log and file belong together; another copy may be whole',
      details: { bot: name.bot },
      cause,
    });
  }
}

async function open(
  sealed: Buffer,
  sealingKey: SealingKey,
  name: BackupName,
): Promise<OpenedBackup> {
  if (sealed.length > sealedBytesMax) throw new TypeError('it is too long');
  const headAt = magic.length + 2 * lengthBytes;
  if (!sealed.subarray(0, magic.length).equals(magic)) throw new TypeError('it begins otherwise');
  if (sealed.readUInt32BE(magic.length) !== version)
    throw new TypeError('it is of another version');
  const headLength = sealed.readUInt32BE(magic.length + lengthBytes);
  if (headLength > headBytesMax) throw new TypeError('its head is too long');
  const front = sealed.subarray(0, headAt + headLength);
  const head: unknown = parseCanonical(front.subarray(headAt));
  if (!Check(headShape, head)) throw new TypeError('its head has another form');
  if (head.log !== name.log || head.bot !== name.bot) throw new TypeError('it is of another bot');
  const end = sealed.length - signatureBytes;
  const signed = digest(sealed.subarray(0, end));
  if (!PublicKey.fromText(head.key).verify(domain, signed, sealed.subarray(end))) {
    throw new TypeError('its signature is wrong');
  }
  const contentKey = await openBox(sealingKey, boxFromText(head.box), { info: infoOf(name) });
  const decipher = createDecipheriv('aes-256-gcm', contentKey, nonce).setAAD(front);
  decipher.setAuthTag(sealed.subarray(end - tagBytes, end));
  const body = sealed.subarray(front.length, end - tagBytes);
  const packed = Buffer.concat([decipher.update(body), decipher.final()]);
  const content = await promisify(zstdDecompress)(packed, { maxOutputLength: sealedBytesMax });
  return { files: unpack(content), atMs: head.atMs, key: head.key };
}

/** Length of the index, index of paths and lengths, the files one after the other. */
function pack(files: readonly BackupFile[]): Buffer {
  const index = canonicalBytes(files.map(({ path, bytes }) => [path, bytes.length]));
  return Buffer.concat([uint32(index.length), index, ...files.map(({ bytes }) => bytes)]);
}

function unpack(content: Buffer): readonly BackupFile[] {
  const indexEnd = lengthBytes + content.readUInt32BE(0);
  const index: unknown = parseCanonical(content.subarray(lengthBytes, indexEnd));
  if (!Check(indexShape, index)) throw new TypeError('its index has another form');
  let at = indexEnd;
  const files = index.map(([path, length]) => {
    requireInside(path);
    at += length;
    return { path, bytes: content.subarray(at - length, at) };
  });
  if (at !== content.length) throw new TypeError('its index does not fit');
  return files;
}

function requireInside(path: string): void {
  const parts = path.split('/');
  const isOutside = parts.some((part) => part === '' || part === '.' || part === '..');
  if (isOutside || path.includes('\0')) throw new TypeError('a file of it lies outside');
}

function infoOf({ log, bot }: BackupName): Uint8Array {
  return Buffer.from(`${domain}\0${log}/${bot}`);
}

function digest(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  bytes.writeUInt32BE(value);
  return bytes;
}
