import { GridError, largeMemory, largeMemoryBytesMin } from '@commongrid/base';
import type { ZdbErrorCode } from '../../errors.ts';
import { type Files, readAsync, readUpTo } from '@commongrid/files';
import {
  FRAME_HEADER_BYTES,
  keyLengthOf,
  RECORD_HEADER_BYTES,
  readUint53,
  recordBytes,
  recordChecksum,
  recordLengthsAt,
  recordPreviousAt,
  recordSequenceAt,
  recordTimeAt,
  valueLengthOf,
} from '../log/format.ts';
import type { Batch } from '../log/batch.ts';
import type { Log } from '../log/log.ts';
import { CACHED_RECORD_BYTES_MAX, RecordCache } from './record-cache.ts';
import type { Segment } from '../log/segment.ts';

/** Records up to this size may be read in the turn. */
const INLINE_READ_BYTES_MAX = 16 * 1024;
/**
 * A read that takes longer counts as slow. One alone may be the scheduler's doing; a few among many
 * quick ones mean a disk that must be read through the thread pool.
 */
const INLINE_READ_MS_MAX = 0.2;
const SLOW_READ_WEIGHT = 16;
/** A slow read adds its weight, a quick one takes 1: from here on the disk is slow. */
const SLOW_SCORE_MAX = 48;
/** How long reads go through the pool before one in the turn is tried; doubled when that is slow. */
const BACK_OFF_MS = 100;
/** Longest time before a read in the turn is tried again. */
const BACK_OFF_MS_MAX = 10_000;
/** So many quick ones in a row, and all reads are done in the turn again. */
const QUICK_PROBES = 4;
/** Damaged records that are remembered, so that their keys can be written again. */
const DAMAGED_PLACES_MAX = 10_000;

/** A record that must be fetched before the operation can be done: await fetch(), then try again. */
export interface Fault {
  readonly segment: Segment;
  readonly offset: number;
  readonly lengths: number;
  /** Header and key are enough. */
  readonly isKeyOnly?: boolean;
  /** Whoever asked verifies the value himself. */
  readonly isUnverified?: boolean;
}

export interface FetchedRecord extends Fault {
  readonly bytes: Buffer;
  /** What goes back to `largeMemory` when nobody needs `bytes` any more. */
  lent?: Buffer | undefined;
}

/**
 * Brings a record into memory and checks it. After view() returned true the record stands at `at` of
 * `bytes` until the next call. False means a fault: reading it here and now could stall everybody.
 */
export class RecordReader {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  /** `bytes` holds this record alone and is never written again. */
  isPrivate = false;
  fault: Fault | undefined;
  /** Records fetched for the operation that is tried again. */
  fetched: FetchedRecord[] = [];

  /** The record in `bytes`, when it was fetched. */
  #viewed: FetchedRecord | undefined;

  readonly #files: Files;
  readonly #cache: RecordCache;
  readonly #log: Log;
  readonly #onDamage: (segment: Segment, offset: number, error: GridError) => void;
  readonly #damagedPlaces = new Set<string>();
  #isSlow = false;
  #slowScore = 0;
  #backOffMs = BACK_OFF_MS;
  #probeAtMs = 0;
  #quickProbes = 0;

  constructor(options: {
    files: Files;
    log: Log;
    cacheBytes: number;
    onDamage: (segment: Segment, offset: number, error: GridError) => void;
  }) {
    this.#files = options.files;
    this.#log = options.log;
    this.#cache = new RecordCache(options.cacheBytes);
    this.#onDamage = options.onDamage;
  }

  get sequence(): number {
    return readUint53(this.bytes, this.at + recordSequenceAt);
  }
  get previous(): number {
    return readUint53(this.bytes, this.at + recordPreviousAt);
  }
  get timeSeconds(): number {
    return this.bytes.readUInt32LE(this.at + recordTimeAt);
  }
  /** Where the key begins in `bytes`; the value follows it. */
  get keyStart(): number {
    return this.at + RECORD_HEADER_BYTES;
  }

