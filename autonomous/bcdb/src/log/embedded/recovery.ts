import { hash } from 'node:crypto';
import { join } from 'node:path';
import { GridError } from '@commongrid/base';
import { readUpTo, syncFolder, writeAll } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import type { BcdbErrorCode } from '../../errors.ts';
import type { LogHead } from '../log-engine.ts';
import { corrupt } from './corrupt.ts';
import { frameLogId } from './format.ts';
import { createHeadFile, HeadFile, headLost, headPath, readHead } from './head-file.ts';
import type { StoredHead } from './head-file.ts';
import { scanSegment } from './segment-scan.ts';
import type { SegmentScan } from './segment-scan.ts';
import { firstOfName, Segment, segmentName, SegmentTable } from './segment.ts';

/** What a start did about an end of the log that was never acknowledged. */
export interface LogEvent {
  readonly kind: 'torn';
  /** Where the bytes are now. */
  readonly path: string;
  readonly bytes: number;
  readonly text: string;
}

export interface RecoveryOptions {
  readonly files: Files;
  readonly folder: string;
  /** Hash of the genesis, 32 bytes. */
  readonly log: Uint8Array;
  /** The last head that anybody saw: takes the place of an older, damaged or lost one. */
  readonly restoreHead?: LogHead | undefined;
}

export interface Recovered {
  readonly table: SegmentTable;
  readonly headFile: HeadFile;
  readonly head: LogHead;
  readonly events: readonly LogEvent[];
}

interface FoundSegment {
  readonly first: number;
  readonly path: string;
  /** Undefined once it is closed: its seal said all. */
  readonly fd: number | undefined;
  readonly scan: SegmentScan;
}

/** What of the files counts. */
interface Verdict {
  readonly head: LogHead;
  readonly kept: readonly FoundSegment[];
  /** Files behind a torn end. */
  readonly surplus: readonly FoundSegment[];
}

/*
 * How a folder becomes a log again.
 *
 * 1. The head file says how far the log goes at least, and the root there.
 * 2. Finished segments below that are taken by their seal; any other is read through. The files must
 *    follow each other without a hole.
 * 3. What is missing or damaged below the head, or below what any sound frame says was acknowledged,
 *    is corruption: nothing is touched. So is a root at the head that differs from the head's own.
 * 4. Whole batches above the head count. What follows them was never acknowledged: it is moved aside.
 * 5. What was read above the head may have come from memory, after a process died or a sync failed: it
 *    is written once more and synced, and then the head, before anybody sees it.
 */
export function recover(options: RecoveryOptions): Recovered {
  const { files, folder, log } = options;
  const names = files.readdirSync(folder);
  const firsts = segmentsAmong(names);
  const { stored, isMissing } = storedHead(options, firsts.length > 0);
  const { head } = stored.slot;
  const logId = frameLogId(log);
  const found: FoundSegment[] = [];
  try {
    for (const first of firsts) found.push(look(files, folder, first, logId, head.size));
    const verdict = judge(found, stored, folder);
    removeUnfinished(files, folder, names);
    const events = moveTornAside(files, folder, verdict);
    settle(files, verdict.kept);
    syncFolder(files, folder);
    if (isMissing) createHeadFile(files, folder, log, head);
    const headFile = HeadFile.open(files, folder, stored);
    headFile.settle(head, verdict.head);
    for (const { path } of verdict.surplus) files.unlinkSync(path);
    const segments = verdict.kept.map((one) => segmentOf(folder, one));
    const table = new SegmentTable(files, folder, logId, segments);
    const isKept = new Set(segments.map((segment) => segment.open?.fd));
    for (const { fd } of found) if (fd !== undefined && !isKept.has(fd)) files.closeSync(fd);
    return { table, headFile, head: verdict.head, events };
  } catch (error) {
    for (const { fd } of found) if (fd !== undefined) files.closeSync(fd);
    throw error;
  }
}

function look(
  files: Files,
  folder: string,
  first: number,
  logId: Uint8Array,
  headSize: number,
): FoundSegment {
  const path = join(folder, segmentName(first));
  const fd = files.openSync(path, 'r+');
  const scan = scanSegment(files, fd, first, logId, headSize);
  if (scan.index !== undefined) return { first, path, fd, scan };
  files.closeSync(fd);
  return { first, path, fd: undefined, scan };
}

/**
 * The head to go by, and whether its file is to be made.
 * @throws BCDB_LOG_HEAD_LOST, BCDB_OTHER_LOG
 */
function storedHead(
  options: RecoveryOptions,
  hasSegments: boolean,
): { stored: StoredHead; isMissing: boolean } {
  const { files, folder, log, restoreHead } = options;
  const as = (head: LogHead): { stored: StoredHead; isMissing: boolean } => ({
    stored: { slot: { log, head, counter: 1 }, position: 1, isOtherLost: false },
    isMissing: true,
  });
  const stored = readHead(files, folder);
  if (stored === 'missing' || stored === 'unreadable') {
    if (restoreHead !== undefined) return as(restoreHead);
    if (stored === 'unreadable' || hasSegments) throw headLost(folder, `is ${stored}`);
    return as({ size: 0, root: emptyRoot() });
  }
  if (Buffer.compare(stored.slot.log, log) !== 0) {
    throw new GridError<BcdbErrorCode>('BCDB_OTHER_LOG', `${folder} holds another log`, {
      hint: 'give the folder of this log, or an empty one',
      details: { found: Buffer.from(stored.slot.log).toString('base64url') },
    });
  }
  const isNewer = restoreHead !== undefined && restoreHead.size >= stored.slot.head.size;
  return isNewer ? as(restoreHead) : { stored, isMissing: false };
}

