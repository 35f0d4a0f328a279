import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { type Clock, GridError, syncFolder, systemClock } from '@commongrid/base';
import { makeFile, readUpTo, realFiles, writeAll } from '@commongrid/files';
import {
  encodeSegmentHeader,
  FORMAT_VERSION,
  recordBytes,
  SEGMENT_HEADER_BYTES,
} from '../engine/log/format.ts';
import { KeyHasher } from '../engine/keys/key-hash.ts';
import { MANIFEST_NAME, saveManifest } from '../engine/log/manifest.ts';
import type { Manifest, ManifestSegment } from '../engine/log/manifest.ts';
import { Segment } from '../engine/log/segment.ts';
import type { SegmentIndex } from '../engine/log/segment-index.ts';
import { scanSegment } from '../engine/log/segment-scan.ts';
import type { ZdbErrorCode } from '../errors.ts';
import { checkCheckpoint } from './check-checkpoint.ts';
import { segmentFiles } from './folder-files.ts';
import { assess, keptEntries } from './repair-loss.ts';
import type { Assessment, Loss, SegmentVerdict } from './repair-loss.ts';
import { planRepair, segmentPath } from './repair-plan.ts';
import type { RepairPlan } from './repair-plan.ts';
import { finishRepair } from './repair-store.ts';
import { rewriteSegment, sealedLine } from './rewrite-segment.ts';
import { onFolder, Work } from './work.ts';
import type { WorkOptions } from './work.ts';

export interface RepairOptions extends WorkOptions {
  /** Go on without what cannot be brought back. Default false: then nothing is changed. */
  readonly acceptLoss?: boolean;
  readonly clock?: Clock;
}

export interface RepairReport {
  /** What was done, one sentence each; empty when nothing was wrong. */
  readonly actions: readonly string[];
  readonly losses: readonly Loss[];
  readonly lastSequence: number;
}

/** A key of one byte. */
const RECORD_BYTES_MIN = recordBytes(1, 0);

/** Losses that an error lists. */
const LOSSES_LISTED_MAX = 1000;

/**
 * Makes a folder usable again.
 *
 * 1. Everything is read; nothing is changed yet. A lost manifest is made from the segments.
 * 2. What would be lost is known now: without acceptLoss this ends here.
 * 3. Damaged stretches are copied to `quarantine-<segment>-<offset>`; their segments are written anew
 *    without them, index files are made. The old files are still what counts.
 * 4. The manifest is replaced. From here on the repaired folder counts, and a start would finish
 *    the work: torn tails are moved aside, files that nothing names are removed.
 * 5. Keys whose deletion was lost are deleted again, erasures are done again, namespaces whose
 *    settings were lost get new ones.
 * @throws ZDB_FOLDER_MISSING, BASE_FOLDER_LOCKED, ZDB_FORMAT_NEWER, ZDB_REPAIR_LOSS (details.losses),
 *   ZDB_REPAIR_UNDECIDED
 */
export async function repairFolder(
  folder: string,
  options: RepairOptions = {},
): Promise<RepairReport> {
  return onFolder(folder, async () => {
    const bytes = segmentFiles(folder).reduce((sum, one) => sum + one.bytes, 0);
    const plan = await planRepair(folder, () => randomBytes(8), new Work(options, bytes));
    const assessment = assess(plan);
    if (options.acceptLoss !== true) refuseLoss(plan, assessment);
    const repair = new Repair(plan, assessment, options.clock ?? systemClock);
    return repair.run();
  });
}

/** @throws ZDB_REPAIR_LOSS, ZDB_REPAIR_UNDECIDED */
function refuseLoss({ folder, isManifestMade, gaps }: RepairPlan, { losses }: Assessment): void {
  if (losses.length === 0) return;
  const hint = `grid zdb repair --data ${folder} --accept-loss`;
  const details = { losses: losses.slice(0, LOSSES_LISTED_MAX), count: losses.length };
  if (isManifestMade && gaps.length === losses.length) {
    const list = gaps.map(([from, to]) => `${from}-${to}`).join(', ');
    throw new GridError<ZdbErrorCode>(
      'ZDB_REPAIR_UNDECIDED',
      `no file holds records ${list}: compaction may have dropped them, or files are missing`,
      { hint: `bring missing files back; if none is missing: ${hint}`, details },
    );
  }
  const count = losses.length === 1 ? 'one loss' : `${losses.length} losses`;
  throw new GridError<ZdbErrorCode>(
    'ZDB_REPAIR_LOSS',
    `repairing ${folder} costs records (${count}); nothing was changed`,
    { hint, details },
  );
}

class Repair {
  readonly #plan: RepairPlan;
  readonly #assessment: Assessment;
  readonly #clock: Clock;
  readonly #actions: string[] = [];
  readonly #hasher: KeyHasher;
  #nextId: number;

