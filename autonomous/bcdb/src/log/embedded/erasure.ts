import { join } from 'node:path';
import { crc32, GridError, Mutex } from '@commongrid/base';
import { readWhole, replaceFile, syncAsync, syncFolderAsync, writeAsync } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import type { BcdbErrorCode } from '../../errors.ts';
import type { LogHead } from '../log-engine.ts';
import { checkErasures } from '../batch.ts';
import { corrupt } from './corrupt.ts';
import { frameEnd, frameFlags } from './format.ts';
import { decodeFrame, encodeFrame } from './frame-codec.ts';
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

export interface EraserOptions {
  readonly table: SegmentTable;
  readonly writer: LogWriter;
  readonly reader: LogReader;
}

/*
 * Erasing rewrites files that are finished, so the last one is finished first if it has to be.
 *
 * 1. The list of what is to go is made durable: whatever happens, the next start goes on with it.
 * 2. Each segment that holds some of it is written anew beside the old one and synced. Frames that
 *    hold none are copied as they are; in the others the bodies are marked as erased.
 * 3. It takes the name of the old one.
 * 4. Torn ends that were moved aside go too, since they may hold the same bodies.
 * 5. The folder is synced. Only then the list goes.
 */
export class Eraser {
  readonly #table: SegmentTable;
  readonly #writer: LogWriter;
  readonly #reader: LogReader;
  readonly #mutex = new Mutex();

  constructor(options: EraserOptions) {
    this.#table = options.table;
    this.#writer = options.writer;
    this.#reader = options.reader;
  }

  /** Goes on with what a former process began. */
  resume(): Promise<void> {
    return this.#mutex.run(() => this.#run([]));
  }

  erase(sequences: readonly number[]): Promise<void> {
    return this.#mutex.run(() => this.#run(sequences));
  }

  /** Resolves when nothing is being erased. */
  async idle(): Promise<void> {
    await this.#mutex.run(() => undefined);
  }

  async #run(sequences: readonly number[]): Promise<void> {
    const { files, folder } = this.#table;
    const pending = readPending(files, folder);
    const all = [...new Set([...pending, ...sequences])].sort((a, b) => a - b);
    const newest = all.at(-1);
    if (newest === undefined) return;
    checkErasures(all, this.#writer.head.size);
    if (all.length > pending.length) replaceFile(files, pendingPath(folder), encodePending(all));
    if (newest >= (this.#table.last?.first ?? 0)) await this.#writer.seal();
    for (const [segment, wanted] of this.#bySegment(all)) await this.#rewrite(segment, wanted);
    for (const name of files.readdirSync(folder)) {
      if (name.startsWith('torn-')) files.unlinkSync(join(folder, name));
    }
    await syncFolderAsync(files, folder);
    files.unlinkSync(pendingPath(folder));
    await syncFolderAsync(files, folder);
  }

  #bySegment(all: readonly number[]): Map<Segment, Set<number>> {
    const bySegment = new Map<Segment, Set<number>>();
    for (const seq of all) {
      const segment = this.#table.find(seq);
      if (segment === undefined) continue;
      const wanted = bySegment.get(segment) ?? new Set();
      bySegment.set(segment, wanted.add(seq));
    }
    return bySegment;
  }

  async #rewrite(segment: Segment, wanted: ReadonlySet<number>): Promise<void> {
    const { files, folder } = this.#table;
    const beside = `${segment.path}.new`;
    const { fd: from } = this.#table.pin(segment);
    try {
      const to = files.openSync(beside, 'w', 0o600);
      let bytes: number;
      try {
        bytes = await this.#copy(segment, from, to, wanted);
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

  /** Writes the new file; returns its length. */
  async #copy(
    segment: Segment,
    from: number,
    to: number,
    wanted: ReadonlySet<number>,
  ): Promise<number> {
    const { files, logId } = this.#table;
    const walker = new FrameWalker(files, from, logId);
    const index = new SparseIndex(segment.first);
    const output = new Output(files, to);
    let end: LogHead = { size: segment.first, root: new Uint8Array() };
    while (end.size < segment.end) {
      const found = walker.next();
      if (found?.kind !== 'frame' || found.header.first !== end.size) {
        const place = { seq: end.size, file: segment.path, offset: found?.offset ?? 0 };
        throw corrupt(place, 'is damaged');
      }
      index.add(end.size, output.bytes);
      await output.write(withoutBodies(found, logId, wanted, segment.path));
      end = { size: frameEnd(found.header), root: found.header.root };
    }
    const seal = { index, end, durableTo: this.#writer.head.size };
    await output.write(encodeSeal(seal, logId));
    await output.flush();
    return output.bytes;
  }
}

/** A frame as it is, or with some of its bodies marked as erased. */
function withoutBodies(
  found: WalkedStretch & { kind: 'frame' },
  logId: Uint8Array,
  wanted: ReadonlySet<number>,
  file: string,
): Buffer {
  const { header, buffer, at, bytes, offset } = found;
  const end = frameEnd(header);
  let isTouched = false;
  for (let seq = header.first; seq < end && !isTouched; seq++) isTouched = wanted.has(seq);
  if (!isTouched) return Buffer.from(buffer.subarray(at, at + bytes));
  const stored = decodeFrame(header, buffer, at);
  if (stored === undefined) throw corrupt({ seq: header.first, file, offset }, 'is damaged');
  const entries = stored.map((entry) =>
    entry.body !== undefined && wanted.has(entry.seq)
      ? { leaf: entry.leaf, body: undefined, isErased: true }
      : entry,
  );
  const { first, durableTo, root } = header;
  const flags = header.flags & frameFlags.batchEnd;
  return encodeFrame({ entries, first, durableTo, root, flags }, logId);
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

function pendingPath(folder: string): string {
  return join(folder, 'erasing');
}

/** Checksum, count, then the sequences: 4, 4 and 8 bytes each. */
function encodePending(sequences: readonly number[]): Buffer {
  const bytes = Buffer.alloc(pendingHeaderBytes + sequences.length * 8);
  bytes.writeUInt32LE(sequences.length, 4);
  for (const [i, seq] of sequences.entries()) {
    bytes.writeBigUInt64LE(BigInt(seq), pendingHeaderBytes + i * 8);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

const pendingHeaderBytes = 8;

/** @throws BCDB_LOG_CORRUPT when there is a list that cannot be read: it is replaced whole or not at all */
function readPending(files: Files, folder: string): readonly number[] {
  const path = pendingPath(folder);
  if (!files.existsSync(path)) return [];
  const bytes = readWhole(files, path);
  const isSound =
    bytes.length >= pendingHeaderBytes &&
    bytes.readUInt32LE(0) === crc32(bytes.subarray(4)) &&
    bytes.length === pendingHeaderBytes + bytes.readUInt32LE(4) * 8;
  if (!isSound) {
    throw new GridError<BcdbErrorCode>('BCDB_LOG_CORRUPT', `${path} is damaged`, {
      hint: 'remove it, and erase again what was being erased',
      details: { file: path },
    });
  }
  const sequences: number[] = [];
  for (let at = pendingHeaderBytes; at < bytes.length; at += 8) {
    sequences.push(Number(bytes.readBigUInt64LE(at)));
  }
  return sequences;
}
