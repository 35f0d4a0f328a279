import { crc32 } from 'node:zlib';
import { type Files, readAsync, readUpTo } from '@commongrid/files';
import { readUint53, writeUint53 } from './format.ts';
import { SegmentGone } from './segment-gone.ts';

/*
 * What stands in a segment, record by record, without keys and values. In memory while the segment is
 * written, beside it as `.index` once it is sealed: found there are sequences (history, cursors), the
 * records of one namespace (scan, compaction) and all that a restart needs to build the key index.
 *
 * Entry, eight 32-bit words: sequence - base, offset / 8, lengths, owner, hash low, hash high,
 * sequence - previous (0 = none, FAR = look at the record), time. Entries are in order of sequence.
 */

export const ENTRY_WORDS = 8;
export const ENTRY_BYTES = ENTRY_WORDS * 4;
const HEADER_BYTES = 64;
const MAGIC = 0x4942445a; // "ZDBI"
const VERSION = 1;
/** Entries that are read and checked together. */
const PAGE_ENTRIES = 128;
const PAGE_BYTES = PAGE_ENTRIES * ENTRY_BYTES;
/** The former version is too far back for 32 bits. */
const FAR = 0xffffffff;

/** Largest distance of sequences inside one segment. */
export const SEQUENCE_SPAN_MAX = 0xffffffff;

export interface IndexEntry {
  sequence: number;
  offset: number;
  lengths: number;
  owner: number;
  low: number;
  high: number;
  /** Sequence of the former version, 0 = none, undefined = only the record says. */
  previous: number | undefined;
  timeSeconds: number;
}

export class SegmentIndex {
  /** Sequence that the entries count from. */
  readonly base: number;
  words: Uint32Array<ArrayBuffer>;
  count: number;

  constructor(base: number, words = new Uint32Array(512 * ENTRY_WORDS), count = 0) {
    this.base = base;
    this.words = words;
    this.count = count;
  }

  add(
    sequence: number,
    offset: number,
    lengths: number,
    owner: number,
    low: number,
    high: number,
    previous: number,
    timeSeconds: number,
  ): void {
    let at = this.count * ENTRY_WORDS;
    if (at === this.words.length) this.#grow();
    const words = this.words;
    words[at++] = sequence - this.base;
    words[at++] = offset >>> 3;
    words[at++] = lengths;
    words[at++] = owner;
    words[at++] = low;
    words[at++] = high;
    words[at++] = previous === 0 ? 0 : Math.min(sequence - previous, FAR);
    words[at] = timeSeconds;
    this.count++;
  }

  #grow(): void {
    const larger = new Uint32Array(this.words.length * 2);
    larger.set(this.words);
    this.words = larger;
  }

  sequenceAt(position: number): number {
    return this.base + (this.words[position * ENTRY_WORDS] as number);
  }

  entry(position: number): IndexEntry {
    return decodeEntry(this.words, position * ENTRY_WORDS, this.base);
  }

  /** Position of the first entry with this sequence or a later one; `count` when there is none. */
  lowerBound(sequence: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.sequenceAt(middle) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The file form. */
  encode(logId: bigint, segmentId: number): Buffer {
    const bytes = Buffer.alloc(fileBytes(this.count));
    const sumsAt = HEADER_BYTES + this.count * ENTRY_BYTES;
    const entries = bytes.subarray(HEADER_BYTES, sumsAt);
    entries.set(new Uint8Array(this.words.buffer, this.words.byteOffset, entries.length));
    bytes.writeUInt32LE(MAGIC, 0);
    bytes.writeUInt32LE(VERSION, 8);
    bytes.writeUInt32LE(this.count, 12);
    bytes.writeBigUInt64LE(logId, 16);
    writeUint53(bytes, segmentId, 24);
    writeUint53(bytes, this.base, 32);
    bytes.writeUInt32LE(crc32(entries), 40);
    for (let page = 0; page * PAGE_BYTES < entries.length; page++) {
      const start = page * PAGE_BYTES;
      bytes.writeUInt32LE(crc32(entries.subarray(start, start + PAGE_BYTES)), sumsAt + page * 4);
    }
    bytes.writeUInt32LE(crc32(bytes.subarray(sumsAt)), 44);
    bytes.writeUInt32LE(crc32(bytes.subarray(8, HEADER_BYTES)), 4);
    return bytes;
  }

  /** Returns undefined unless the bytes are the whole, sound index of that segment. */
  static decode(bytes: Buffer, logId: bigint, segmentId: number): SegmentIndex | undefined {
    const header = decodeHeader(bytes, logId, segmentId);
    if (header === undefined) return undefined;
    if (bytes.length !== fileBytes(header.count)) return undefined;
    const sumsAt = HEADER_BYTES + header.count * ENTRY_BYTES;
    const entries = bytes.subarray(HEADER_BYTES, sumsAt);
    if (crc32(bytes.subarray(sumsAt)) !== header.pageSumsChecksum) return undefined;
    if (crc32(entries) !== header.checksum) return undefined;
    const words = new Uint32Array(header.count * ENTRY_WORDS);
    new Uint8Array(words.buffer).set(entries);
    return new SegmentIndex(header.base, words, header.count);
  }
}

interface IndexHeader {
  count: number;
  base: number;
  checksum: number;
  pageSumsChecksum: number;
}

function decodeHeader(bytes: Buffer, logId: bigint, segmentId: number): IndexHeader | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) return undefined;
  if (bytes.readUInt32LE(4) !== crc32(bytes.subarray(8, HEADER_BYTES))) return undefined;
  if (bytes.readUInt32LE(8) !== VERSION || bytes.readBigUInt64LE(16) !== logId) return undefined;
  if (readUint53(bytes, 24) !== segmentId) return undefined;
  return {
    count: bytes.readUInt32LE(12),
    base: readUint53(bytes, 32),
    checksum: bytes.readUInt32LE(40),
    pageSumsChecksum: bytes.readUInt32LE(44),
  };
}

