import { GridError, type MemoryOwner } from '@commongrid/base';
import type { ZdbErrorCode } from '../../errors.ts';
import { Batch } from './batch.ts';
import { type Files, syncAsync, writePieces, writePiecesAsync } from '@commongrid/files';
import { FRAME_HEADER_BYTES, SEGMENT_RECORDS_MAX } from './format.ts';
import type { Segment } from './segment.ts';
import { SegmentIndex, SEQUENCE_SPAN_MAX } from './segment-index.ts';
import type { SegmentTable } from './segment-table.ts';
import { startSegment, startSegmentInPool } from './start-segment.ts';

export type Durability = 'always' | 'everysec' | 'os';

export interface LogOptions {
  readonly table: SegmentTable;
  readonly durability: Durability;
  /** A new segment begins when the next record would pass this size, bytes. */
  readonly segmentBytes: number;
  /** All records up to this sequence are on disk now. */
  readonly onDurable: (sequence: number) => void;
  /** A write or sync failed: nothing after `durableSequence` can be trusted. Called once. */
  readonly onFailure: (error: GridError<ZdbErrorCode>) => void;
  /** A batch is in its file, synced or not. */
  readonly onWritten: (batch: Batch, segment: Segment) => void;
  /** A segment has got its last record. */
  readonly onRotate: () => void;
  readonly nowMs: () => number;
}

/** A batch larger than this is closed and written without waiting for the turn to end. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** A disk whose syncs take less is synced in the turn: a thread hop costs more than it saves. */
const INLINE_SYNC_MS_MAX = 1.5;
/** `everysec`: longest time that a written record stays unsynced. */
const SYNC_BEHIND_MS = 1000;

/*
 * The commit path.
 *
 * 1. append() lays records into the open batch; their place in the log is fixed there and then.
 * 2. turn(), once per turn of the event loop, closes the batch and writes it: one write, one fdatasync,
 *    whatever number of namespaces it holds.
 * 3. A fast disk is synced inside the turn. On a slow one write and sync run in the thread pool, and
 *    the next batch fills meanwhile; at most one write is under way.
 * 4. onDurable tells how far the disk has got; replies that revealed later records wait for it.
 */
export class Log {
  /** Last sequence handed out, and the last that is on disk. */
  lastSequence: number;
  durableSequence: number;
  /** Last sequence that has been written to a file, synced or not. */
  writtenSequence: number;
  failure: GridError<ZdbErrorCode> | undefined;
  readonly durability: Durability;
  readonly segmentBytes: number;

