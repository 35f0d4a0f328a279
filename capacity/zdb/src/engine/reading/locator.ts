import { GridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../../errors.ts';
import { type Files, readWholeAsync, realFiles } from '@commongrid/files';
import type { KeyHasher } from '../keys/key-hash.ts';
import type { Segment } from '../log/segment.ts';
import { SegmentGone } from '../log/segment-gone.ts';
import { type IndexEntry, SegmentIndex, SegmentIndexFile } from '../log/segment-index.ts';
import { scanSegment } from '../log/segment-scan.ts';
import type { SegmentTable } from '../log/segment-table.ts';

/** Index files kept open. */
const OPEN_FILES_MAX = 16;

/** Entries of a segment, in memory or in its file. */
export interface EntryList {
  readonly count: number;
  entry(position: number): IndexEntry | Promise<IndexEntry>;
  lowerBound(sequence: number): number | Promise<number>;
}

/** Finds records by sequence: which segment, then which place in it. */
export class Locator {
  readonly #table: SegmentTable;
  readonly #files: Files;
  readonly #hasher: KeyHasher;
  /** In order of last use, the latest at the end. */
  readonly #open = new Map<Segment, SegmentIndexFile>();

  constructor(table: SegmentTable, hasher: KeyHasher, files: Files = realFiles) {
    this.#table = table;
    this.#files = files;
    this.#hasher = hasher;
  }

  /**
   * The entries of a segment; an index file that is missing or damaged is made again in memory.
   * @throws SegmentGone when the table was closed
   */
  entries(segment: Segment): EntryList {
    if (this.#table.isClosed) throw new SegmentGone(segment.path);
    if (segment.index !== undefined) return segment.index;
    const known = this.#open.get(segment);
    if (known !== undefined) {
      this.#open.delete(segment);
      this.#open.set(segment, known);
      return known;
    }
    const { logId } = this.#table;
    const { indexPath, id } = segment;
    const opened = SegmentIndexFile.open(this.#files, indexPath, logId, id, () => {
      this.forget(segment);
      if (!segment.isReplaced) segment.index ??= this.#readAgain(segment);
    });
    if (opened === undefined || opened.count !== segment.recordCount) {
      opened?.close();
      segment.index = this.#readAgain(segment);
      return segment.index;
    }
    this.#open.set(segment, opened);
    for (const [oldest, file] of this.#open) {
      if (this.#open.size <= OPEN_FILES_MAX) break;
      this.#open.delete(oldest);
      file.park();
    }
    return opened;
  }

  /** All entries of a segment in memory. @throws SegmentGone */
  async load(segment: Segment): Promise<SegmentIndex> {
    if (segment.index !== undefined) return segment.index;
    segment.hold();
    try {
      const path = segment.indexPath;
      if (this.#files.existsSync(path)) {
        const bytes = await readWholeAsync(this.#files, path);
        const index = SegmentIndex.decode(bytes, this.#table.logId, segment.id);
        if (index !== undefined && index.count === segment.recordCount) return index;
      }
      return this.#readAgain(segment);
    } finally {
      segment.release();
    }
  }

  /** @throws GridError ZDB_SEGMENT_CORRUPT: nobody may take the sound records for all there are */
  #readAgain(segment: Segment): SegmentIndex {
    const { logId } = this.#table;
    const { index, bad } = scanSegment(this.#files, segment, logId, this.#hasher);
    if (index.count === segment.recordCount) return index;
    const { path } = segment;
    const offset = bad[0]?.offset ?? segment.nextOffset;
    throw new GridError<ZdbErrorCode>(
      'ZDB_SEGMENT_CORRUPT',
      `${path} is damaged at offset ${offset}: ${index.count} of ${segment.recordCount} records are sound`,
      { hint: 'grid zdb repair --data DIR', details: { path, offset } },
    );
  }

  /** The record with exactly this sequence; undefined when compaction has dropped it. */
  async find(sequence: number): Promise<{ segment: Segment; entry: IndexEntry } | undefined> {
    const segment = this.#table.holding(sequence);
    if (segment === undefined) return undefined;
    const entries = this.entries(segment);
    const position = await entries.lowerBound(sequence);
    if (position === entries.count) return undefined;
    const entry = await entries.entry(position);
    return entry.sequence === sequence ? { segment, entry } : undefined;
  }

  /** Closes the index file of a segment that is gone. */
  forget(segment: Segment): void {
    const known = this.#open.get(segment);
    if (known === undefined) return;
    this.#open.delete(segment);
    known.close();
  }

  close(): void {
    for (const segment of this.#open.keys()) this.forget(segment);
  }
}