function decodeEntry(words: Uint32Array, at: number, base: number): IndexEntry {
  const sequence = base + (words[at] as number);
  const back = words[at + 6] as number;
  return {
    sequence,
    offset: (words[at + 1] as number) * 8,
    lengths: words[at + 2] as number,
    owner: words[at + 3] as number,
    low: words[at + 4] as number,
    high: words[at + 5] as number,
    previous: back === 0 ? 0 : back === FAR ? undefined : sequence - back,
    timeSeconds: words[at + 7] as number,
  };
}

/** Reads the index of a sealed segment from its file, a page at a time, without loading it whole. */
export class SegmentIndexFile {
  readonly count: number;
  readonly base: number;
  readonly #files: Files;
  readonly #path: string;
  #fd: number;
  #page: Uint32Array = new Uint32Array(0);
  #pageStart = -1;
  #readers = 0;
  #isClosed = false;
  #isParked = false;
  /** Checksum of each page. */
  readonly #pageSums: Uint32Array;
  readonly #onDamage: () => void;

  private constructor(
    files: Files,
    path: string,
    fd: number,
    header: IndexHeader,
    pageSums: Uint32Array,
    onDamage: () => void,
  ) {
    this.#files = files;
    this.#path = path;
    this.#fd = fd;
    this.count = header.count;
    this.base = header.base;
    this.#pageSums = pageSums;
    this.#onDamage = onDamage;
  }

  /**
   * Returns undefined when the file is missing or damaged. A page that turns out to be damaged later
   * is reported to `onDamage`, and whoever asked for it is told to look again (SegmentGone).
   */
  static open(
    files: Files,
    path: string,
    logId: bigint,
    segmentId: number,
    onDamage: () => void,
  ): SegmentIndexFile | undefined {
    if (!files.existsSync(path)) return undefined;
    const fd = files.openSync(path, 'r');
    let opened: SegmentIndexFile | undefined;
    try {
      const bytes = Buffer.alloc(HEADER_BYTES);
      files.readSync(fd, bytes, 0, HEADER_BYTES, 0);
      const header = decodeHeader(bytes, logId, segmentId);
      const sums = header === undefined ? undefined : readPageSums(files, fd, header);
      if (header !== undefined && sums !== undefined) {
        opened = new SegmentIndexFile(files, path, fd, header, sums, onDamage);
      }
    } finally {
      if (opened === undefined) files.closeSync(fd);
    }
    return opened;
  }

  async entry(position: number): Promise<IndexEntry> {
    const page = await this.#load(position);
    return decodeEntry(page, (position % PAGE_ENTRIES) * ENTRY_WORDS, this.base);
  }

  async lowerBound(sequence: number): Promise<number> {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const page = await this.#load(middle);
      const found = this.base + (page[(middle % PAGE_ENTRIES) * ENTRY_WORDS] as number);
      if (found < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async #load(position: number): Promise<Uint32Array> {
    const start = position - (position % PAGE_ENTRIES);
    if (start === this.#pageStart) return this.#page;
    if (this.#isClosed) throw new SegmentGone(this.#path);
    const entries = Math.min(PAGE_ENTRIES, this.count - start);
    const page = new Uint32Array(entries * ENTRY_WORDS);
    const view = new Uint8Array(page.buffer);
    if (this.#fd < 0) this.#fd = this.#openAgain();
    this.#readers++;
    try {
      const at = HEADER_BYTES + start * ENTRY_BYTES;
      const got = await readAsync(this.#files, this.#fd, view, 0, view.length, at);
      if (got !== view.length || crc32(view) !== this.#pageSums[start / PAGE_ENTRIES]) {
        this.#onDamage();
        throw new SegmentGone(this.#path);
      }
    } finally {
      this.#readers--;
      this.#closeIfUnused();
    }
    this.#page = page;
    this.#pageStart = start;
    return page;
  }

  #openAgain(): number {
    if (!this.#files.existsSync(this.#path)) throw new SegmentGone(this.#path);
    return this.#files.openSync(this.#path, 'r');
  }

  /** Has the file open during reads only from now on: whoever is in the middle of it goes on. */
  park(): void {
    this.#isParked = true;
    this.#closeIfUnused();
  }

  /** Closes the file once no read is under way; there is nothing to be read in it any more. */
  close(): void {
    this.#isClosed = true;
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.#readers > 0 || this.#fd < 0 || !(this.#isClosed || this.#isParked)) return;
    this.#files.closeSync(this.#fd);
    this.#fd = -1;
  }
}

function fileBytes(count: number): number {
  return HEADER_BYTES + count * ENTRY_BYTES + Math.ceil(count / PAGE_ENTRIES) * 4;
}

/** Undefined when the file has another length or the checksums themselves are damaged. */
function readPageSums(files: Files, fd: number, header: IndexHeader): Uint32Array | undefined {
  if (files.fstatSync(fd).size !== fileBytes(header.count)) return undefined;
  const sums = new Uint32Array(Math.ceil(header.count / PAGE_ENTRIES));
  const bytes = Buffer.from(sums.buffer);
  const at = HEADER_BYTES + header.count * ENTRY_BYTES;
  if (readUpTo(files, fd, bytes, 0, bytes.length, at) !== bytes.length) return undefined;
  return crc32(bytes) === header.pageSumsChecksum ? sums : undefined;
}
