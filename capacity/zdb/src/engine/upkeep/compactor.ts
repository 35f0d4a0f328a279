import path from 'node:path';
import { Batch } from '../log/batch.ts';
import type { CompactionPlan, SegmentPlan } from './compaction-plan.ts';
import {
  type Files,
  makeFile,
  readAsync,
  syncAsync,
  syncFolderAsync,
  writeAll,
  writeAsync,
} from '@commongrid/files';
import {
  encodeSegmentHeader,
  FORMAT_VERSION,
  FRAME_COMPACTED,
  FRAME_HEADER_BYTES,
  isDeletion,
  keyLengthOf,
  namespaceOf,
  recordBytes,
  SEGMENT_HEADER_BYTES,
  SEGMENT_RECORDS_MAX,
  valueLengthOf,
} from '../log/format.ts';
import { type LogRecord, recordIn } from '../log/frame-reader.ts';
import { isNewest } from '../reading/history.ts';
import type { Locator } from '../reading/locator.ts';
import type { Namespaces } from '../namespaces.ts';
import { checkRecord, type RecordReader } from '../reading/record-reader.ts';
import type { Segment } from '../log/segment.ts';
import {
  ENTRY_BYTES,
  type IndexEntry,
  SegmentIndex,
  SEQUENCE_SPAN_MAX,
} from '../log/segment-index.ts';
import type { SegmentTable } from '../log/segment-table.ts';

export interface CompactorContext {
  readonly files: Files;
  readonly table: SegmentTable;
  readonly namespaces: Namespaces;
  readonly locator: Locator;
  readonly reader: RecordReader;
  readonly segmentBytes: number;
  readonly nowMs: () => number;
  /** Resolves when this sequence is on disk. */
  readonly durable: (sequence: number) => Promise<void>;
  readonly pause: () => Promise<void>;
}

const FRAME_BYTES = 512 * 1024;
const READ_BYTES = 512 * 1024;
const INSTALL_SLICE = 2000;

/** New places of the kept records of one segment, in the order of SegmentPlan.kept. */
interface Moved {
  readonly plan: SegmentPlan;
  /** Number in Output.made, and offset / 8. */
  readonly segments: Uint16Array;
  readonly offsets: Uint32Array;
}

/*
 * Carries out a plan.
 *
 * 1. The kept records are copied in order, with their sequences, into new segments; each is checked
 *    before it is copied. Nothing refers to the new files yet.
 * 2. New files and their indexes are synced, and the log up to the moment of the decision too: what
 *    superseded a dropped record must not be lost after it.
 * 3. The key index is pointed at the new places, slice by slice; both places are good meanwhile.
 * 4. The manifest names the new segments instead of the old: from here on the old ones are gone.
 */
export async function compact(
  context: CompactorContext,
  plan: CompactionPlan,
): Promise<readonly Segment[]> {
  const output = new Output(context, plan);
  try {
    for (const segment of plan.segments) await output.copy(segment);
    await output.finish();
    await context.durable(plan.decidedAt);
  } catch (error) {
    output.abandon();
    throw error;
  }
  await install(context, plan, output);
  return output.made;
}

class Output {
  readonly made: Segment[] = [];
  readonly moved: Moved[] = [];
  readonly #context: CompactorContext;
  readonly #plan: CompactionPlan;
  readonly #batch = new Batch();
  #segment: Segment | undefined;
  #window = Buffer.allocUnsafeSlow(READ_BYTES);
  #windowStart = 0;
  #windowLength = 0;

  constructor(context: CompactorContext, plan: CompactionPlan) {
    this.#context = context;
    this.#plan = plan;
  }

