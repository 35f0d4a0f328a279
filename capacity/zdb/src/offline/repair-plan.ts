import { existsSync } from 'node:fs';
import { GridError, isGridError } from '@commongrid/base';
import { FORMAT_VERSION } from '../engine/log/format.ts';
import { KeyHasher } from '../engine/keys/key-hash.ts';
import { MANIFEST_NAME, readManifest } from '../engine/log/manifest.ts';
import type { Manifest, ManifestSegment } from '../engine/log/manifest.ts';
import { Segment } from '../engine/log/segment.ts';
import type { SegmentIndex } from '../engine/log/segment-index.ts';
import { scanSegment } from '../engine/log/segment-scan.ts';
import type { ZdbErrorCode } from '../errors.ts';
import { checkpointSegments } from './checkpoint-segments.ts';
import { chooseSegments } from './choose-segments.ts';
import { readHeader, readOnlyFiles, segmentFiles } from './folder-files.ts';
import { manifestClues } from './manifest-clues.ts';
import { LargestIds, readState } from './segment-state.ts';
import type { SegmentState, StateContext } from './segment-state.ts';
import { SystemRecords } from './system-records.ts';
import { folderMissing } from './work.ts';
import type { Work } from './work.ts';

/** What is known of a folder before anything is changed. */
export interface RepairPlan {
  readonly folder: string;
  /** The manifest as it is, or as it follows from the segments. */
  readonly manifest: Manifest;
  readonly isManifestMade: boolean;
  /** Segments of the log that are there, in order. */
  readonly states: readonly SegmentState[];
  /** Lines of the manifest whose file is gone. */
  readonly missing: readonly ManifestSegment[];
  /** Sequences that no file holds, and that compaction need not have dropped. */
  readonly gaps: readonly (readonly [from: number, to: number])[];
  readonly system: SystemRecords;
  readonly largestIds: LargestIds;
}

/** @throws ZDB_FOLDER_MISSING, ZDB_FORMAT_NEWER, ZDB_REPAIR_UNDECIDED */
export async function planRepair(
  folder: string,
  newSecret: () => Buffer,
  work: Work,
): Promise<RepairPlan> {
  const known = soundManifest(folder);
  return known === undefined
    ? planWithoutManifest(folder, newSecret(), work)
    : planWithManifest(folder, known, work);
}

function soundManifest(folder: string): Manifest | undefined {
  try {
    return readManifest(readOnlyFiles, `${folder}/${MANIFEST_NAME}`);
  } catch (error) {
    if (isGridError(error, 'ZDB_MANIFEST_CORRUPT')) return undefined;
    throw error;
  }
}

function context(
  logId: bigint,
  secret: Buffer,
  system: SystemRecords,
  largestIds: LargestIds,
): StateContext {
  const onRecord = (bytes: Buffer, at: number): void => {
    system.take(bytes, at);
    largestIds.take(bytes, at);
  };
  return { files: readOnlyFiles, logId, hasher: new KeyHasher(secret), onRecord };
}

async function planWithManifest(
  folder: string,
  manifest: Manifest,
  work: Work,
): Promise<RepairPlan> {
  const system = new SystemRecords();
  const largestIds = new LargestIds();
  const logId = BigInt(`0x${manifest.logId}`);
  const secret = Buffer.from(manifest.hashSecret, 'hex');
  const reading = context(logId, secret, system, largestIds);
  const states: SegmentState[] = [];
  const missing: ManifestSegment[] = [];
  for (const line of manifest.segments) {
    const path = segmentPath(folder, line.id);
    if (existsSync(path)) {
      states.push(readState(reading, { ...line, path }, line));
      await work.step(states.at(-1)?.fileBytes ?? 0);
    } else {
      missing.push(line);
    }
  }
  const gaps = missingSequences(manifest, states);
  return { folder, manifest, isManifestMade: false, states, missing, gaps, system, largestIds };
}