  constructor(plan: RepairPlan, assessment: Assessment, clock: Clock) {
    this.#plan = plan;
    this.#assessment = assessment;
    this.#clock = clock;
    this.#hasher = new KeyHasher(Buffer.from(plan.manifest.hashSecret, 'hex'));
    this.#nextId = Math.max(plan.manifest.nextSegmentId, largestNumber(plan.folder) + 1);
  }

  async run(): Promise<RepairReport> {
    const plan = this.#plan;
    const lines = await this.#repairSegments();
    this.#noteMissing();
    const { manifest, isManifestMade } = plan;
    if (isManifestMade) this.#did('the manifest was made from the segments');
    if (manifest.quarantine.length > 0) this.#did('quarantine was ended');
    if (this.#actions.length === 0) this.#checkCheckpoint();
    const { losses, lostRecords, mayLackSettings, verdicts } = this.#assessment;
    const isTorn = verdicts.some(({ torn }) => torn !== undefined);
    if (this.#actions.length === 0 && !isTorn) {
      return { actions: [], losses, lastSequence: this.#reached };
    }
    if (this.#actions.length > 0) this.#saveManifest(lines);
    const finished = await finishRepair({
      folder: plan.folder,
      isManifestMade,
      compactedThrough: manifest.compactedThrough,
      lostRecords,
      mayLackSettings,
    });
    return {
      actions: [...this.#actions, ...finished.actions],
      losses,
      lastSequence: finished.lastSequence,
    };
  }

  /** The last sequence that may have been given out. */
  get #reached(): number {
    const { manifest, states, isManifestMade } = this.#plan;
    const ends = states.flatMap(({ stretches }) => {
      return stretches.map(({ expected, bytes }) => expected + Math.ceil(bytes / RECORD_BYTES_MIN));
    });
    const records = states.map(({ lastRecord }) => lastRecord);
    return Math.max(manifest.durableAtLeast, ...records, ...(isManifestMade ? ends : []));
  }

  #did(action: string): void {
    this.#actions.push(action);
  }

  /** Returns the lines of the new manifest. */
  async #repairSegments(): Promise<ManifestSegment[]> {
    const { verdicts } = this.#assessment;
    const open = verdicts.filter(({ isOpen }) => isOpen);
    const openLines = this.#plan.missing.filter(({ lastSequence }) => lastSequence === undefined);
    // What a start would take for damage again must be sealed; else the start does what is needed.
    const mustSeal =
      open.some(({ damaged }) => damaged.length > 0) ||
      openLines.length > 0 ||
      this.#plan.gaps.length > 0;
    const lines: ManifestSegment[] = [];
    let isBehindTorn = false;
    for (const verdict of verdicts) {
      await this.#mendHeader(verdict);
      if (verdict.isOpen && !mustSeal) {
        lines.push(this.#openLine(verdict));
        continue;
      }
      if (isBehindTorn) {
        this.#setTornAside(verdict, SEGMENT_HEADER_BYTES);
        continue;
      }
      isBehindTorn = verdict.torn !== undefined;
      const line = await this.#sealed(verdict);
      if (line !== undefined) lines.push(line);
    }
    return lines;
  }

  #openLine({ state: { id, firstSequence } }: SegmentVerdict): ManifestSegment {
    return { id, slot: this.#slotOf(id), firstSequence };
  }

  #slotOf(id: number): number {
    const { segments } = this.#plan.manifest;
    return segments.find((line) => line.id === id)?.slot ?? segments.length + 1;
  }

  async #mendHeader({ state }: SegmentVerdict): Promise<void> {
    if (state.isHeaderSound) return;
    const { path: file, id: segmentId, firstSequence } = state;
    this.#copyAside(file, 0, SEGMENT_HEADER_BYTES, 'quarantine', segmentId);
    const logId = BigInt(`0x${this.#plan.manifest.logId}`);
    const createdMs = this.#clock.nowMs();
    const version = FORMAT_VERSION;
    const header = encodeSegmentHeader({ version, logId, segmentId, firstSequence, createdMs });
    const fd = fs.openSync(file, 'r+');
    try {
      writeAll(realFiles, fd, header, 0);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    this.#did(`the header of ${file} was written anew`);
  }

  async #sealed(verdict: SegmentVerdict): Promise<ManifestSegment | undefined> {
    const { state, damaged, torn } = verdict;
    if (damaged.length > 0 || torn !== undefined) return this.#rewritten(verdict);
    const { isManifestMade } = this.#plan;
    const isIndexRight = state.indexState === 'same' && !isManifestMade;
    const isLineRight =
      state.line?.lastSequence !== undefined && state.line.records === state.records;
    if (isIndexRight && isLineRight) return state.line;
    const { index, segment } = this.#read(verdict);
    try {
      if (index.count === 0) return undefined;
      segment.nextOffset = state.fileBytes;
      const logId = BigInt(`0x${this.#plan.manifest.logId}`);
      await makeFile(realFiles, segment.indexPath, index.encode(logId, segment.id));
      await syncFolder(this.#plan.folder);
      if (!isManifestMade) this.#did(`${segment.indexPath} was made from its segment`);
      return sealedLine(segment, index, state.line?.lastSequence);
    } finally {
      segment.close();
    }
  }

  /** Writes a segment anew without its damaged stretches. */
  async #rewritten(verdict: SegmentVerdict): Promise<ManifestSegment | undefined> {
    const { state, damaged, torn } = verdict;
    for (const { offset, bytes } of damaged) {
      this.#copyAside(state.path, offset, bytes, 'quarantine', state.id);
    }
    if (torn !== undefined) this.#setTornAside(verdict, torn.offset);
    const { index, segment } = this.#read(verdict);
    try {
      const entries = Array.from({ length: index.count }, (_, i) => index.entry(i));
      const kept = keptEntries(verdict, entries);
      const id = this.#nextId++;
      const { folder, manifest } = this.#plan;
      this.#did(`${state.path} was written anew as ${path.basename(segmentPath(folder, id))}`);
      if (kept.length === 0) return undefined;
      const line = await rewriteSegment(
        {
          ...{ files: realFiles, folder, id, slot: segment.slot },
          logId: BigInt(`0x${manifest.logId}`),
          hasher: this.#hasher,
          path: segmentPath(folder, id),
          firstSequence: state.firstSequence,
          nowMs: this.#clock.nowMs(),
        },
        segment,
        kept,
      );
      const known = state.line?.lastSequence ?? 0;
      return { ...line, lastSequence: Math.max(line.lastSequence ?? 0, known) };
    } finally {
      segment.close();
    }
  }