  /**
   * @param mayWait reads in the turn also from a slow disk (short records only)
   * @param isUnverified a large record need not be sound: the caller verifies its value
   * @throws GridError ZDB_READ_FAILED when the record is damaged or cannot be read
   */
  view(
    segment: Segment,
    offset: number,
    lengths: number,
    mayWait = false,
    isUnverified = false,
  ): boolean {
    if (offset >= segment.writtenOffset) {
      const batch = this.#log.pendingAt(segment, offset);
      if (batch === undefined) throw new Error('a record is neither written nor pending');
      this.at = batch.find(offset);
      this.bytes = batch.bytes;
      this.isPrivate = this.at < 0;
      if (this.isPrivate) {
        const length = recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
        this.bytes = batch.copyOf(offset, length);
        this.at = 0;
      }
      return true;
    }
    const cached = this.#cache.find(segment.slot, offset);
    if (cached >= 0) {
      this.bytes = this.#cache.bytes;
      this.at = cached;
      this.isPrivate = false;
      return true;
    }
    if (this.#viewFetched(segment, offset, false, isUnverified)) return true;
    if (this.#readInTurn(segment, offset, lengths, mayWait)) return true;
    if (isUnverified) this.fault = { segment, offset, lengths, isUnverified };
    return false;
  }

  /**
   * As view(), but of a large record only header and key need be there, and they are not checked.
   * @throws GridError ZDB_READ_FAILED
   */
  viewKey(segment: Segment, offset: number, lengths: number, mayWait: boolean): boolean {
    const length = RECORD_HEADER_BYTES + keyLengthOf(lengths) + valueLengthOf(lengths);
    if (length <= INLINE_READ_BYTES_MAX || offset >= segment.writtenOffset) {
      return this.view(segment, offset, lengths, mayWait);
    }
    if (this.#viewFetched(segment, offset, true, false)) return true;
    this.fault = { segment, offset, lengths, isKeyOnly: true };
    return false;
  }

  /**
   * The caller goes on using `bytes`: what it has to release to `largeMemory` in the end, if that
   * is needed.
   */
  takeLent(): Buffer | undefined {
    const record = this.#viewed;
    if (record?.bytes !== this.bytes) return undefined;
    const { lent } = record;
    record.lent = undefined;
    return lent;
  }

  /** What was just written is likely to be asked for, or written again, soon. */
  remember(batch: Batch, segment: Segment): void {
    const { offset, used, bytes } = batch;
    if (batch.find(offset) < 0) return;
    const records = offset + FRAME_HEADER_BYTES;
    this.#cache.addBlock(segment.slot, records, bytes, FRAME_HEADER_BYTES, used);
  }

  /** Some record was found damaged. */
  get knowsDamage(): boolean {
    return this.#damagedPlaces.size > 0;
  }

  /** Whether a record was found damaged before. */
  isDamaged(segment: Segment, offset: number): boolean {
    return this.#damagedPlaces.has(`${segment.id}/${offset}`);
  }

  /** Reads header and key of a damaged record, in the turn, as they are. */
  viewDamaged(segment: Segment, offset: number, lengths: number): void {
    const length = RECORD_HEADER_BYTES + keyLengthOf(lengths);
    this.bytes = Buffer.alloc(length);
    this.at = 0;
    this.isPrivate = true;
    try {
      readUpTo(this.#files, segment.fd, this.bytes, 0, length, offset);
    } catch {
      // Not even that can be read: the zeros match no key.
    }
  }

  #viewFetched(
    segment: Segment,
    offset: number,
    isHeadEnough: boolean,
    isUnverified: boolean,
  ): boolean {
    for (const record of this.fetched) {
      if (record.segment !== segment || record.offset !== offset) continue;
      if (record.isKeyOnly === true && !isHeadEnough) continue;
      if (record.isUnverified === true && !isUnverified) continue;
      this.bytes = record.bytes;
      this.at = 0;
      this.isPrivate = true;
      this.#viewed = record;
      return true;
    }
    return false;
  }

  #readInTurn(segment: Segment, offset: number, lengths: number, mayWait: boolean): boolean {
    const length = recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
    const isLater = this.#isSlow && !mayWait && performance.now() < this.#probeAtMs;
    if (isLater || length > INLINE_READ_BYTES_MAX) {
      this.fault = { segment, offset, lengths };
      return false;
    }
    const position = this.#cache.add(segment.slot, offset, length);
    const { bytes } = this.#cache;
    const started = performance.now();
    try {
      const got = readUpTo(this.#files, segment.fd, bytes, position, length, offset);
      checkRecord(bytes, position, got, segment, offset, lengths);
    } catch (error) {
      this.#cache.drop(segment.slot, offset);
      throw this.#damaged(error, segment, offset);
    }
    this.#judge(performance.now() - started);
    this.bytes = bytes;
    this.at = position;
    this.isPrivate = false;
    return true;
  }

  #judge(ms: number): void {
    if (ms <= INLINE_READ_MS_MAX) {
      if (this.#slowScore > 0) this.#slowScore--;
      if (this.#isSlow && ++this.#quickProbes >= QUICK_PROBES) {
        this.#isSlow = false;
        this.#backOffMs = BACK_OFF_MS;
      }
      return;
    }
    this.#quickProbes = 0;
    this.#slowScore += SLOW_READ_WEIGHT;
    if (!this.#isSlow && this.#slowScore < SLOW_SCORE_MAX) return;
    if (this.#isSlow) this.#backOffMs = Math.min(this.#backOffMs * 2, BACK_OFF_MS_MAX);
    this.#isSlow = true;
    this.#slowScore = 0;
    this.#probeAtMs = performance.now() + this.#backOffMs;
  }

  /** Reads a record through the thread pool. @throws GridError ZDB_READ_FAILED */
  async fetch(fault: Fault): Promise<FetchedRecord> {
    const { segment, offset, lengths } = fault;
    const isKeyOnly = fault.isKeyOnly === true;
    const length = isKeyOnly
      ? RECORD_HEADER_BYTES + keyLengthOf(lengths)
      : recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
    const mayBelieve = fault.isUnverified === true && length > CACHED_RECORD_BYTES_MAX;
    const lent = length < largeMemoryBytesMin ? undefined : largeMemory.acquire(length);
    const bytes = lent?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
    const fd = segment.hold();
    try {
      let got = 0;
      while (got < length) {
        const more = await readAsync(this.#files, fd, bytes, got, length - got, offset + got);
        if (more === 0) break;
        got += more;
      }
      if (isKeyOnly) return { ...fault, bytes: bytes.subarray(0, got) };
      if (mayBelieve && got === length && this.#isPlausible(bytes, lengths)) {
        return { ...fault, bytes, lent };
      }
      checkRecord(bytes, 0, got, segment, offset, lengths);
    } catch (error) {
      throw this.#damaged(error, segment, offset);
    } finally {
      segment.release();
    }
    // The slot of a segment that is gone may belong to another one by now.
    if (length <= CACHED_RECORD_BYTES_MAX && !segment.isRetired) {
      bytes.copy(this.#cache.bytes, this.#cache.add(segment.slot, offset, length));
    }
    return { segment, offset, lengths, bytes, lent };
  }

  /** What is used of the header of a record that nobody verified cannot mislead. */
  #isPlausible(bytes: Buffer, lengths: number): boolean {
    const isAsIndexed = bytes.readUInt32LE(recordLengthsAt) === lengths;
    return isAsIndexed && readUint53(bytes, recordSequenceAt) <= this.#log.lastSequence;
  }

  #damaged(cause: unknown, segment: Segment, offset: number): GridError {
    const error =
      cause instanceof GridError
        ? cause
        : new GridError<ZdbErrorCode>(
            'ZDB_READ_FAILED',
            `reading ${segment.path} at ${offset} failed`,
            {
              cause,
              hint: 'look at the disk: dmesg, smartctl',
              details: { path: segment.path, offset },
            },
          );
    if (this.#damagedPlaces.size < DAMAGED_PLACES_MAX) {
      this.#damagedPlaces.add(`${segment.id}/${offset}`);
    }
    this.#onDamage(segment, offset, error);
    return error;
  }

  /** Forgets the records of a segment that is gone. */
  dropSegment(slot: number): void {
    this.#cache.dropSegment(slot);
  }
}

/** Gives back what a record was fetched into, unless somebody took it: nobody looks at it any more. */
export function letGo(record: FetchedRecord | undefined): void {
  if (record?.lent === undefined) return;
  largeMemory.release(record.lent);
  record.lent = undefined;
}

/** @throws GridError ZDB_READ_FAILED unless a whole, sound record stands at `at` */
export function checkRecord(
  bytes: Buffer,
  at: number,
  length: number,
  segment: Segment,
  offset: number,
  lengths: number,
): void {
  const keyLength = keyLengthOf(lengths);
  const valueLength = valueLengthOf(lengths);
  if (
    length === recordBytes(keyLength, valueLength) &&
    bytes.readUInt32LE(at) === recordChecksum(bytes, at, keyLength, valueLength, segment.id, offset)
  ) {
    return;
  }
  throw new GridError<ZdbErrorCode>(
    'ZDB_READ_FAILED',
    `the record at offset ${offset} of ${segment.path} is damaged`,
    { hint: 'grid zdb repair from a replica', details: { path: segment.path, offset } },
  );
}
