import { bytesOfText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { paxRecord, paxTime, xattrRecord } from './pax-records.ts';
import { paddingOf, tarBlockBytes } from './tar-entry.ts';
import type { TarEntry, TarKind } from './tar-entry.ts';
import { tarInvalid, tarTooLarge } from './tar-error.ts';
import { extendedHeaderBytesMax } from './tar-limits.ts';

/** An entry that is to be written. A file has as many bytes of content as its size says. */
export interface NewTarItem {
  readonly entry: TarEntry;
  readonly content?: AsyncIterable<Uint8Array> | undefined;
}

/**
 * Writes a pax tar. It depends on the entries only: the same ones give the same bytes. What ustar
 * can say stands in the header; the rest, such as long names, parts of a second and attributes, in
 * pax records before it.
 * @throws FLIST_TAR_INVALID when a content has not the size of its entry, FLIST_TOO_LARGE
 */
export async function* writeTar(
  items: AsyncIterable<NewTarItem>,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const { entry, content } of items) {
    yield* headersOf(entry);
    if (entry.sizeBytes > 0) yield* contentOf(entry, content);
  }
  yield Buffer.alloc(2 * tarBlockBytes);
}

async function* contentOf(
  entry: TarEntry,
  content: AsyncIterable<Uint8Array> = noContent,
): AsyncGenerator<Uint8Array, void, void> {
  let leftBytes = entry.sizeBytes;
  for await (const bytes of content) {
    leftBytes -= bytes.length;
    if (leftBytes < 0) break;
    yield bytes;
  }
  if (leftBytes !== 0) throw tarInvalid('the content has not the size of its entry', entry.path);
  yield Buffer.alloc(paddingOf(entry.sizeBytes));
}

const noContent: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {},
};

const types: Readonly<Record<TarKind, string>> = {
  file: '0',
  'hard-link': '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};

/** What 11 octal digits can say. */
const octal11Bound = 8 ** 11;
const nsPerSecond = 1_000_000_000n;

function headersOf(entry: TarEntry): Buffer[] {
  const records: Buffer[] = [];
  if (isLong(entry.path)) records.push(paxRecord('path', bytesOfText(entry.path)));
  if (isLong(entry.linkTarget)) records.push(paxRecord('linkpath', bytesOfText(entry.linkTarget)));
  const hasLongSize = entry.sizeBytes >= octal11Bound;
  if (hasLongSize) records.push(paxRecord('size', Buffer.from(String(entry.sizeBytes))));
  const seconds = entry.mtimeNs / nsPerSecond;
  const hasPlainTime =
    entry.mtimeNs >= 0n && seconds < octal11Bound && entry.mtimeNs % nsPerSecond === 0n;
  if (!hasPlainTime) records.push(paxRecord('mtime', paxTime(entry.mtimeNs)));
  for (const xattr of entry.xattrs) records.push(xattrRecord(xattr));

  const header = headerOf(types[entry.kind], entry.path);
  header.write(octal(entry.mode, 7), 100, 'latin1');
  header.write(octal(entry.uid, 7), 108, 'latin1');
  header.write(octal(entry.gid, 7), 116, 'latin1');
  header.write(octal(hasLongSize ? 0 : entry.sizeBytes, 11), 124, 'latin1');
  header.write(octal(hasPlainTime ? Number(seconds) : 0, 11), 136, 'latin1');
  if (!isLong(entry.linkTarget)) header.write(entry.linkTarget, 157, 'latin1');
  if (entry.kind === 'character-device' || entry.kind === 'block-device') {
    header.write(octal(entry.major, 7), 329, 'latin1');
    header.write(octal(entry.minor, 7), 337, 'latin1');
  }
  const own = withChecksum(header);
  return records.length === 0 ? [own] : [...paxHeaderOf(records), own];
}

function paxHeaderOf(records: readonly Buffer[]): Buffer[] {
  const body = Buffer.concat(records);
  if (body.length > extendedHeaderBytesMax) {
    throw tarTooLarge('bytes in an extended header', extendedHeaderBytesMax);
  }
  const header = headerOf('x', 'PaxHeader' as ByteText);
  header.write(octal(0o644, 7), 100, 'latin1');
  header.write(octal(body.length, 11), 124, 'latin1');
  return [withChecksum(header), body, Buffer.alloc(paddingOf(body.length))];
}

/** A block with zero in every number. A longer name is cut: a pax record has the whole. */
function headerOf(type: string, path: ByteText): Buffer {
  const header = Buffer.alloc(tarBlockBytes);
  header.write(path.slice(0, 100), 0, 'latin1');
  for (const at of [100, 108, 116]) header.write(octal(0, 7), at, 'latin1');
  for (const at of [124, 136]) header.write(octal(0, 11), at, 'latin1');
  header.write(type, 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  return header;
}

function withChecksum(header: Buffer): Buffer {
  header.write('        ', 148, 'latin1');
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return header;
}

/** The caller knows that it fits. */
function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function isLong(text: ByteText): boolean {
  return text.length > 100;
}