  readonly #files: Files;
  readonly #table: SegmentTable;
  readonly #onDurable: (sequence: number) => void;
  readonly #onFailure: (error: GridError<ZdbErrorCode>) => void;
  readonly #onWritten: (batch: Batch, segment: Segment) => void;
  readonly #onRotate: () => void;
  readonly #nowMs: () => number;
  #open = new Batch();
  #spare: Batch[] = [];
  /** Closed batches, oldest first; the first of them may be under way to disk. */
  #closed: Batch[] = [];
  #running: Promise<void> | undefined;
  /** A group is being appended: the open batch is not written before it is whole. */
  #held: Promise<void> | undefined;
  /** Up to here the open batch has room that was promised to a group. */
  #groupEnd = 0;
  #dirty: Segment[] = [];
  #syncMs = 0;
  /** A sync behind the replies, in `everysec`. */
  #syncing: Promise<void> | undefined;
  #appendedBytes = 0;
  #writtenBytes = 0;
  #durableBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LogOptions, lastSequence: number) {
    this.#files = options.table.files;
    this.#table = options.table;
    this.durability = options.durability;
    this.segmentBytes = options.segmentBytes;
    this.#onDurable = options.onDurable;
    this.#onFailure = options.onFailure;
    this.#onWritten = options.onWritten;
    this.#onRotate = options.onRotate;
    this.#nowMs = options.nowMs;
    this.lastSequence = lastSequence;
    this.durableSequence = lastSequence;
    this.writtenSequence = lastSequence;
  }

  /** The segment that the next record goes to, when it takes `bytes`. */
  segmentFor(bytes: number): Segment {
    this.#prepare(bytes, 1);
    return this.#open.segment as Segment;
  }

  /** Keeps the next `records` records, `bytes` in all, in one frame. */
  keepTogether(bytes: number, records: number): void {
    this.#prepare(bytes, records);
    this.#groupEnd = this.#open.size + bytes;
  }

  /**
   * Puts what `work` appends into one frame although `work` has to wait in between: nothing of it is
   * written before it is done. Nobody else may append meanwhile.
   */
  async together(bytes: number, records: number, work: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.keepTogether(bytes, records);
    this.#held = promise;
    try {
      await work();
    } finally {
      this.#held = undefined;
      resolve();
    }
  }

  /** Adds a record with the next sequence; call segmentFor() with its size first. Returns its offset. */
  append(
    owner: number,
    timeSeconds: number,
    previous: number,
    source: Uint8Array,
    keyStart: number,
    keyLength: number,
    valueSource: Uint8Array,
    valueStart: number,
    valueLength: number,
    low: number,
    high: number,
    valueOwner?: MemoryOwner,
  ): number {
    const batch = this.#open;
    const segment = batch.segment as Segment;
    const sequence = this.lastSequence + 1;
    const before = batch.size;
    const lengthsAt = (batch.used >>> 2) + 1;
    const offset = batch.add(
      segment.id,
      owner,
      timeSeconds,
      sequence,
      previous,
      source,
      keyStart,
      keyLength,
      valueSource,
      valueStart,
      valueLength,
      valueOwner,
    );
    this.lastSequence = sequence;
    segment.nextOffset = batch.offset + batch.size;
    segment.lastSequence = sequence;
    segment.recordCount++;
    this.#appendedBytes += batch.size - before;
    (segment.index as SegmentIndex).add(
      sequence,
      offset,
      batch.words[lengthsAt] as number,
      owner,
      low,
      high,
      previous,
      timeSeconds,
    );
    return offset;
  }

  /** Skips to a later sequence (replicas receive logs with gaps); a record must follow. */
  skipTo(sequence: number): void {
    if (sequence > this.lastSequence) this.lastSequence = sequence;
  }

  #prepare(bytes: number, records: number): void {
    const batch = this.#open;
    let segment = batch.segment;
    if (segment !== undefined && batch.size + bytes <= this.#groupEnd) return;
    this.#groupEnd = 0;
    if (segment !== undefined && batch.size + bytes > BATCH_BYTES_MAX && batch.recordCount > 0) {
      this.#close();
      segment = undefined;
    }
    if (segment !== undefined && !this.#fits(segment, bytes, records)) {
      if (batch.recordCount > 0) this.#close();
      else batch.clear();
      segment = undefined;
    }
    if (segment === undefined) {
      const last = this.#table.last;
      const fits =
        last !== undefined &&
        !last.isSealed &&
        this.#fits(last, FRAME_HEADER_BYTES + bytes, records);
      this.#open.begin(fits ? last : this.#newSegment(), this.lastSequence + 1);
    }
  }

  #fits(segment: Segment, bytes: number, records: number): boolean {
    if (segment.recordCount === 0) return true;
    if (segment.isClosing) return false;
    if (segment.recordCount + records > SEGMENT_RECORDS_MAX) return false;
    if (this.lastSequence + records - segment.firstSequence > SEQUENCE_SPAN_MAX) return false;
    return segment.nextOffset + bytes <= this.segmentBytes;
  }

  #newSegment(): Segment {
    // Segments stand side by side also where sequences were skipped: recovery knows no gap of theirs.
    const next = (this.#table.last?.lastSequence ?? this.lastSequence) + 1;
    const isFar = this.lastSequence - next >= SEQUENCE_SPAN_MAX / 2;
    const segment = this.#table.create(isFar ? this.lastSequence + 1 : next);
    segment.index = new SegmentIndex(segment.firstSequence);
    if (this.#table.segments.length > 1) this.#onRotate();
    return segment;
  }

  #close(): void {
    this.#closeForWrite();
    this.turn();
  }

  /** Where a record that is not yet in its file stands in memory. */
  pendingAt(segment: Segment, offset: number): Batch | undefined {
    for (let i = this.#closed.length - 1; i >= 0; i--) {
      const batch = this.#closed[i] as Batch;
      if (
        batch.segment === segment &&
        offset >= batch.offset &&
        offset < batch.offset + batch.size
      ) {
        return batch;
      }
    }
    return this.#open.segment === segment && offset >= this.#open.offset ? this.#open : undefined;
  }

  /** Bytes of records that are not on disk yet. */
  get unsyncedBytes(): number {
    return this.#appendedBytes - this.#durableBytes;
  }

  get hasWork(): boolean {
    return this.#closed.length > 0 || this.#isOpenReady;
  }

  get #isOpenReady(): boolean {
    return this.#open.recordCount > 0 && this.#held === undefined;
  }

  /** Writes what this turn has appended. Never throws; failures go to onFailure. */
  turn(): void {
    if (this.#running !== undefined || this.failure !== undefined || !this.hasWork) return;
    if (this.durability === 'always' && this.#syncMs > INLINE_SYNC_MS_MAX) {
      this.#running = this.#commitInPool();
      return;
    }
    try {
      this.#commitInTurn();
    } catch (error) {
      this.#fail(error);
    }
  }

  #commitInTurn(): void {
    if (this.#isOpenReady) this.#closeForWrite();
    for (const batch of this.#closed) this.#write(batch);
    this.#recycle(this.#closed.length);
    if (this.durability === 'always') {
      const started = performance.now();
      for (const segment of this.#dirty) this.#files.fdatasyncSync(segment.fd);
      this.#dirty.length = 0;
      this.#measured(performance.now() - started);
      this.#synced(this.writtenSequence, this.#writtenBytes);
    } else {
      this.#scheduleSync();
    }
  }

  #closeForWrite(): void {
    this.#closed.push(this.#open);
    this.#open = this.#spare.pop() ?? new Batch();
  }

  #recycle(count: number): void {
    for (const batch of this.#closed.splice(0, count)) {
      batch.clear();
      if (this.#spare.length < 2) this.#spare.push(batch);
    }
  }

  #sealBatch(batch: Batch): Segment {
    const segment = batch.segment as Segment;
    batch.seal(this.#table.logId, segment.id, this.durableSequence, 0);
    return segment;
  }

  #write(batch: Batch): void {
    const segment = this.#sealBatch(batch);
    if (segment.writtenOffset === 0) startSegment(this.#table, segment, this.#nowMs());
    writePieces(this.#files, segment.fd, batch.pieces(), batch.offset);
    this.#written(batch, segment);
  }

  #written(batch: Batch, segment: Segment): void {
    segment.writtenOffset = batch.offset + batch.size;
    this.writtenSequence = batch.lastSequence;
    this.#writtenBytes += batch.size - FRAME_HEADER_BYTES;
    if (!this.#dirty.includes(segment)) this.#dirty.push(segment);
    this.#onWritten(batch, segment);
  }

  async #commitInPool(): Promise<void> {
    try {
      while (this.hasWork) {
        if (this.#isOpenReady) this.#closeForWrite();
        const batches = this.#closed.length;
        for (let i = 0; i < batches; i++) {
          const batch = this.#closed[i] as Batch;
          const segment = this.#sealBatch(batch);
          if (segment.writtenOffset === 0)
            await startSegmentInPool(this.#table, segment, this.#nowMs());
          await writePiecesAsync(this.#files, segment.fd, batch.pieces(), batch.offset);
          this.#written(batch, segment);
        }
        this.#recycle(batches);
        const started = performance.now();
        for (const segment of this.#dirty.splice(0)) await syncAsync(this.#files, segment.fd);
        this.#measured(performance.now() - started);
        this.#synced(this.writtenSequence, this.#writtenBytes);
        if (this.#syncMs <= INLINE_SYNC_MS_MAX) break;
      }
      this.#running = undefined;
      // What came during the last sync has nobody else to write it.
      this.turn();
    } catch (error) {
      this.#running = undefined;
      this.#fail(error);
    }
  }

  /** A moving average that a single slow sync does not upset, a slow disk does. */
  #measured(ms: number): void {
    this.#syncMs = this.#syncMs === 0 ? ms : this.#syncMs * 0.9 + ms * 0.1;
  }

  #synced(sequence: number, bytes: number): void {
    this.durableSequence = sequence;
    this.#durableBytes = bytes;
    this.#onDurable(sequence);
  }

  /** `everysec`: syncs a second after the first write that is not on disk; idle means no timer. */
  #scheduleSync(): void {
    if (this.durability === 'os') {
      this.#durableBytes = this.#writtenBytes;
      return;
    }
    if (this.#timer !== undefined || this.#syncing !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#syncing = this.#syncBehind();
    }, SYNC_BEHIND_MS);
  }

  async #syncBehind(): Promise<void> {
    const reached = this.writtenSequence;
    const bytes = this.#writtenBytes;
    try {
      for (const segment of this.#dirty.splice(0)) await syncAsync(this.#files, segment.fd);
      this.#syncing = undefined;
      this.#synced(reached, bytes);
      if (this.#dirty.length > 0) this.#scheduleSync();
    } catch (error) {
      this.#syncing = undefined;
      this.#fail(error);
    }
  }

  #fail(cause: unknown): void {
    if (this.failure !== undefined) return;
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    this.failure = new GridError<ZdbErrorCode>(
      'ZDB_WRITE_FAILED',
      `the disk refused a write (${code}); nothing after record ${this.durableSequence} is kept`,
      {
        cause,
        hint: 'make room: a server then takes writes again; or replace the disk and start anew',
        details: { code },
      },
    );
    this.#onFailure(this.failure);
  }

  /**
   * Resolves when the log is on disk up to a sequence (also in `everysec` and `os`).
   * @throws GridError ZDB_WRITE_FAILED
   */
  async flush(upTo = this.lastSequence): Promise<void> {
    while (this.durableSequence < upTo) {
      if (this.failure !== undefined) throw this.failure;
      if (this.#running !== undefined) await this.#running;
      else if (this.#syncing !== undefined) await this.#syncing;
      else if (this.hasWork) this.turn();
      else if (this.#held !== undefined) await this.#held;
      else {
        clearTimeout(this.#timer);
        this.#timer = undefined;
        this.#syncing = this.#syncBehind();
      }
    }
  }

  /** Lets the next record begin a new segment. */
  rotate(): void {
    const { last } = this.#table;
    if (last === undefined || last.recordCount === 0 || this.#held !== undefined) return;
    if (this.#open.segment === last) {
      if (this.#open.recordCount > 0) this.#close();
      else this.#open.clear();
    }
    last.isClosing = true;
  }

  /** Writes and syncs the rest; the log takes nothing afterwards. */
  async close(): Promise<void> {
    try {
      if (this.failure === undefined) await this.flush();
    } finally {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }
}