/** @throws BCDB_LOG_CORRUPT, BCDB_LOG_HEAD_LOST */
function judge(found: readonly FoundSegment[], stored: StoredHead, folder: string): Verdict {
  const { head } = stored.slot;
  let reached: LogHead = { size: 0, root: emptyRoot() };
  let place = { seq: 0, file: join(folder, segmentName(0)), offset: 0 };
  let keptCount = 0;
  for (const { first, path, scan } of found) {
    if (first !== reached.size) break;
    keptCount++;
    reached = scan.end ?? reached;
    place = { seq: scan.reached, file: path, offset: scan.reachedOffset };
  }
  const acknowledged = Math.max(head.size, ...found.map(({ scan }) => scan.durableTo));
  if (reached.size < acknowledged) throw corrupt(place, 'is damaged or cut off');
  const rootAtHead = found.find(({ scan }) => scan.rootAtHead !== undefined)?.scan.rootAtHead;
  if (Buffer.compare(rootAtHead ?? emptyRoot(), head.root) !== 0) {
    const last = { seq: Math.max(0, head.size - 1), file: headPath(folder), offset: 0 };
    throw corrupt(last, 'names another root than the segments');
  }
  // A head is written after its frames are on disk: a slot that was being written had some.
  if (stored.isOtherLost && reached.size === head.size) {
    throw headLost(folder, 'has a damaged slot, which may have been the newer one');
  }
  return { head: reached, kept: found.slice(0, keptCount), surplus: found.slice(keptCount) };
}

function segmentsAmong(names: readonly string[]): readonly number[] {
  const firsts = names.map(firstOfName).filter((first) => first !== undefined);
  return firsts.sort((a, b) => a - b);
}

/** Files that a former process did not get to rename. */
function removeUnfinished(files: Files, folder: string, names: readonly string[]): void {
  for (const name of names) if (name.endsWith('.new')) files.unlinkSync(join(folder, name));
}

/** Moves what follows the last whole batch into files of their own, durably, and cuts it off. */
function moveTornAside(files: Files, folder: string, verdict: Verdict): readonly LogEvent[] {
  const last = verdict.kept.at(-1);
  const events: LogEvent[] = [];
  const move = ({ first, fd, path }: FoundSegment, offset: number): void => {
    if (fd === undefined) return;
    const bytes = files.fstatSync(fd).size - offset;
    if (bytes <= 0) return;
    const target = join(folder, `torn-${first}-${offset}`);
    copyAside(files, fd, offset, target);
    syncFolder(files, folder);
    files.ftruncateSync(fd, offset);
    files.fsyncSync(fd);
    const text = `${bytes} bytes after offset ${offset} of ${path} were never acknowledged`;
    events.push({ kind: 'torn', path: target, bytes, text });
  };
  for (const one of verdict.surplus) move(one, 0);
  if (last !== undefined && !last.scan.isSealed) move(last, last.scan.endOffset);
  return events;
}

function copyAside(files: Files, from: number, offset: number, target: string): void {
  const fd = files.openSync(target, 'w', 0o600);
  try {
    copyRange(files, { fd: from, offset, end: files.fstatSync(from).size }, { fd, offset: 0 });
    files.fsyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
}

/**
 * Writes what stands above the head once more and syncs it: after a failed sync the system takes
 * pages for clean that never got to the disk, so that a sync alone would do nothing.
 */
function settle(files: Files, kept: readonly FoundSegment[]): void {
  for (const { fd, scan } of kept) {
    if (fd === undefined) continue;
    const offset = Math.min(scan.aboveOffset, scan.endOffset);
    copyRange(files, { fd, offset, end: scan.endOffset }, { fd, offset });
    files.fdatasyncSync(fd);
  }
}

function copyRange(
  files: Files,
  from: { readonly fd: number; readonly offset: number; readonly end: number },
  to: { readonly fd: number; readonly offset: number },
): void {
  const total = from.end - from.offset;
  const bytes = Buffer.allocUnsafeSlow(Math.min(copyBytes, total));
  for (let done = 0; done < total;) {
    const want = Math.min(bytes.length, total - done);
    const got = readUpTo(files, from.fd, bytes, 0, want, from.offset + done);
    if (got === 0) return;
    writeAll(files, to.fd, bytes.subarray(0, got), to.offset + done);
    done += got;
  }
}

const copyBytes = 1024 * 1024;

/** Sealed segments are opened again when somebody reads them. */
function segmentOf(folder: string, { first, fd, scan }: FoundSegment): Segment {
  const end = scan.end?.size ?? first;
  const segment = new Segment(folder, first, end, scan.endOffset, scan.isSealed);
  if (!scan.isSealed && fd !== undefined && scan.index !== undefined) {
    segment.open = { fd, index: scan.index };
  }
  return segment;
}

function emptyRoot(): Uint8Array {
  return hash('sha256', '', 'buffer');
}
