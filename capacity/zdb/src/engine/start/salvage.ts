import type { Files } from '@commongrid/files';
import type { KeyHasher } from '../keys/key-hash.ts';
import type { Segment } from '../log/segment.ts';
import { type IndexEntry, SegmentIndex } from '../log/segment-index.ts';
import type { BadStretch, ScanResult } from '../log/segment-scan.ts';
import { SegmentRecords } from '../log/segment-records.ts';
import { entryEnd, walkStretch } from '../log/walk-stretch.ts';

export interface SalvageOptions {
  readonly files: Files;
  readonly segment: Segment;
  readonly logId: bigint;
  readonly hasher: KeyHasher;
  /** Nothing later had been on disk: of such a frame all counts or nothing. */
  readonly durableTo: number;
}

/**
 * Adds what is sound in damaged stretches of an acknowledged log: a damaged record must not hide those
 * that were written with it.
 */
export function salvage(
  options: SalvageOptions,
  scan: ScanResult,
  stretches: readonly BadStretch[],
): ScanResult {
  if (stretches.length === 0) return scan;
  const { files, segment, logId, hasher, durableTo } = options;
  const records = new SegmentRecords(files, segment);
  const found = stretches.flatMap((stretch) => {
    const after = scan.index.lowerBound(stretch.expected);
    const next = after < scan.index.count ? scan.index.sequenceAt(after) : Infinity;
    const before = Math.min(next, durableTo + 1);
    return walkStretch(segment, stretch, before, records, logId, hasher);
  });
  const last = found.at(-1);
  if (last === undefined) return scan;
  return {
    ...scan,
    index: merged(scan.index, found),
    end: Math.max(scan.end, entryEnd(last)),
  };
}

/** Both in order of their sequences. */
function merged(index: SegmentIndex, found: readonly IndexEntry[]): SegmentIndex {
  const all = new SegmentIndex(index.base);
  let position = 0;
  for (const one of found) {
    for (; position < index.count && index.sequenceAt(position) < one.sequence; position++) {
      addTo(all, index.entry(position));
    }
    addTo(all, one);
  }
  for (; position < index.count; position++) addTo(all, index.entry(position));
  return all;
}

function addTo(index: SegmentIndex, entry: IndexEntry): void {
  const { sequence, offset, lengths, owner, low, high, previous, timeSeconds } = entry;
  // An unknown former version stands too far back for an entry: so does the first record of all.
  index.add(sequence, offset, lengths, owner, low, high, previous ?? 1, timeSeconds);
}
