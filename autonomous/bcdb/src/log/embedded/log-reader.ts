import { GridError } from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';
import { readAsync } from '@commongrid/files';
import type { StoredEntry } from '../log-engine.ts';
import { corrupt } from './corrupt.ts';
import { frameBytes, frameEnd, frameHeaderBytes, hasFlag, readFrameHeader } from './format.ts';
import type { FrameHeader } from './format.ts';
import { decodeFrame, isContentSound } from './frame-codec.ts';
import { FrameCache } from './frame-cache.ts';
import { indexStrideBytes } from './sparse-index.ts';
import type { OpenSegment, Segment, SegmentTable } from './segment.ts';

/** Bytes that one read of a file asks for, where no frame is longer. */
const chunkBytes = 256 * 1024;

/** Reads of at most so many entries look for them in the cache, and leave their frame there. */
const pointReadMax = 64;

interface FoundFrame {
  readonly header: FrameHeader;
  readonly entries: readonly StoredEntry[];
}

/** Gives out entries from the segments, a frame at a time. */
export class LogReader {
  readonly #table: SegmentTable;
  readonly #cache = new FrameCache();

  constructor(table: SegmentTable) {
    this.#table = table;
  }

  /**
   * Entries `from` up to `to`, all of which are in the log.
   * @throws BCDB_LOG_CORRUPT
   */
  async *read(from: number, to: number): AsyncGenerator<readonly StoredEntry[]> {
    const isPoint = to - from <= pointReadMax;
    for (let at = from; at < to;) {
      const cached = isPoint ? this.#cache.find(at) : undefined;
      if (cached !== undefined) {
        yield slice(cached, at, to);
        at = endOf(cached, at);
        continue;
      }
      if (this.#table.isClosed) throw closed();
      const segment = this.#table.find(at);
      if (segment === undefined) {
        throw corrupt({ seq: at, file: this.#table.folder, offset: 0 }, 'lacks an entry');
      }
      const end = Math.min(to, segment.end);
      for await (const entries of this.#readSegment(segment, at, end, isPoint)) {
        yield slice(entries, at, to);
        at = endOf(entries, at);
      }
    }
  }

  /** Forgets what was decoded: after bodies were erased. */
  forget(): void {
    this.#cache.clear();
  }

  async *#readSegment(
    segment: Segment,
    from: number,
    to: number,
    isPoint: boolean,
  ): AsyncGenerator<readonly StoredEntry[]> {
    const open = this.#table.pin(segment);
    try {
      const chunks = new ChunkReader(this.#table, segment, open, isPoint);
      let offset = open.index.offsetBefore(from);
      for (let expected = from; expected < to;) {
        const { header, entries } = await chunks.frame(offset, expected);
        // Bodies were erased from it meanwhile, or the log was closed.
        if (segment.isRetired) return;
        offset += frameBytes(header);
        if (frameEnd(header) <= expected) continue;
        expected = frameEnd(header);
        if (isPoint) {
          this.#cache.add(header.first, entries, header.plainBytes + header.tailBytes);
        }
        yield entries;
      }
    } finally {
      this.#table.unpin(segment);
    }
  }
}

/** Reads frames that follow each other, many with one call. */
class ChunkReader {
  readonly #table: SegmentTable;
  readonly #segment: Segment;
  readonly #open: OpenSegment;
  #buffer: Buffer;
  #from = 0;
  #held = 0;

  constructor(table: SegmentTable, segment: Segment, open: OpenSegment, isPoint: boolean) {
    this.#table = table;
    this.#segment = segment;
    this.#open = open;
    this.#buffer = Buffer.allocUnsafeSlow(isPoint ? indexStrideBytes : chunkBytes);
  }

  /**
   * The frame at an offset; its entries only when it goes to `expected` or beyond.
   * @throws BCDB_LOG_CORRUPT
   */
  async frame(offset: number, expected: number): Promise<FoundFrame> {
    const file = this.#segment.path;
    let at = await this.#hold(offset, frameHeaderBytes);
    const header = readFrameHeader(this.#bytes(), at, this.#table.logId);
    if (header === undefined || hasFlag(header, 'seal') || header.first > expected) {
      throw corrupt({ seq: expected, file, offset }, 'is damaged');
    }
    if (frameEnd(header) <= expected) return { header, entries: [] };
    at = await this.#hold(offset, frameBytes(header));
    const bytes = this.#bytes();
    const isSound = isContentSound(header, bytes, at);
    const entries = isSound ? decodeFrame(header, bytes, at) : undefined;
    if (entries === undefined) throw corrupt({ seq: header.first, file, offset }, 'is damaged');
    return { header, entries };
  }
  #bytes(): Buffer {
    return this.#buffer.subarray(0, this.#held);
  }

  /** Makes the buffer hold so many bytes from an offset, as far as the file has them. */
  async #hold(offset: number, bytes: number): Promise<number> {
    const at = offset - this.#from;
    if (at >= 0 && at + bytes <= this.#held) return at;
    if (bytes > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#from = offset;
    this.#held = 0;
    while (this.#held < this.#buffer.length) {
      const left = this.#buffer.length - this.#held;
      const from = offset + this.#held;
      const { files } = this.#table;
      const got = await readAsync(files, this.#open.fd, this.#buffer, this.#held, left, from);
      if (got === 0) break;
      this.#held += got;
    }
    return 0;
  }
}

function closed(): GridError<BaseErrorCode> {
  return new GridError('BASE_CLOSED', 'the log is closed');
}

function slice(entries: readonly StoredEntry[], from: number, to: number): readonly StoredEntry[] {
  const first = entries[0]?.seq ?? 0;
  if (first >= from && first + entries.length <= to) return entries;
  return entries.slice(Math.max(0, from - first), Math.max(0, to - first));
}

/** The sequence to go on with after these entries. */
function endOf(entries: readonly StoredEntry[], from: number): number {
  return (entries.at(-1)?.seq ?? from) + 1;
}
