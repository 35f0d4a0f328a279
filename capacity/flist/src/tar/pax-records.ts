import { byteTextOf } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import type { Xattr } from '../tree/inode.ts';
import { tarInvalid, tarUnsupported } from './tar-error.ts';

/** What the extended headers of one entry say in the place of its own header. */
export interface PaxFields {
  path?: ByteText;
  linkTarget?: ByteText;
  sizeBytes?: number;
  uid?: number;
  gid?: number;
  mtimeNs?: bigint;
  /** By name: the last one that was said counts. */
  readonly xattrs: Map<ByteText, Uint8Array>;
}

const xattrPrefix = 'SCHILY.xattr.';
const encodedXattrPrefix = 'LIBARCHIVE.xattr.';

/** GNU tar writes access lists as text, which is passed on as an attribute of this odd name. */
const aclPrefix = 'SCHILY.acl.';

/**
 * Adds the records of a pax header, `LENGTH KEY=VALUE\n` each, to the fields.
 * @throws FLIST_TAR_INVALID, FLIST_TAR_UNSUPPORTED
 */
export function readPaxRecords(bytes: Buffer, fields: PaxFields): void {
  for (const { key, value } of recordsOf(bytes)) applyRecord(key, value, fields);
}

/**
 * Checks a header that is meant for all entries which follow. Tools differ in what they do with
 * those, so one that would change a tree is refused, and others say nothing.
 */
export function checkGlobalRecords(bytes: Buffer): void {
  for (const { key, value } of recordsOf(bytes)) {
    const fields: PaxFields = { xattrs: new Map() };
    applyRecord(key, value, fields);
    if (Object.keys(fields).length > 1 || fields.xattrs.size > 0) {
      throw tarUnsupported(`a global header sets ${key}`);
    }
  }
}

interface PaxRecord {
  readonly key: ByteText;
  readonly value: Buffer;
}

function* recordsOf(bytes: Buffer): Generator<PaxRecord> {
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 || space - at > 8 ? '' : bytes.toString('latin1', at, space);
    const end = at + (/^[1-9]\d*$/.test(digits) ? Number(digits) : 0);
    const equals = bytes.indexOf(0x3d, space);
    if (end > bytes.length || equals <= space + 1 || equals >= end || bytes[end - 1] !== 0x0a) {
      // Some tools fill the last block with zeros and count them.
      if (bytes.subarray(at).every((byte) => byte === 0)) return;
      throw tarInvalid('a pax record cannot be read');
    }
    const key = byteTextOf(bytes.subarray(space + 1, equals));
    yield { key, value: bytes.subarray(equals + 1, end - 1) };
    at = end;
  }
}

function applyRecord(key: ByteText, value: Buffer, fields: PaxFields): void {
  if (key.startsWith(xattrPrefix)) {
    fields.xattrs.set(key.slice(xattrPrefix.length) as ByteText, Buffer.from(value));
    return;
  }
  if (key.startsWith(encodedXattrPrefix)) {
    const name = decodedName(key.slice(encodedXattrPrefix.length));
    fields.xattrs.set(name, Buffer.from(value.toString('latin1'), 'base64'));
    return;
  }
  // An empty value means: as if the record were not there.
  if (value.length === 0) return;
  if (key === 'path') fields.path = textOf(key, value);
  else if (key === 'linkpath') fields.linkTarget = textOf(key, value);
  else if (key === 'size') fields.sizeBytes = integerOf(key, value);
  else if (key === 'uid') fields.uid = integerOf(key, value);
  else if (key === 'gid') fields.gid = integerOf(key, value);
  else if (key === 'mtime') fields.mtimeNs = timeOf(value);
  else if (key.startsWith('GNU.sparse.')) throw tarUnsupported('a sparse file', fields.path);
  else if (key.startsWith(aclPrefix)) fields.xattrs.set(key, Buffer.from(value));
}

export function xattrsOf(fields: PaxFields): readonly Xattr[] {
  return Array.from(fields.xattrs, ([name, value]) => ({ name, value }));
}

/** Writes one record; its length counts its own digits. */
export function paxRecord(key: string, value: Uint8Array): Buffer {
  const bareBytes = key.length + value.length + 3;
  let sizeBytes = bareBytes + String(bareBytes).length;
  if (bareBytes + String(sizeBytes).length !== sizeBytes) sizeBytes++;
  const head = Buffer.from(`${sizeBytes} ${key}=`, 'latin1');
  return Buffer.concat([head, value, Buffer.from('\n')]);
}

/** An attribute as star writes it; in libarchive's way when its name would break the record. */
export function xattrRecord(xattr: Xattr): Buffer {
  if (!xattr.name.includes('=')) return paxRecord(`${xattrPrefix}${xattr.name}`, xattr.value);
  const base64 = Buffer.from(xattr.value).toString('base64');
  return paxRecord(`${encodedXattrPrefix}${encodedName(xattr.name)}`, Buffer.from(base64));
}

function encodedName(name: ByteText): string {
  return name.replaceAll(
    /[^\w.:-]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function decodedName(name: string): ByteText {
  return name.replaceAll(/%([\dA-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  ) as ByteText;
}

function textOf(key: ByteText, value: Buffer): ByteText {
  if (value.includes(0)) throw tarInvalid(`a pax record has a zero in its ${key}`);
  return byteTextOf(value);
}

function integerOf(key: ByteText, value: Buffer): number {
  const text = value.toString('latin1');
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw tarInvalid(`a pax record has no number as ${key}`);
  }
  return Number(text);
}

/** Seconds with a fraction, of which nanoseconds count: `-1.5` is a second and a half before 1970. */
function timeOf(value: Buffer): bigint {
  const parts = /^(-?)(\d{1,12})(?:\.(\d*))?$/.exec(value.toString('latin1'));
  if (parts === null) throw tarInvalid('a pax record has no time as mtime');
  const [, sign, seconds = '0', fraction = ''] = parts;
  const ns = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -ns : ns;
}

/** What `mtime` has for a time that whole octal seconds cannot say. */
export function paxTime(ns: bigint): Buffer {
  const size = ns < 0n ? -ns : ns;
  const fraction = String(size % 1_000_000_000n).padStart(9, '0');
  return Buffer.from(`${ns < 0n ? '-' : ''}${size / 1_000_000_000n}.${fraction}`);
}
