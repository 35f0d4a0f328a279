import { GridError, largeMemory } from '@commongrid/base';
import { type Files, readAsync } from '@commongrid/files';
import { keyLengthOf, namespaceOf, recordBytes, valueLengthOf } from '../log/format.ts';
import { type HourWindow, isInWindow } from './hour-window.ts';
import type { Locator } from '../reading/locator.ts';
import { checkRecord } from '../reading/record-reader.ts';
import type { Segment } from '../log/segment.ts';
import { SegmentGone } from '../log/segment-gone.ts';
import type { IndexEntry } from '../log/segment-index.ts';
import type { SegmentTable } from '../log/segment-table.ts';

/** A damaged record that a scrub or a read has found. */
export interface BadRecord {
  readonly segmentId: number;
  readonly path: string;
  readonly offset: number;
  readonly sequence: number;
  readonly namespaceId: number;
  readonly foundMs: number;
}

export interface ScrubStatus {
  readonly isRunning: boolean;
  /** Of the round that runs, or of the last one. */
  readonly startedMs: number;
  readonly endedMs: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly recordsDone: number;
  readonly badCount: number;
}

export interface ScrubOptions {
  readonly files: Files;
  readonly table: SegmentTable;
  readonly locator: Locator;
  readonly nowMs: () => number;
  /** Most bytes read in a second. */
  readonly bytesPerSecond: number;
  /** When it reads; undefined = always. */
  readonly window?: HourWindow;
  readonly onBad: (bad: BadRecord) => void;
}

const READ_BYTES = 256 * 1024;
/** Damaged records that are remembered; more than these are counted. */
const BAD_RECORDS_MAX = 10_000;
/** How often a scrub outside its hours looks at the clock. */
const WINDOW_CHECK_MS = 60_000;

/**
 * Reads sealed segments and checks every record, at a limited rate, in its hours only. Finds what reads
 * have not come across yet; writes nothing.
 */
export class Scrubber {
  readonly #options: ScrubOptions;
  readonly #bad = new Map<string, BadRecord>();
  #badCount = 0;
  #running: Promise<void> | undefined;
  #stop = new AbortController();
  #startedMs = 0;
  #endedMs = 0;
  #bytesDone = 0;
  #bytesTotal = 0;
  #recordsDone = 0;

  constructor(options: ScrubOptions) {
    this.#options = options;
  }

  get status(): ScrubStatus {
    return {
      isRunning: this.#running !== undefined,
      startedMs: this.#startedMs,
      endedMs: this.#endedMs,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      recordsDone: this.#recordsDone,
      badCount: this.#badCount,
    };
  }

  /** Known damaged records, by sequence, after a cursor. */
  bad(after: number, limit: number): BadRecord[] {
    const { segments } = this.#options.table;
    const present = new Set(segments.map((one) => one.id));
    return [...this.#bad.values()]
      .filter((one) => one.sequence > after && present.has(one.segmentId))
      .sort((a, b) => a.sequence - b.sequence)
      .slice(0, limit);
  }

  /** Begins a round over all sealed segments; false when one runs already. */
  start(): boolean {
    if (this.#running !== undefined || this.#stop.signal.aborted) return false;
    this.#running = this.#round().finally(() => {
      this.#running = undefined;
      this.#endedMs = this.#options.nowMs();
    });
    return true;
  }

  /** Resolves when the round that runs has ended. */
  async finished(): Promise<void> {
    await this.#running;
  }

  async #round(): Promise<void> {
    const { table, nowMs } = this.#options;
    const sealed = table.segments.filter((one) => one.isSealed);
    this.#startedMs = nowMs();
    this.#bytesDone = 0;
    this.#recordsDone = 0;
    this.#bytesTotal = sealed.reduce((sum, one) => sum + one.nextOffset, 0);
    for (const segment of sealed) {
      if (this.#stop.signal.aborted) return;
      try {
        await this.#segment(segment);
      } catch (error) {
        // What compaction has replaced meanwhile was checked by it.
        if (!(error instanceof SegmentGone)) throw error;
      }
    }
    if (!this.#stop.signal.aborted) table.scrubbedMs = nowMs();
  }

  async #segment(segment: Segment): Promise<void> {
    const index = await this.#options.locator.load(segment);
    const started = performance.now();
    let done = 0;
    for (let position = 0; position < index.count && !this.#stop.signal.aborted;) {
      const batch: IndexEntry[] = [];
      const first = index.entry(position);
      let end = first.offset;
      while (position < index.count) {
        const entry = index.entry(position);
        const after = entry.offset + entryBytes(entry);
        if (batch.length > 0 && after - first.offset > READ_BYTES) break;
        batch.push(entry);
        end = after;
        position++;
      }
      await this.#check(segment, batch, first.offset, end - first.offset);
      done += end - first.offset;
      this.#bytesDone += end - first.offset;
      await this.#rest(done, started);
    }
  }

  async #check(
    segment: Segment,
    entries: readonly IndexEntry[],
    from: number,
    length: number,
  ): Promise<void> {
    const { files } = this.#options;
    const bytes = largeMemory.acquire(length);
    let got = 0;
    const fd = segment.hold();
    try {
      while (got < length) {
        const more = await readAsync(files, fd, bytes, got, length - got, from + got);
        if (more === 0) break;
        got += more;
      }
    } catch (error) {
      if (error instanceof SegmentGone) throw error;
      // An unreadable stretch: every record in it counts as damaged below.
      got = 0;
    } finally {
      segment.release();
    }
    for (const entry of entries) {
      this.#recordsDone++;
      const at = entry.offset - from;
      const there = Math.max(0, Math.min(entryBytes(entry), got - at));
      try {
        checkRecord(bytes, at, there, segment, entry.offset, entry.lengths);
      } catch (error) {
        if (!(error instanceof GridError)) throw error;
        this.note(segment, entry.offset, entry.sequence, namespaceOf(entry.owner));
      }
    }
    largeMemory.release(bytes);
  }

  /** Remembers a damaged record, however it was found. */
  note(segment: Segment, offset: number, sequence: number, namespaceId: number): void {
    const key = `${segment.id}/${offset}`;
    if (this.#bad.has(key)) return;
    const bad: BadRecord = {
      segmentId: segment.id,
      path: segment.path,
      offset,
      sequence,
      namespaceId,
      foundMs: this.#options.nowMs(),
    };
    this.#badCount++;
    if (this.#bad.size < BAD_RECORDS_MAX) this.#bad.set(key, bad);
    this.#options.onBad(bad);
  }

  /** Keeps to the rate and to the hours. */
  async #rest(done: number, started: number): Promise<void> {
    const dueMs = (done / this.#options.bytesPerSecond) * 1000;
    const early = dueMs - (performance.now() - started);
    if (early > 1) await this.#sleep(early);
    const { window, nowMs } = this.#options;
    while (!isInWindow(window, nowMs()) && !this.#stop.signal.aborted) {
      await this.#sleep(WINDOW_CHECK_MS);
    }
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      timer.unref();
      signal.addEventListener('abort', done);
    });
  }

  /** Ends the round that runs. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

function entryBytes(entry: IndexEntry): number {
  return recordBytes(keyLengthOf(entry.lengths), valueLengthOf(entry.lengths));
}
