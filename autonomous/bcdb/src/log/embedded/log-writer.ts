import assert from 'node:assert/strict';
import { join } from 'node:path';
import { errorCode, GridError, isGridError } from '@commongrid/base';
import { syncAsync, syncFolderAsync, writeAsync, writePiecesAsync } from '@commongrid/files';
import type { BcdbErrorCode } from '../../errors.ts';
import type { LogBatch, LogHead } from '../log-engine.ts';
import { busy, checkBatch, groupBytesMax, pendingBytesMax, stopped } from '../batch.ts';
import { encodeBatch } from './frame-codec.ts';
import type { EncodedFrame } from './frame-codec.ts';
import type { HeadFile } from './head-file.ts';
import { encodeSeal } from './seal.ts';
import { Segment, segmentName } from './segment.ts';
import type { OpenSegment, SegmentTable } from './segment.ts';
import { SparseIndex } from './sparse-index.ts';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface BatchJob extends Waiting {
  readonly kind: 'batch';
  readonly frames: readonly EncodedFrame[];
  readonly bytes: number;
  readonly head: LogHead;
}

interface SealJob extends Waiting {
  readonly kind: 'seal';
}

/** A batch whose frames are on disk, or which failed. */
interface WrittenBatch {
  readonly job: BatchJob;
  readonly error: Error | undefined;
}

export interface LogWriterOptions {
  readonly table: SegmentTable;
  readonly headFile: HeadFile;
  readonly head: LogHead;
  readonly segmentBytes: number;
}

/*
 * A batch becomes durable in two stages, each a loop of its own, so that one batch is in the first
 * while the one before it is in the second.
 *
 * 1. Its frames are written at the end of the last segment and synced. What has queued up meanwhile
 *    goes with it. A segment that is full gets its seal first, and a new one is begun.
 * 2. The head after it is written to the head file and synced. Only now it is told.
 *
 * A failure in stage 1 takes its place in the queue of stage 2: batches end in their order.
 */
export class LogWriter {
  readonly #table: SegmentTable;
  readonly #headFile: HeadFile;
  readonly #segmentBytes: number;
  #head: LogHead;
  /** The head after the last batch that was taken. */
  #accepted: LogHead;
  /** The head after the last batch whose frames are synced. */
  #onDisk: LogHead;
  #failure: GridError<BcdbErrorCode> | undefined;
  #isHeadLost = false;
  #pendingBytes = 0;
  readonly #toWrite: (BatchJob | SealJob)[] = [];
  readonly #written: WrittenBatch[] = [];
  #writing: Promise<void> | undefined;
  #heading: Promise<void> | undefined;

  constructor(options: LogWriterOptions) {
    this.#table = options.table;
    this.#headFile = options.headFile;
    this.#segmentBytes = options.segmentBytes;
    this.#head = options.head;
    this.#accepted = options.head;
    this.#onDisk = options.head;
  }

  /** The last head that is durable. */
  get head(): LogHead {
    return this.#head;
  }

  append(batch: LogBatch): Promise<void> {
    if (this.#failure !== undefined) throw stopped(this.#failure);
    checkBatch(batch, this.#accepted.size);
    const frames = encodeBatch(batch, this.#table.logId, this.#head.size);
    const bytes = frames.reduce((sum, frame) => sum + frame.bytes.length, 0);
    if (this.#pendingBytes + bytes > pendingBytesMax) throw busy();
    this.#pendingBytes += bytes;
    this.#accepted = batch.head;
    return new Promise((resolve, reject) => {
      this.#toWrite.push({ kind: 'batch', frames, bytes, head: batch.head, resolve, reject });
      this.#writing ??= this.#writeLoop();
    });
  }

  /** Finishes the last segment after what was appended so far, unless it is empty. */
  seal(): Promise<void> {
    if (this.#failure !== undefined) throw stopped(this.#failure);
    return new Promise((resolve, reject) => {
      this.#toWrite.push({ kind: 'seal', resolve, reject });
      this.#writing ??= this.#writeLoop();
    });
  }

  /** Resolves once all that was appended has ended. */
  async drain(): Promise<void> {
    while (this.#writing !== undefined || this.#heading !== undefined) {
      await this.#writing;
      await this.#heading;
    }
  }

  async #writeLoop(): Promise<void> {
    for (let job = this.#toWrite.shift(); job !== undefined; job = this.#toWrite.shift()) {
      if (job.kind === 'seal') await this.#runSeal(job);
      else await this.#runBatches(this.#withFollowing(job));
    }
    this.#writing = undefined;
  }

  /** A batch and those behind it that go to disk with it. */
  #withFollowing(job: BatchJob): readonly BatchJob[] {
    const jobs = [job];
    let bytes = job.bytes;
    for (let next = this.#toWrite[0]; next?.kind === 'batch'; next = this.#toWrite[0]) {
      bytes += next.bytes;
      if (bytes > groupBytesMax) break;
      this.#toWrite.shift();
      jobs.push(next);
    }
    return jobs;
  }

  async #runBatches(jobs: readonly BatchJob[]): Promise<void> {
    let error = this.#failure === undefined ? undefined : stopped(this.#failure);
    try {
      if (error === undefined) await this.#write(jobs);
    } catch (cause) {
      error = this.#fail(cause);
    }
    for (const job of jobs) this.#written.push({ job, error });
    this.#heading ??= this.#headLoop();
  }

  async #write(jobs: readonly BatchJob[]): Promise<void> {
    const { files } = this.#table;
    const { segment, open } = await this.#roomySegment();
    const frames = jobs.flatMap((job) => job.frames);
    const start = segment.bytes;
    try {
      const pieces = frames.map((frame) => frame.bytes);
      await writePiecesAsync(files, open.fd, pieces, start);
    } catch (error) {
      if (isFull(error)) this.#dropTail(open.fd, start);
      throw error;
    }
    await syncAsync(files, open.fd);
    for (const { first, bytes } of frames) {
      open.index.add(first, segment.bytes);
      segment.bytes += bytes.length;
    }
    this.#onDisk = jobs.at(-1)?.head ?? this.#onDisk;
    segment.end = this.#onDisk.size;
  }

  /** On a full disk the next start would have no room to move the torn tail aside. */
  #dropTail(fd: number, start: number): void {
    try {
      this.#table.files.ftruncateSync(fd, start);
    } catch {
      // The next start finds the tail and deals with it.
    }
  }

