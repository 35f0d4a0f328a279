import type { Files } from '@commongrid/files';
import { keyLengthOf, recordBytes, SEGMENT_HEADER_BYTES, valueLengthOf } from './format.ts';
import type { Segment } from './segment.ts';

/**
 * Cuts off, durably, what stands behind record `sequence` in segments that are still written to: records
 * whose writers got an error, and the bytes of a write that was refused half way. `sequence` is the last of
 * its frame. Done again after an interruption it does the rest.
 */
export function cutLog(files: Files, segments: readonly Segment[], sequence: number): void {
  for (const segment of segments) {
    // A segment that was begun in memory alone has no file that anybody names.
    if (segment.isSealed || segment.writtenOffset === 0) continue;
    const end = endOf(segment, sequence);
    if (files.fstatSync(segment.fd).size <= end) continue;
    files.ftruncateSync(segment.fd, end);
    files.fsyncSync(segment.fd);
  }
}

/** Where the last record ends that stays. */
function endOf({ index }: Segment, sequence: number): number {
  const position = index?.lowerBound(sequence + 1) ?? 0;
  if (index === undefined || position === 0) return SEGMENT_HEADER_BYTES;
  const { offset, lengths } = index.entry(position - 1);
  return offset + recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
}