/** Sequences that had been on disk and are in no segment that was still written to. */
function missingSequences(
  manifest: Manifest,
  states: readonly SegmentState[],
): (readonly [number, number])[] {
  const open = states.filter(({ line }) => line?.lastSequence === undefined);
  const durableTo = Math.max(manifest.durableAtLeast, ...open.map((one) => one.durableTo));
  const gaps: (readonly [number, number])[] = [];
  let reached: number | undefined;
  for (const { firstSequence, lastRecord, stretches } of open) {
    if (reached !== undefined && reached + 1 < firstSequence && reached < durableTo) {
      gaps.push([reached + 1, firstSequence - 1]);
    }
    // A stretch at the end is looked at by itself.
    reached = stretches.length > 0 ? undefined : lastRecord;
  }
  if (reached !== undefined && reached < durableTo) gaps.push([reached + 1, durableTo]);
  return gaps;
}

async function planWithoutManifest(
  folder: string,
  secret: Buffer,
  work: Work,
): Promise<RepairPlan> {
  const files = segmentFiles(folder);
  if (files.length === 0) throw folderMissing(folder);
  const logId = logIdOf(files.map(({ path }) => path));
  const system = new SystemRecords();
  const largestIds = new LargestIds();
  const reading = context(logId, secret, system, largestIds);
  const all: SegmentState[] = [];
  for (const file of files) {
    const firstSequence = readHeader(file.path)?.firstSequence ?? firstRecord(reading, file);
    all.push(readState(reading, { ...file, firstSequence }, undefined));
    await work.step(file.bytes);
  }
  const namespaces = new Set([0, ...system.namespaces().keys()]);
  const states = chooseSegments(all, (state) => entriesOf(reading, state), namespaces);
  const durableAtLeast = Math.max(0, ...states.map((one) => one.durableTo));
  const isCompacted = states.some((one) => one.isCompacted);
  const named = checkpointSegments(folder, logId);
  const clues = manifestClues(folder);
  const last = states.at(-1)?.lastRecord ?? 0;
  const gaps = gapsBetween(states, named);
  const isEndSound = states.at(-1)?.stretches.length === 0;
  if (clues.durableAtLeast > last && isEndSound) gaps.push([last + 1, clues.durableAtLeast]);
  // Of a file that was cut within its header only the name is left.
  const hollow = all.filter((one) => isHollow(one)).map(({ id }) => id);
  const there = all.filter(({ id }) => !hollow.includes(id));
  const missing = missingSegments(there, named ?? [], [...clues.segmentIds, ...hollow], last + 1);
  const dropped = isCompacted || gaps.length > 0 ? last : 0;
  const manifest: Manifest = {
    version: FORMAT_VERSION,
    logId: logId.toString(16).padStart(16, '0'),
    hashSecret: secret.toString('hex'),
    nextSegmentId: 0,
    segments: states.map(({ id, firstSequence }, i) => ({ id, slot: i + 1, firstSequence })),
    checkpoint: 0,
    quarantine: [],
    durableAtLeast,
    compactedThrough: dropped,
    deletionsDroppedThrough: dropped,
    nextIds: nextIds(system, largestIds, dropped),
  };
  return { folder, manifest, isManifestMade: true, states, missing, gaps, system, largestIds };
}

/**
 * Whether a file holds a piece of a header and nothing else: it was cut. An empty one was just being
 * made when the power went: a header is written at once.
 */
function isHollow({ fileBytes, records, stretches, isHeaderSound }: SegmentState): boolean {
  return fileBytes > 0 && records === 0 && stretches.length === 0 && !isHeaderSound;
}

/**
 * Segments that the checkpoint, the damaged manifest or a file name names and that are not there. A compaction that
 * removed them would have left files with larger numbers than any that the checkpoint could name.
 */
