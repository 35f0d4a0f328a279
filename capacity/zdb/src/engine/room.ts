import { SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from './log/format.ts';

/** Segment size for a namespace with reserved room: never more than a sixteenth of it. */
function segmentBytesFor(maxBytes: number): number {
  if (maxBytes === 0) return SEGMENT_BYTES_MAX;
  return Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, Math.floor(maxBytes / 16)));
}

/** Room beside the reserved one for deletions, fences and compaction. */
export function headroomBytes(maxBytes: number): number {
  return Math.max(2 * segmentBytesFor(maxBytes), Math.floor(maxBytes / 16));
}