  /** The last segment when it can take more, or a new one. */
  async #roomySegment(): Promise<{ segment: Segment; open: OpenSegment }> {
    const { last } = this.#table;
    if (last !== undefined && !last.isSealed && last.bytes < this.#segmentBytes) {
      return { segment: last, open: openOf(last) };
    }
    if (last !== undefined && !last.isSealed) await this.#sealLast(last);
    return this.#newSegment();
  }

  async #newSegment(): Promise<{ segment: Segment; open: OpenSegment }> {
    const { files, folder, list } = this.#table;
    const first = this.#onDisk.size;
    const segment = new Segment(folder, first, first, 0, false);
    const fd = files.openSync(join(folder, segmentName(first)), 'wx+', 0o600);
    const open = { fd, index: new SparseIndex(first) };
    segment.open = open;
    list.push(segment);
    await syncFolderAsync(files, folder);
    return { segment, open };
  }

  async #sealLast(segment: Segment): Promise<void> {
    const { files, logId } = this.#table;
    const open = openOf(segment);
    const seal = { index: open.index, end: this.#onDisk, durableTo: this.#head.size };
    const bytes = encodeSeal(seal, logId);
    await writeAsync(files, open.fd, bytes, bytes.length, segment.bytes);
    await syncAsync(files, open.fd);
    segment.bytes += bytes.length;
    segment.isSealed = true;
  }

  async #runSeal(job: SealJob): Promise<void> {
    const { last } = this.#table;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (last !== undefined && !last.isSealed && last.bytes > 0) await this.#sealLast(last);
      job.resolve();
    } catch (error) {
      job.reject(this.#fail(error));
    }
  }

  async #headLoop(): Promise<void> {
    while (this.#written.length > 0) {
      const failedAt = this.#written.findIndex((one) => one.error !== undefined);
      const sound = this.#written.splice(0, failedAt < 0 ? this.#written.length : failedAt);
      const error = await this.#writeHead(sound);
      for (const { job } of sound) this.#settle(job, error);
      if (failedAt < 0) continue;
      for (const failed of this.#written.splice(0)) this.#settle(failed.job, failed.error);
    }
    this.#heading = undefined;
  }

  /** Writes the newest head of these batches. Returns why that failed. */
  async #writeHead(batches: readonly WrittenBatch[]): Promise<Error | undefined> {
    const head = batches.at(-1)?.job.head;
    if (head === undefined) return undefined;
    // Whatever failed meanwhile in stage 1 came later than these batches; a failure here did not.
    if (this.#isHeadLost) return this.#failure;
    try {
      await this.#headFile.write(head);
      this.#head = head;
      return undefined;
    } catch (error) {
      this.#isHeadLost = true;
      return this.#fail(error);
    }
  }

  #settle(job: BatchJob, error: Error | undefined): void {
    this.#pendingBytes -= job.bytes;
    if (error === undefined) job.resolve();
    else job.reject(error);
  }

  /** Stops the writer: what the disk holds is not known any more. */
  #fail(error: unknown): GridError<BcdbErrorCode> {
    this.#failure ??= failureOf(error);
    return this.#failure;
  }
}

function openOf(segment: Segment): OpenSegment {
  assert(segment.open !== undefined, 'the last segment is open until it is sealed');
  return segment.open;
}

/** Whether a call failed for want of room. */
export function isFull(error: unknown): boolean {
  return fullCodes.has(errorCode(error) ?? '');
}

const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** What a failed call of the file system means for the log. */
export function failureOf(cause: unknown): GridError<BcdbErrorCode> {
  if (isGridError<BcdbErrorCode>(cause)) return cause;
  const code = isFull(cause) ? 'BCDB_LOG_FULL' : 'BCDB_LOG_STOPPED';
  const why = cause instanceof Error ? cause.message : String(cause);
  return new GridError<BcdbErrorCode>(code, `the log could not be written: ${why}`, {
    hint: code === 'BCDB_LOG_FULL' ? 'make room, then open the log again' : 'open the log again',
    cause,
  });
}