function missingSegments(
  states: readonly SegmentState[],
  inCheckpoint: readonly number[],
  inNames: readonly number[],
  firstSequence: number,
): ManifestSegment[] {
  const there = new Set(states.map(({ id }) => id));
  const last = Math.max(0, ...inCheckpoint);
  const isCompacted = states.some((one) => one.isCompacted && one.id > last);
  const named = new Set([...(isCompacted ? [] : inCheckpoint), ...inNames]);
  return [...named].filter((id) => !there.has(id)).map((id) => ({ id, slot: 0, firstSequence }));
}

/** Compaction may have dropped deletions of the last ids, but no id is larger than the log is long. */
function nextIds(
  system: SystemRecords,
  largestIds: LargestIds,
  dropped: number,
): Record<string, number> {
  const sequential = [...system.namespaces().values()].filter(({ mode }) => mode === 'seq');
  return Object.fromEntries(
    sequential.map(({ id }) => [id, Math.max(largestIds.of(id), dropped) + 1]),
  );
}

/** The log that all files belong to. @throws ZDB_REPAIR_UNDECIDED, ZDB_FORMAT_NEWER */
function logIdOf(paths: readonly string[]): bigint {
  const byLog = new Map<bigint, string[]>();
  for (const path of paths) {
    const header = readHeader(path);
    if (header === undefined) continue;
    if (header.version > FORMAT_VERSION) {
      throw new GridError<ZdbErrorCode>(
        'ZDB_FORMAT_NEWER',
        `${path} has format version ${header.version}; this program knows versions up to ${FORMAT_VERSION}`,
        { hint: 'run the newer release that wrote it', details: { path, version: header.version } },
      );
    }
    byLog.set(header.logId, [...(byLog.get(header.logId) ?? []), path]);
  }
  const [first, ...others] = byLog.keys();
  if (first !== undefined && others.length === 0) return first;
  throw new GridError<ZdbErrorCode>(
    'ZDB_REPAIR_UNDECIDED',
    first === undefined
      ? 'no segment has a sound header, so nothing says which log they belong to'
      : 'the folder holds segments of different logs',
    {
      hint: 'move files of other stores out of the folder',
      details: { logs: [...byLog.values()] },
    },
  );
}

function firstRecord(reading: StateContext, file: { id: number; path: string }): number {
  const segment = new Segment(reading.files, { ...file, slot: 1, firstSequence: 1 });
  try {
    const { index } = scanSegment(reading.files, segment, reading.logId, reading.hasher);
    return index.count === 0 ? 1 : index.sequenceAt(0);
  } finally {
    segment.close();
  }
}

function entriesOf({ files, logId, hasher }: StateContext, state: SegmentState): SegmentIndex {
  const segment = new Segment(files, { ...state, slot: 1 });
  try {
    return scanSegment(files, segment, logId, hasher).index;
  } finally {
    segment.close();
  }
}

/**
 * Sequences between segments. Compaction leaves such gaps, and a file that is gone leaves the same: a
 * checkpoint proves the first where it names the segments on both sides, and all that it names are there.
 */
function gapsBetween(
  states: readonly SegmentState[],
  proven: readonly number[] | undefined,
): [number, number][] {
  const there = new Set(states.map(({ id }) => id));
  const isProof = proven?.every((id) => there.has(id)) === true;
  const covered = new Set(isProof ? proven : []);
  const gaps: [number, number][] = [];
  let reached = 0;
  let isBeforeCovered = true;
  for (const { id, firstSequence, lastRecord, stretches } of states) {
    const isCovered = covered.has(id) && isBeforeCovered;
    if (firstSequence > reached + 1 && !isCovered) gaps.push([reached + 1, firstSequence - 1]);
    isBeforeCovered = covered.has(id);
    // What a damaged end has held is asked about by itself.
    reached = stretches.length > 0 ? Number.MAX_SAFE_INTEGER : lastRecord;
  }
  return gaps;
}

export function segmentPath(folder: string, id: number): string {
  return `${folder}/segment-${String(id).padStart(12, '0')}.log`;
}
