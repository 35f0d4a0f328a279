import { byteTextFrom, byteTextOf, shownText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { BlockReader } from './block-reader.ts';
import { checkGlobalRecords, readPaxRecords, xattrsOf } from './pax-records.ts';
import type { PaxFields } from './pax-records.ts';
import { paddingOf, tarBlockBytes } from './tar-entry.ts';
import type { TarEntry, TarKind } from './tar-entry.ts';
import { tarInvalid, tarTooLarge, tarUnsupported } from './tar-error.ts';
import { readTarHeader } from './tar-header.ts';
import type { TarHeader } from './tar-header.ts';
import {
  extendedHeaderBytesMax,
  extendedHeadersMax,
  tarEntriesMax,
  tarMetadataBytesMax,
  tarPathBytesMax,
  tarTrailerBytesMax,
} from './tar-limits.ts';

export interface ReadTarOptions {
  /** Names that are read. Default `tarEntriesMax`. */
  readonly entriesMax?: number;
  /**
   * Whether a tar may just stop after an entry. Where a digest covers the whole stream it may: then
   * nothing can be missing. Default false.
   */
  readonly mayLackEnd?: boolean;
}

/** An entry and its content, which is there until the next entry is asked for. */
export interface TarItem {
  readonly entry: TarEntry;
  /** Where the content begins in the stream, bytes. */
  readonly contentOffset: number;
  /** Pieces of the content, each valid until the next; what nobody reads is skipped. */
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Reads a tar as a stream: POSIX ustar and pax, with the extensions of GNU, star and libarchive for
 * long names, large numbers and attributes. It takes nothing on trust: what it gives is what the
 * headers say, and paths are as they stand there. The stream is read to its end.
 * @throws FLIST_TAR_INVALID, FLIST_TAR_UNSUPPORTED (sparse files, archives of several volumes),
 *   FLIST_TOO_LARGE, and what the source throws
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  options: ReadTarOptions = {},
): AsyncGenerator<TarItem, void, void> {
  const { entriesMax = tarEntriesMax } = options;
  const reader = new BlockReader(source);
  let metadataBytes = 0;
  try {
    for (let entries = 0; ; entries++) {
      const entry = await nextEntry(reader, options);
      if (entry === undefined) break;
      if (entries >= entriesMax) throw tarTooLarge('names', entriesMax);
      metadataBytes += metadataBytesOf(entry);
      if (metadataBytes > tarMetadataBytesMax) {
        throw tarTooLarge('bytes of names and attributes', tarMetadataBytesMax);
      }
      const content = new Content(reader, entry);
      yield { entry, contentOffset: reader.takenBytes, content };
      await content.skipRest();
    }
    await skipTrailer(reader);
  } finally {
    await reader.close();
  }
}

/** The bytes behind the header of one entry. */
class Content implements AsyncIterable<Uint8Array> {
  readonly #reader: BlockReader;
  readonly #entry: TarEntry;
  #leftBytes: number;

  constructor(reader: BlockReader, entry: TarEntry) {
    this.#reader = reader;
    this.#entry = entry;
    this.#leftBytes = entry.sizeBytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    while (this.#leftBytes > 0) {
      const bytes = await this.#reader.some(this.#leftBytes);
      if (bytes === undefined) throw tarInvalid('the tar ends inside a file', this.#entry.path);
      this.#leftBytes -= bytes.length;
      yield bytes;
    }
  }

  async skipRest(): Promise<void> {
    const restBytes = this.#leftBytes + paddingOf(this.#entry.sizeBytes);
    this.#leftBytes = 0;
    if ((await this.#reader.skip(restBytes)) < restBytes) {
      throw tarInvalid('the tar ends inside a file', this.#entry.path);
    }
  }
}

/** Undefined at the end of the tar. */
async function nextEntry(
  reader: BlockReader,
  options: ReadTarOptions,
): Promise<TarEntry | undefined> {
  const fields: PaxFields = { xattrs: new Map() };
  for (let extensions = 0; ; extensions++) {
    const header = await nextHeader(reader, extensions > 0, options);
    if (header === undefined) return undefined;
    if (!'xgLK'.includes(header.type)) return entryOf(header, fields);
    if (extensions >= extendedHeadersMax) {
      throw tarTooLarge('extended headers before an entry', extendedHeadersMax);
    }
    const { sizeBytes } = header;
    if (sizeBytes < 0) throw tarInvalid('an extended header has no size');
    if (sizeBytes > extendedHeaderBytesMax) {
      throw tarTooLarge('bytes in an extended header', extendedHeaderBytesMax);
    }
    const bytes = await reader.exactly(sizeBytes);
    const paddingBytes = paddingOf(sizeBytes);
    if (bytes.length < sizeBytes || (await reader.skip(paddingBytes)) < paddingBytes) {
      throw tarInvalid('the tar ends inside an extended header');
    }
    applyExtension(header.type, bytes, fields);
  }
}

async function nextHeader(
  reader: BlockReader,
  isWithinEntry: boolean,
  { mayLackEnd = false }: ReadTarOptions,
): Promise<TarHeader | undefined> {
  const block = await reader.exactly(tarBlockBytes);
  if (block.length === 0 && mayLackEnd && !isWithinEntry) return undefined;
  if (block.length < tarBlockBytes) throw tarInvalid('the tar ends too early');
  if (!isZero(block)) return readTarHeader(block);
  if (isWithinEntry) throw tarInvalid('an extended header with no entry behind it');
  const second = await reader.exactly(tarBlockBytes);
  if (!isZero(second)) throw tarInvalid('more follows behind the end of the tar');
  return undefined;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function applyExtension(type: string, bytes: Buffer, fields: PaxFields): void {
  if (type === 'x') readPaxRecords(bytes, fields);
  else if (type === 'g') checkGlobalRecords(bytes);
  else if (type === 'L') fields.path = longText(bytes);
  else fields.linkTarget = longText(bytes);
}

/** A long name of GNU ends with a zero. */
function longText(bytes: Buffer): ByteText {
  const end = bytes.indexOf(0);
  return byteTextOf(end < 0 ? bytes : bytes.subarray(0, end));
}

const kinds: Readonly<Record<string, TarKind>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hard-link',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
};

function entryOf(header: TarHeader, fields: PaxFields): TarEntry {
  const path = fields.path ?? header.path;
  const kind = kindOf(header, path);
  const isLink = kind === 'symlink' || kind === 'hard-link';
  const linkTarget = isLink ? (fields.linkTarget ?? header.linkTarget) : noText;
  const sizeBytes = kind === 'file' ? (fields.sizeBytes ?? header.sizeBytes) : 0;
  if (path === '') throw tarInvalid('an entry without a name');
  if (isLink && linkTarget === '') throw tarInvalid('a link without a target', path);
  if (sizeBytes < 0) throw tarInvalid('a file whose size is below zero', path);
  if (path.length > tarPathBytesMax || linkTarget.length > tarPathBytesMax) {
    throw tarTooLarge('bytes in a path', tarPathBytesMax);
  }
  return {
    kind,
    path,
    mode: header.mode,
    uid: fields.uid ?? header.uid,
    gid: fields.gid ?? header.gid,
    mtimeNs: fields.mtimeNs ?? BigInt(header.mtimeSeconds) * 1_000_000_000n,
    xattrs: xattrsOf(fields),
    sizeBytes,
    linkTarget,
    major: header.major,
    minor: header.minor,
  };
}

/** Only files have a content, as Go's reader takes it, on which the tools of OCI depend. */
function kindOf({ type }: TarHeader, path: ByteText): TarKind {
  if (type === '\0' && path.endsWith('/')) return 'directory';
  const kind = kinds[type];
  if (kind !== undefined) return kind;
  if (type === 'S') throw tarUnsupported('a sparse file', path);
  throw tarUnsupported(`an entry of type "${shownText(byteTextFrom(type))}"`, path);
}

const noText: ByteText = byteTextFrom('');

function metadataBytesOf({ path, linkTarget, xattrs }: TarEntry): number {
  let bytes = path.length + linkTarget.length;
  for (const { name, value } of xattrs) bytes += name.length + value.length;
  return bytes;
}

async function skipTrailer(reader: BlockReader): Promise<void> {
  if ((await reader.skip(tarTrailerBytesMax + 1)) > tarTrailerBytesMax) {
    throw tarTooLarge('bytes behind its end', tarTrailerBytesMax);
  }
}
