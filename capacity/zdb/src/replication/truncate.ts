import path from 'node:path';
import { GridError } from '@commongrid/base';
import { type Files, syncFolder, writeAll } from '@commongrid/files';
import {
  isDeletion,
  keyLengthOf,
  namespaceOf,
  recordBytes,
  SEGMENT_HEADER_BYTES,
  valueLengthOf,
} from '../engine/log/format.ts';
import { recordIn } from '../engine/log/frame-reader.ts';
import { KeyHasher } from '../engine/keys/key-hash.ts';
import type { Segment } from '../engine/log/segment.ts';
import { scanSegment } from '../engine/log/segment-scan.ts';
import { SegmentTable } from '../engine/log/segment-table.ts';
import type { ZdbErrorCode } from '../errors.ts';

export interface Truncation {
  /** Records that were cut off. */
  readonly records: number;
  /** File that holds them; undefined when there were none. */
  readonly savedAs: string | undefined;
  /** Last record that is left; lower than asked for where that stood inside a frame. */
  readonly lastSequence: number;
}

const WRITE_BYTES = 1024 * 1024;

/*
 * Cuts a log after a sequence, while no store is open on its folder.
 *
 * 1. The records after it are saved in a file that people can read, synced, before anything else.
 * 2. The manifest forgets later segments and the checkpoint, and says that the one with the cut is not
 *    sealed.
 * 3. That segment is cut at the end of a frame. The frames of a replica are its master's, so that is
 *    the very place; should it not be, a few records less are left, and come again from the source.
 *
 * Interrupted between two steps it leaves a sound, longer log, and is simply done again.
 */
export function truncateFolder(
  files: Files,
  folder: string,
  sequence: number,
  saveAs: string,
): Truncation {
  const table = SegmentTable.load(files, folder)?.table;
  if (table === undefined) throw new Error(`${folder} holds no store`);
  try {
    if (table.compactedThrough > sequence) throw tooLate(folder, sequence, table.compactedThrough);
    const beyond = table.segments.filter((one) => lastOf(files, table, one) > sequence);
    const savedAs = path.join(folder, saveAs);
    const records = saveRecords(files, table, beyond, sequence, savedAs);
    if (records > 0) cut(files, table, beyond, sequence);
    const lastSequence = records > 0 ? table.durableSequence : sequence;
    return { records, savedAs: records > 0 ? savedAs : undefined, lastSequence };
  } finally {
    table.close();
  }
}

function tooLate(folder: string, sequence: number, through: number): GridError<ZdbErrorCode> {
  return new GridError(
    'ZDB_TRUNCATE_IMPOSSIBLE',
    `${folder} was compacted with what came up to ${through}; it cannot go back to ${sequence}`,
    { hint: 'begin anew from an empty folder', details: { folder, sequence, through } },
  );
}

/** Of an unsealed segment only reading tells. */
function lastOf(files: Files, table: SegmentTable, segment: Segment): number {
  if (segment.isSealed) return segment.lastSequence;
  return scanSegment(files, segment, table.logId, new KeyHasher(table.hashSecret)).lastSequence;
}

/** One line of JSON for each record, oldest first; keys and values in base64. */
function saveRecords(
  files: Files,
  table: SegmentTable,
  segments: readonly Segment[],
  sequence: number,
  target: string,
): number {
  let records = 0;
  const fd = files.openSync(target, 'w', 0o600);
  try {
    let position = 0;
    let lines = '';
    const flush = (): void => {
      const bytes = Buffer.from(lines);
      writeAll(files, fd, bytes, position);
      position += bytes.length;
      lines = '';
    };
    const write = (line: string): void => {
      lines += `${line}\n`;
      if (lines.length > WRITE_BYTES) flush();
    };
    const logId = table.logId.toString(16).padStart(16, '0');
    write(JSON.stringify({ schema: 'zdb.diverged.1', logId, after: sequence }));
    for (const segment of segments) {
      scanSegment(files, segment, table.logId, new KeyHasher(table.hashSecret), (bytes, at) => {
        const record = recordIn(bytes, at);
        if (record.sequence <= sequence) return;
        write(JSON.stringify(lineOf(record)));
        records++;
      });
    }
    flush();
    files.fsyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
  if (records === 0) files.unlinkSync(target);
  syncFolder(files, table.folder);
  return records;
}

function lineOf(record: ReturnType<typeof recordIn>): object {
  const { bytes, keyStart, keyLength, valueLength } = record;
  const keyEnd = keyStart + keyLength;
  return {
    sequence: record.sequence,
    namespace: namespaceOf(record.owner),
    deleted: isDeletion(record.owner),
    time: record.timeSeconds,
    previous: record.previous,
    key: bytes.toString('base64', keyStart, keyEnd),
    value: bytes.toString('base64', keyEnd, keyEnd + valueLength),
  };
}

function cut(
  files: Files,
  table: SegmentTable,
  beyond: readonly Segment[],
  sequence: number,
): void {
  const gone: string[] = [];
  let split: { segment: Segment; offset: number } | undefined;
  table.durableSequence = 0;
  for (const segment of beyond) {
    const end = endUpTo(files, table, segment, sequence);
    gone.push(segment.indexPath);
    if (end.offset === SEGMENT_HEADER_BYTES) {
      table.segments.splice(table.segments.indexOf(segment), 1);
      gone.push(segment.path);
      continue;
    }
    segment.isSealed = false;
    segment.lastSequence = end.lastSequence;
    split = { segment, offset: end.offset };
  }
  // A table that no recovery has looked at does not know of unsealed segments that they have begun.
  for (const segment of table.segments) {
    if (!segment.isSealed) segment.writtenOffset = files.fstatSync(segment.fd).size;
  }
  table.durableSequence = table.last?.lastSequence ?? 0;
  if (table.checkpoint !== 0) gone.push(table.checkpointPath(table.checkpoint));
  table.checkpoint = 0;
  table.quarantine = table.quarantine.filter(({ segmentId }) =>
    table.segments.some((one) => one.id === segmentId),
  );
  table.save();
  if (split !== undefined) {
    files.ftruncateSync(split.segment.fd, split.offset);
    files.fsyncSync(split.segment.fd);
  }
  table.removeFiles(gone);
}

/** Where the last frame ends of which all records are wanted. */
function endUpTo(
  files: Files,
  table: SegmentTable,
  segment: Segment,
  sequence: number,
): { offset: number; lastSequence: number } {
  const hasher = new KeyHasher(table.hashSecret);
  const { index, end } = scanSegment(files, segment, table.logId, hasher);
  let offset = SEGMENT_HEADER_BYTES;
  let lastSequence = segment.firstSequence - 1;
  let expected = offset;
  for (let position = 0; position <= index.count; position++) {
    const entry = position === index.count ? undefined : index.entry(position);
    const isFrameStart = entry === undefined || entry.offset !== expected;
    if (isFrameStart && position > 0) {
      const { sequence: last } = index.entry(position - 1);
      if (last > sequence) break;
      offset = entry === undefined ? end : expected;
      lastSequence = last;
    }
    if (entry === undefined) break;
    const { lengths } = entry;
    expected = entry.offset + recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
  }
  return { offset: Math.max(offset, SEGMENT_HEADER_BYTES), lastSequence };
}