  #read({ state }: SegmentVerdict): { segment: Segment; index: SegmentIndex } {
    const segment = new Segment(realFiles, { ...state, slot: this.#slotOf(state.id) });
    const logId = BigInt(`0x${this.#plan.manifest.logId}`);
    const { index } = scanSegment(realFiles, segment, logId, this.#hasher);
    return { segment, index };
  }

  #setTornAside({ state }: SegmentVerdict, from: number): void {
    if (state.fileBytes <= from) return;
    this.#copyAside(state.path, from, state.fileBytes - from, 'torn', state.id);
  }

  #copyAside(file: string, offset: number, bytes: number, what: string, id: number): void {
    const target = path.join(this.#plan.folder, `${what}-${id}-${offset}`);
    const from = fs.openSync(file, 'r');
    const to = fs.openSync(target, 'w', 0o600);
    try {
      const buffer = Buffer.allocUnsafeSlow(Math.min(bytes, 1024 * 1024));
      for (let done = 0; done < bytes;) {
        const wanted = Math.min(buffer.length, bytes - done);
        const got = readUpTo(realFiles, from, buffer, 0, wanted, offset + done);
        if (got === 0) break;
        writeAll(realFiles, to, buffer.subarray(0, got), done);
        done += got;
      }
      fs.fsyncSync(to);
    } finally {
      fs.closeSync(from);
      fs.closeSync(to);
    }
    this.#did(`${bytes} bytes at offset ${offset} of ${file} were copied to ${target}`);
  }

  #noteMissing(): void {
    const { missing, folder } = this.#plan;
    for (const { id } of missing) this.#did(`${segmentPath(folder, id)} was given up`);
    if (this.#plan.gaps.length > 0) this.#did('records that no file holds were given up');
  }

  #checkCheckpoint(): void {
    for (const { file } of checkCheckpoint(this.#plan.folder)) this.#did(`${file} was dropped`);
  }

  #saveManifest(lines: readonly ManifestSegment[]): void {
    const { manifest, folder } = this.#plan;
    const isSealed = lines.every(({ lastSequence }) => lastSequence !== undefined);
    // What was lost at the end had sequences that others may have seen: they are not given out again.
    const durableAtLeast = isSealed ? this.#reached : manifest.durableAtLeast;
    // While settings may be missing, what belongs to no known namespace must be kept: to the store
    // the log is one of which more is to come.
    const compactedThrough = this.#assessment.mayLackSettings
      ? this.#reached + 1
      : manifest.compactedThrough;
    const repaired: Manifest = {
      ...manifest,
      segments: lines,
      nextSegmentId: this.#nextId,
      checkpoint: 0,
      quarantine: [],
      durableAtLeast,
      compactedThrough,
    };
    saveManifest(realFiles, path.join(folder, MANIFEST_NAME), repaired);
  }
}

/** The largest number that any segment or index file carries. */
function largestNumber(folder: string): number {
  const numbers = fs.readdirSync(folder).map((name) => {
    const [, digits] = /^segment-(\d+)\.(?:log|index)/.exec(name) ?? [];
    return Number(digits ?? 0);
  });
  return Math.max(0, ...numbers);
}
