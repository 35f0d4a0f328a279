import path from 'node:path';
import { GridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../../errors.ts';
import {
  type Files,
  replaceFile,
  syncAsync,
  syncFolder,
  syncFolderAsync,
  writeAsync,
} from '@commongrid/files';
import { FORMAT_VERSION } from './format.ts';
import {
  MANIFEST_NAME,
  type Manifest,
  type ManifestSegment,
  type Quarantine,
  encodeManifest,
  readManifest,
} from './manifest.ts';
import { Segment } from './segment.ts';

/** Largest number of segments: an index slot holds 23 bits. */
const SLOTS_MAX = 0x7fffff;

/** The segments of a data folder in order of the log, and the manifest that names them. */
export class SegmentTable {
  readonly folder: string;
  readonly files: Files;
  logId: bigint;
  readonly hashSecret: Buffer;
  /** In order of the log. */
  segments: Segment[] = [];
  checkpoint = 0;
  quarantine: Quarantine[] = [];
  /** How far the log is on disk, as the manifest shall say. */
  durableSequence = 0;
  compactedThrough = 0;
  /** When the last scrub ended. */
  scrubbedMs = 0;
  deletionsDroppedThrough = 0;
  /** Time that is believed, as the manifest shall say; see AgeClock. */
  believedMs: () => number | undefined = () => undefined;
  /** Sequences of erasures that are to be carried out, oldest first; undefined until a start has looked. */
  erasures: number[] | undefined;
  /** Nothing can be read by way of this table any more. */
  isClosed = false;
  readonly nextIds = new Map<number, number>();
  #erasedThrough = 0;
  #saves = 0;
  /** A saveBehind() under way; never rejects. */
  #saving: Promise<void> | undefined;
  #nextSegmentId = 1;
  #slots: (Segment | undefined)[] = [undefined];
  #freeSlots: number[] = [];

  private constructor(files: Files, folder: string, logId: bigint, hashSecret: Buffer) {
    this.files = files;
    this.folder = folder;
    this.logId = logId;
    this.hashSecret = hashSecret;
  }

  /** An empty table for a new folder; nothing is written until save(). */
  static create(files: Files, folder: string, logId: bigint, hashSecret: Buffer): SegmentTable {
    return new SegmentTable(files, folder, logId, hashSecret);
  }

  /**
   * Reads the manifest; undefined when the folder holds no store.
   * @throws GridError ZDB_MANIFEST_MISSING when there are segments without it
   */
  static load(
    files: Files,
    folder: string,
  ): { table: SegmentTable; manifest: Manifest } | undefined {
    const manifest = readManifest(files, path.join(folder, MANIFEST_NAME));
    if (manifest === undefined) {
      const names = files.readdirSync(folder);
      const stray = names.find((name) => /^segment-\d+\.log$/.test(name));
      if (stray === undefined) return undefined;
      throw new GridError<ZdbErrorCode>(
        'ZDB_MANIFEST_MISSING',
        `${folder} holds ${stray} but no manifest`,
        { hint: `grid zdb repair --data ${folder}`, details: { folder } },
      );
    }
    const logId = BigInt(`0x${manifest.logId}`);
    const table = new SegmentTable(files, folder, logId, Buffer.from(manifest.hashSecret, 'hex'));
    table.checkpoint = manifest.checkpoint;
    table.quarantine = [...manifest.quarantine];
    table.durableSequence = manifest.durableAtLeast;
    table.scrubbedMs = manifest.scrubbedMs ?? 0;
    table.believedMs = () => manifest.believedMs;
    table.compactedThrough = manifest.compactedThrough;
    table.deletionsDroppedThrough = manifest.deletionsDroppedThrough;
    table.#erasedThrough = manifest.erasedThrough ?? manifest.durableAtLeast;
    table.#nextSegmentId = manifest.nextSegmentId;
    for (const [id, next] of Object.entries(manifest.nextIds)) table.nextIds.set(Number(id), next);
    for (const line of manifest.segments) table.segments.push(table.#fromManifest(line));
    for (let slot = 1; slot < table.#slots.length; slot++) {
      if (table.#slots[slot] === undefined) table.#freeSlots.push(slot);
    }
    return { table, manifest };
  }

  #fromManifest(line: ManifestSegment): Segment {
    const segment = this.#make(line.id, line.firstSequence, line.slot);
    if (line.lastSequence === undefined) return segment;
    segment.isSealed = true;
    segment.lastSequence = line.lastSequence;
    segment.nextOffset = line.bytes ?? 0;
    segment.writtenOffset = segment.nextOffset;
    segment.recordCount = line.records ?? 0;
    for (const [id, [records, bytes, values]] of Object.entries(line.shares ?? {})) {
      Object.assign(segment.share(Number(id)), { records, bytes, values });
    }
    return segment;
  }

  #make(id: number, firstSequence: number, slot: number): Segment {
    if (slot > SLOTS_MAX) throw new Error('more segments than an index can name');
    const segment = new Segment(this.files, {
      id,
      slot,
      firstSequence,
      path: this.segmentPath(id),
    });
    this.#slots[slot] = segment;
    return segment;
  }

  segmentPath(id: number): string {
    return path.join(this.folder, `segment-${String(id).padStart(12, '0')}.log`);
  }

  checkpointPath(number: number): string {
    return path.join(this.folder, `checkpoint-${number}`);
  }

  /** Becomes a part of another log, whose first records will come; only while this one is empty. */
  adopt(logId: bigint): void {
    if (this.segments.length > 0) throw new Error('a log with records cannot become another');
    this.logId = logId;
    this.save();
  }

  /** Every erasure up to here has been carried out: a start looks for later ones. */
  get erasedThrough(): number {
    const through = this.erasures === undefined ? this.#erasedThrough : Infinity;
    return Math.min(this.durableSequence, through, (this.erasures?.[0] ?? Infinity) - 1);
  }

  get last(): Segment | undefined {
    return this.segments.at(-1);
  }

  at(slot: number): Segment {
    const segment = this.#slots[slot];
    if (segment === undefined)
      throw new Error(`the index names segment slot ${slot}, which is free`);
    return segment;
  }

  /** Adds a segment at the end of the log. */
  create(firstSequence: number): Segment {
    const segment = this.detached(firstSequence);
    segment.isDetached = false;
    this.segments.push(segment);
    return segment;
  }

  /** Makes a segment that is not yet part of the log (the output of a compaction). */
  detached(firstSequence: number): Segment {
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    const segment = this.#make(this.#nextSegmentId++, firstSequence, slot);
    segment.isDetached = true;
    return segment;
  }

  /** The segment that holds a sequence, if any does. */
  holding(sequence: number): Segment | undefined {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.segments[middle] as Segment).firstSequence <= sequence) low = middle + 1;
      else high = middle;
    }
    const segment = this.segments[low - 1];
    return segment !== undefined && sequence <= segment.lastSequence ? segment : undefined;
  }

  /** Puts `made` in the place of `replaced`, which stand side by side in the log. */
  replace(replaced: readonly Segment[], made: readonly Segment[]): void {
    const at = this.segments.indexOf(replaced[0] as Segment);
    this.segments.splice(at, replaced.length, ...made);
    for (const segment of made) segment.isDetached = false;
    for (const segment of replaced) segment.isReplaced = true;
  }

  /** Frees the slot of a segment that no index names any more. */
  forget(segment: Segment): void {
    segment.close();
    this.#slots[segment.slot] = undefined;
    this.#freeSlots.push(segment.slot);
  }

  /** Writes the manifest; it is on disk when this returns. */
  save(): void {
    replaceFile(this.files, path.join(this.folder, MANIFEST_NAME), this.#encode());
    // Only now: one that failed says nothing of what a saveBehind() under way has to say.
    this.#saves++;
  }

  /**
   * As save(), without stalling other work; one after the other. A save() that comes meanwhile has all
   * that this one has, and more: then there is nothing left to do.
   */
  async saveBehind(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
    const saving = this.#saveBehindNow();
    // Others wait for its end; only its caller hears that it failed.
    this.#saving = saving
      .catch(() => undefined)
      .finally(() => {
        this.#saving = undefined;
      });
    await saving;
  }

  async #saveBehindNow(): Promise<void> {
    const number = ++this.#saves;
    const target = path.join(this.folder, MANIFEST_NAME);
    const beside = `${target}.behind`;
    const bytes = this.#encode();
    const fd = this.files.openSync(beside, 'w', 0o600);
    try {
      await writeAsync(this.files, fd, bytes, bytes.length, 0);
      await syncAsync(this.files, fd);
    } finally {
      this.files.closeSync(fd);
    }
    if (number === this.#saves) this.files.renameSync(beside, target);
    else this.files.unlinkSync(beside);
    await syncFolderAsync(this.files, this.folder);
  }

  #encode(): Buffer {
    const believedMs = this.believedMs();
    const manifest: Manifest = {
      version: FORMAT_VERSION,
      logId: this.logId.toString(16).padStart(16, '0'),
      hashSecret: this.hashSecret.toString('hex'),
      nextSegmentId: this.#nextSegmentId,
      segments: this.segments
        .filter((one) => one.isSealed || one.writtenOffset > 0)
        .map(manifestLine),
      checkpoint: this.checkpoint,
      quarantine: this.quarantine,
      durableAtLeast: this.durableSequence,
      compactedThrough: this.compactedThrough,
      deletionsDroppedThrough: this.deletionsDroppedThrough,
      erasedThrough: this.erasedThrough,
      scrubbedMs: this.scrubbedMs,
      ...(believedMs === undefined ? {} : { believedMs }),
      nextIds: Object.fromEntries(this.nextIds),
    };
    return encodeManifest(manifest);
  }

  /** Removes files of replaced segments and old checkpoints; the manifest names them no more. */
  removeFiles(paths: readonly string[]): void {
    for (const one of paths) if (this.files.existsSync(one)) this.files.unlinkSync(one);
    if (paths.length > 0) syncFolder(this.files, this.folder);
  }

  /** As removeFiles(), without stalling other work. */
  async removeFilesBehind(paths: readonly string[]): Promise<void> {
    for (const one of paths) if (this.files.existsSync(one)) this.files.unlinkSync(one);
    if (paths.length > 0) await syncFolderAsync(this.files, this.folder);
  }

  close(): void {
    this.isClosed = true;
    for (const segment of this.#slots) segment?.close();
  }
}

function manifestLine(segment: Segment): ManifestSegment {
  if (!segment.isSealed)
    return { id: segment.id, slot: segment.slot, firstSequence: segment.firstSequence };
  const shares: Record<string, [number, number, number]> = {};
  for (const [id, share] of segment.shares) shares[id] = [share.records, share.bytes, share.values];
  return {
    id: segment.id,
    slot: segment.slot,
    firstSequence: segment.firstSequence,
    lastSequence: segment.lastSequence,
    bytes: segment.nextOffset,
    records: segment.recordCount,
    shares,
  };
}