  async copy(plan: SegmentPlan): Promise<void> {
    this.#windowLength = 0;
    const { kept, index, segment } = plan;
    const segments = new Uint16Array(kept.length);
    const offsets = new Uint32Array(kept.length);
    for (let i = 0; i < kept.length; i++) {
      const entry = index.entry(kept[i] as number);
      // An await costs more than most records: only where something is to be waited for.
      const replacement = this.#plan.replacements?.get(entry.sequence);
      if (replacement === undefined && !this.#isLoaded(entry)) await this.#fill(segment, entry);
      if (this.#needsRoom(entry)) await this.#makeRoom(entry);
      offsets[i] = this.#add(entry, replacement ?? this.#checked(segment, entry)) >>> 3;
      segments[i] = this.made.length - 1;
    }
    this.moved.push({ plan, segments, offsets });
  }

  #isLoaded(entry: IndexEntry): boolean {
    const end = entry.offset + entryBytes(entry);
    return entry.offset >= this.#windowStart && end <= this.#windowStart + this.#windowLength;
  }

  /** Reads on from a record. */
  async #fill(segment: Segment, entry: IndexEntry): Promise<void> {
    const { offset } = entry;
    const length = entryBytes(entry);
    if (length > this.#window.length) this.#window = Buffer.allocUnsafeSlow(length);
    const fd = segment.hold();
    try {
      // Beside damaged records may be sectors that cannot be read: one record at a time then.
      const most = this.#plan.replacements === undefined ? this.#window.length : length;
      const wanted = Math.min(most, segment.writtenOffset - offset);
      let got = 0;
      while (got < wanted) {
        const { files } = this.#context;
        const more = await readAsync(files, fd, this.#window, got, wanted - got, offset + got);
        if (more === 0) break;
        got += more;
      }
      this.#windowStart = offset;
      this.#windowLength = got;
    } finally {
      segment.release();
    }
    await this.#context.pause();
  }

  #needsRoom(entry: IndexEntry): boolean {
    const length = entryBytes(entry);
    const segment = this.#segment;
    if (segment === undefined || this.#batch.recordCount === 0) return true;
    if (this.#batch.used + length > FRAME_BYTES) return true;
    return isFull(segment, length, entry, this.#context.segmentBytes);
  }

  /** Begins a new frame, and a new segment where the record does not fit into the old one. */
  async #makeRoom(entry: IndexEntry): Promise<void> {
    await this.#writeFrame();
    const length = FRAME_HEADER_BYTES + entryBytes(entry);
    let segment = this.#segment;
    if (segment !== undefined && isFull(segment, length, entry, this.#context.segmentBytes)) {
      segment.lastSequence = entry.sequence - 1;
      segment = undefined;
    }
    this.#batch.begin(segment ?? this.#begin(entry), entry.sequence);
  }

  #begin(entry: IndexEntry): Segment {
    const { files, table, nowMs } = this.#context;
    const isFirst = this.made.length === 0;
    const first = isFirst ? (this.#plan.run[0] as Segment).firstSequence : entry.sequence;
    const usable = entry.sequence - first < SEQUENCE_SPAN_MAX ? first : entry.sequence;
    const segment = table.detached(usable);
    segment.index = new SegmentIndex(usable);
    const fd = files.openSync(segment.path, 'w+', 0o600);
    segment.adopt(fd);
    const header = encodeSegmentHeader({
      version: FORMAT_VERSION,
      logId: table.logId,
      segmentId: segment.id,
      firstSequence: usable,
      createdMs: nowMs(),
    });
    writeAll(files, fd, header, 0);
    segment.writtenOffset = SEGMENT_HEADER_BYTES;
    this.made.push(segment);
    this.#segment = segment;
    return segment;
  }

  /** A record of the window, when it is sound. */
  #checked(from: Segment, entry: IndexEntry): LogRecord {
    const at = entry.offset - this.#windowStart;
    const got = Math.min(entryBytes(entry), this.#windowLength - at);
    checkRecord(this.#window, at, got, from, entry.offset, entry.lengths);
    return recordIn(this.#window, at);
  }

  /** Adds a record; returns its new offset. */
  #add(entry: IndexEntry, record: LogRecord): number {
    const segment = this.#segment as Segment;
    const { sequence, lengths, owner, timeSeconds, low, high } = entry;
    const { bytes: source, previous, keyStart, keyLength, valueLength } = record;
    const before = this.#batch.used;
    const offset = this.#batch.add(
      segment.id,
      owner,
      timeSeconds,
      sequence,
      previous,
      source,
      keyStart,
      keyLength,
      source,
      keyStart + keyLength,
      valueLength,
      undefined,
    );
    const bytes = this.#batch.used - before;
    segment.nextOffset = offset + bytes;
    segment.recordCount++;
    segment.lastSequence = sequence;
    segment.index?.add(sequence, offset, lengths, owner, low, high, previous, timeSeconds);
    const share = segment.share(namespaceOf(owner));
    share.records++;
    share.bytes += bytes;
    if (!isDeletion(owner)) share.values++;
    return offset;
  }

  async #writeFrame(): Promise<void> {
    const batch = this.#batch;
    const segment = this.#segment;
    if (segment === undefined || batch.recordCount === 0) return;
    batch.seal(this.#context.table.logId, segment.id, batch.lastSequence, FRAME_COMPACTED);
    await writeAsync(this.#context.files, segment.fd, batch.bytes, batch.used, batch.offset);
    segment.writtenOffset = batch.offset + batch.used;
    batch.clear();
  }

  /** Syncs the new files and writes their indexes. */
  async finish(): Promise<void> {
    await this.#writeFrame();
    const { files, table } = this.#context;
    const last = this.made.at(-1);
    if (last !== undefined) last.lastSequence = (this.#plan.run.at(-1) as Segment).lastSequence;
    for (const segment of this.made) {
      await syncAsync(files, segment.fd);
      const index = segment.index as SegmentIndex;
      await makeFile(files, segment.indexPath, index.encode(table.logId, segment.id));
      segment.isSealed = true;
      segment.index = undefined;
    }
    await syncFolderAsync(files, table.folder);
  }

  /** Removes what was made so far. */
  abandon(): void {
    const { table } = this.#context;
    for (const segment of this.made) table.forget(segment);
    table.removeFiles(this.made.flatMap((one) => [one.path, one.indexPath]));
  }
}

function entryBytes(entry: IndexEntry): number {
  return recordBytes(keyLengthOf(entry.lengths), valueLengthOf(entry.lengths));
}

function isFull(
  segment: Segment,
  length: number,
  entry: IndexEntry,
  segmentBytes: number,
): boolean {
  if (segment.recordCount === 0) return false;
  return (
    segment.nextOffset + length > segmentBytes ||
    segment.recordCount >= SEGMENT_RECORDS_MAX ||
    entry.sequence - segment.firstSequence > SEQUENCE_SPAN_MAX
  );
}

async function install(
  context: CompactorContext,
  plan: CompactionPlan,
  output: Output,
): Promise<void> {
  const { table, namespaces } = context;
  for (const moved of output.moved) await repoint(context, moved, output.made);
  for (const segment of plan.segments) await removeDropped(context, segment);
  accountUsed(namespaces, plan.run, output.made);
  table.replace(plan.run, output.made);
  table.compactedThrough = Math.max(table.compactedThrough, plan.decidedAt);
  table.deletionsDroppedThrough = Math.max(
    table.deletionsDroppedThrough,
    plan.deletionsDroppedThrough,
  );
  for (const namespace of namespaces.list()) {
    const next = Math.max(namespace.nextId, table.nextIds.get(namespace.id) ?? 0);
    if (next > 0) table.nextIds.set(namespace.id, next);
  }
  // Their removal is on disk: a crash brings none of them back.
  for (const id of plan.goneNamespaces ?? []) table.nextIds.delete(id);
  const checkpoint = table.checkpoint;
  table.checkpoint = 0;
  await table.saveBehind();
  for (const segment of plan.run) {
    context.reader.dropSegment(segment.slot);
    context.locator.forget(segment);
    table.forget(segment);
  }
  const gone = plan.run.flatMap((one) => [one.path, one.indexPath]);
  await table.removeFilesBehind(
    checkpoint === 0 ? gone : [...gone, table.checkpointPath(checkpoint)],
  );
}

/** Points the index at the new places of records that are still the newest of their key. */
async function repoint(
  context: CompactorContext,
  moved: Moved,
  made: readonly Segment[],
): Promise<void> {
  const { segment: from, index, kept } = moved.plan;
  for (let i = 0; i < kept.length; i++) {
    if (i % INSTALL_SLICE === INSTALL_SLICE - 1) await context.pause();
    const entry = index.entry(kept[i] as number);
    const namespace = context.namespaces.byId(namespaceOf(entry.owner));
    if (namespace === undefined || !isNewest(namespace, from, entry)) continue;
    const to = made[moved.segments[i] as number] as Segment;
    const isDeleted = isDeletion(entry.owner);
    namespace.index.replace(to.slot, (moved.offsets[i] as number) * 8, isDeleted, entry.lengths);
    if (isDeleted) continue;
    const share = to.share(namespace.id);
    share.liveRecords++;
    share.liveBytes += entryBytes(entry);
  }
}

/** Takes dropped deletions out of the index. */
async function removeDropped(context: CompactorContext, plan: SegmentPlan): Promise<void> {
  const { segment, index, droppedNewest } = plan;
  for (let i = 0; i < droppedNewest.length; i++) {
    if (i % INSTALL_SLICE === INSTALL_SLICE - 1) await context.pause();
    const entry = index.entry(droppedNewest[i] as number);
    const namespace = context.namespaces.byId(namespaceOf(entry.owner));
    if (namespace !== undefined && isNewest(namespace, segment, entry)) namespace.index.remove();
  }
}

function accountUsed(
  namespaces: Namespaces,
  run: readonly Segment[],
  made: readonly Segment[],
): void {
  const add = (segments: readonly Segment[], sign: number): void => {
    for (const segment of segments) {
      for (const [id, share] of segment.shares) {
        const namespace = namespaces.byId(id);
        if (namespace !== undefined) {
          namespace.usedBytes += sign * (share.bytes + share.records * ENTRY_BYTES);
        }
      }
    }
  };
  add(run, -1);
  add(made, 1);
}

/** Files that a crash left behind: nothing in the manifest names them. */
export function orphans(files: Files, table: SegmentTable): string[] {
  const named = new Set<string>();
  for (const segment of table.segments) named.add(segment.path).add(segment.indexPath);
  if (table.checkpoint !== 0) named.add(table.checkpointPath(table.checkpoint));
  const names = files.readdirSync(table.folder);
  return names
    .filter((name) =>
      /^(segment-\d+\.(log|index)|checkpoint-\d+|manifest)(\.new|\.behind)?$/.test(name),
    )
    .filter((name) => name !== 'manifest')
    .map((name) => path.join(table.folder, name))
    .filter((one) => !named.has(one));
}
