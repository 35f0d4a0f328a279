import { Mutex } from '@commongrid/base';
import { syncAsync, writeAsync } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import type { LogHead } from '../log-engine.ts';
import { corrupt } from './corrupt.ts';
import { frameEnd, frameFlags } from './format.ts';
import { decodeFrame, encodeFrames } from './frame-codec.ts';
import type { EncodedFrame, FrameEntry } from './frame-codec.ts';
import { FrameWalker } from './frame-walker.ts';
import type { WalkedStretch } from './frame-walker.ts';
import type { LogReader } from './log-reader.ts';
import type { LogWriter } from './log-writer.ts';
import { encodeSeal } from './seal.ts';
import { Segment } from './segment.ts';
import type { SegmentTable } from './segment.ts';
import { SparseIndex } from './sparse-index.ts';

/** Bytes that a rewrite collects before it writes them. */
const writeBytes = 1024 * 1024;

export interface SegmentRewriterOptions {
  readonly table: SegmentTable;
  readonly writer: LogWriter;
  readonly reader: LogReader;
}

/** What becomes of the entry at a sequence: its body may be another, its leaf stays. */
export type BodyChange = (entry: FrameEntry, seq: number) => FrameEntry;

/**
 * Changes bodies of entries that are on disk. A segment that holds some of them is written anew beside
 * the old one, synced, and takes its name. Frames that hold none are copied as they are. Only files
 * that are finished are rewritten, so the last one is finished first if it has to be.
 */
export class SegmentRewriter {
  readonly #table: SegmentTable;
  readonly #writer: LogWriter;
  readonly #reader: LogReader;
  readonly #mutex = new Mutex();

  constructor(options: SegmentRewriterOptions) {
    this.#table = options.table;
    this.#writer = options.writer;
    this.#reader = options.reader;
  }

  /** Nothing else is rewritten meanwhile. */
  alone(work: () => Promise<void>): Promise<void> {
    return this.#mutex.run(work);
  }

  /** Resolves when nothing is being rewritten. */
  async idle(): Promise<void> {
    await this.#mutex.run(() => undefined);
  }

  /**
   * Changes the entries at these sequences, one segment after the other. To be called within `alone`;
   * the names are durable once the caller has synced the folder.
   */
  async change(sequences: readonly number[], change: BodyChange): Promise<void> {
    const unfinished = this.#table.last?.first ?? 0;
    if (sequences.some((seq) => seq >= unfinished)) await this.#writer.seal();
    for (const [segment, wanted] of bySegment(this.#table, sequences)) {
      await this.#rewrite(segment, wanted, change);
    }
  }

  async #rewrite(segment: Segment, wanted: ReadonlySet<number>, change: BodyChange): Promise<void> {
    const { files, folder } = this.#table;
    const beside = `${segment.path}.new`;
    const { fd: from } = this.#table.pin(segment);
    try {
      const to = files.openSync(beside, 'w', 0o600);
      let bytes: number;
      try {
        const output = new Output(files, to);
        await this.#copy(segment, from, output, { wanted, change });
        bytes = output.bytes;
        await syncAsync(files, to);
      } finally {
        files.closeSync(to);
      }
      files.renameSync(beside, segment.path);
      const rewritten = new Segment(folder, segment.first, segment.end, bytes, true);
      this.#table.replace(segment, rewritten);
      this.#reader.forget();
    } finally {
      this.#table.unpin(segment);
    }
  }

  async #copy(segment: Segment, from: number, output: Output, changes: Changes): Promise<void> {
    const { files, logId } = this.#table;
    const walker = new FrameWalker(files, from, logId);
    const index = new SparseIndex(segment.first);
    let end: LogHead = { size: segment.first, root: new Uint8Array() };
    while (end.size < segment.end) {
      const found = walker.next();
      if (found?.kind !== 'frame' || found.header.first !== end.size) {
        const place = { seq: end.size, file: segment.path, offset: found?.offset ?? 0 };
        throw corrupt(place, 'is damaged');
      }
      for (const { first, bytes } of changedFrames(found, logId, changes, segment.path)) {
        index.add(first, output.bytes);
        await output.write(bytes);
      }
      end = { size: frameEnd(found.header), root: found.header.root };
    }
    const seal = { index, end, durableTo: this.#writer.head.size };
    await output.write(encodeSeal(seal, logId));
    await output.flush();
  }
}

/** Which entries of a segment change, and how. */
interface Changes {
  readonly wanted: ReadonlySet<number>;
  readonly change: BodyChange;
}

/** Sequences by the segment that holds them. */
export function bySegment(
  table: SegmentTable,
  sequences: readonly number[],
): ReadonlyMap<Segment, ReadonlySet<number>> {
  const found = new Map<Segment, Set<number>>();
  for (const seq of sequences) {
    const segment = table.find(seq);
    if (segment === undefined) continue;
    const wanted = found.get(segment) ?? new Set();
    found.set(segment, wanted.add(seq));
  }
  return found;
}

/** A frame as it is, or with some of its bodies changed: several, when it grows too long. */
function changedFrames(
  found: WalkedStretch & { kind: 'frame' },
  logId: Uint8Array,
  { wanted, change }: Changes,
  file: string,
): readonly EncodedFrame[] {
  const { header, buffer, at, bytes, offset } = found;
  const end = frameEnd(header);
  let isTouched = false;
  for (let seq = header.first; seq < end && !isTouched; seq++) isTouched = wanted.has(seq);
  const { first, durableTo, root } = header;
  if (!isTouched) return [{ first, bytes: Buffer.from(buffer.subarray(at, at + bytes)) }];
  const stored = decodeFrame(header, buffer, at);
  if (stored === undefined) throw corrupt({ seq: first, file, offset }, 'is damaged');
  const entries = stored.map((entry) => (wanted.has(entry.seq) ? change(entry, entry.seq) : entry));
  const flags = header.flags & frameFlags.batchEnd;
  return encodeFrames({ entries, first, durableTo, root, flags }, logId);
}

/** Appends to a file in large pieces. */
class Output {
  /** Everything that was given to it. */
  bytes = 0;
  readonly #files: Files;
  readonly #fd: number;
  #pieces: Buffer[] = [];
  #waiting = 0;

  constructor(files: Files, fd: number) {
    this.#files = files;
    this.#fd = fd;
  }

  async write(piece: Buffer): Promise<void> {
    this.#pieces.push(piece);
    this.#waiting += piece.length;
    this.bytes += piece.length;
    if (this.#waiting >= writeBytes) await this.flush();
  }

  async flush(): Promise<void> {
    const whole = Buffer.concat(this.#pieces);
    const position = this.bytes - this.#waiting;
    this.#pieces = [];
    this.#waiting = 0;
    await writeAsync(this.#files, this.#fd, whole, whole.length, position);
  }
}
