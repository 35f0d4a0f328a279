import { GridError } from '@commongrid/base';
import { packLengths } from '../engine/log/format.ts';
import type { LogRecord } from '../engine/log/frame-reader.ts';
import type { Segment } from '../engine/log/segment.ts';
import type { IndexEntry } from '../engine/log/segment-index.ts';
import type { Store } from '../engine/store.ts';
import type { ZdbErrorCode } from '../errors.ts';
import { decodeRecord } from './record-copy.ts';

/** Gives the record with a sequence as RECORD answers it; undefined when it is not there. */
export type FetchRecord = (sequence: number) => Promise<Buffer | undefined>;

/** Replacements that are held in memory at a time. */
const REPAIR_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Writes a sealed segment anew with good records of another copy of the log in the place of damaged ones.
 * The old file is replaced at once, as by compaction, or not at all.
 * @throws GridError ZDB_REPAIR_FAILED when a record cannot be had, or is not the one that is missing
 */
export async function repairSegment(
  store: Store,
  segment: Segment,
  badSequences: readonly number[],
  fetch: FetchRecord,
): Promise<void> {
  const index = await store.locator.load(segment);
  const replacements = new Map<number, LogRecord>();
  let sizeBytes = 0;
  for (const sequence of badSequences) {
    const position = index.lowerBound(sequence);
    const entry = position < index.count ? index.entry(position) : undefined;
    if (entry?.sequence !== sequence) throw failed(sequence, 'the index does not know it either');
    const bytes = await fetch(sequence);
    if (bytes === undefined) throw failed(sequence, 'no other copy has it');
    sizeBytes += bytes.length;
    if (sizeBytes > REPAIR_BYTES_MAX) throw failed(sequence, 'too much of the segment is damaged');
    const record = decodeRecord(bytes);
    if (record === undefined) throw failed(sequence, 'it arrived damaged');
    if (!isSame(store, record, entry)) throw failed(sequence, 'the other copy has another record');
    replacements.set(sequence, record);
  }
  await store.maintenance.rewrite(segment, replacements);
  if (store.table.segments.includes(segment)) {
    throw new GridError<ZdbErrorCode>('ZDB_REPAIR_FAILED', `${segment.path} is still written to`, {
      hint: 'NSJUMP begins a new segment; then repair again',
    });
  }
}

/** The index was not damaged: what it says of the record must fit. */
function isSame(store: Store, record: LogRecord, entry: IndexEntry): boolean {
  const { bytes, keyStart, keyLength, valueLength } = record;
  store.hasher.hash(bytes, keyStart, keyLength);
  return (
    record.sequence === entry.sequence &&
    packLengths(keyLength, valueLength) === entry.lengths &&
    record.timeSeconds === entry.timeSeconds &&
    record.owner << 8 === entry.owner << 8 &&
    store.hasher.low === entry.low &&
    store.hasher.high === entry.high
  );
}

function failed(sequence: number, reason: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_REPAIR_FAILED', `record ${sequence} cannot be repaired: ${reason}`, {
    hint: 'ask another replica, or accept the loss: grid zdb repair --data DIR --accept-loss',
    details: { sequence },
  });
}
