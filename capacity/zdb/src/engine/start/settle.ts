import { type Files, readUpTo, writeAll } from '@commongrid/files';
import { FRAME_HEADER_BYTES } from '../log/format.ts';
import type { Segment } from '../log/segment.ts';

const COPY_BYTES = 1024 * 1024;

/**
 * Brings to disk what a start has read from segments that are still written to. It may have come from
 * memory: when a process dies what it wrote need not be on disk, and after a failed sync the system
 * takes pages for clean that never got there, so that a sync alone would do nothing. Therefore all
 * records after `durableTo` are written once more, with the same bytes, before anybody sees them.
 */
export function settle(files: Files, segments: readonly Segment[], durableTo: number): void {
  for (const segment of segments) {
    const { index } = segment;
    if (index === undefined) continue;
    const position = index.lowerBound(durableTo + 1);
    if (position < index.count) {
      const from = index.entry(position).offset - FRAME_HEADER_BYTES;
      writeAgain(files, segment.fd, from, segment.writtenOffset);
    }
    files.fdatasyncSync(segment.fd);
  }
}

function writeAgain(files: Files, fd: number, from: number, end: number): void {
  const bytes = Buffer.allocUnsafeSlow(Math.min(COPY_BYTES, end - from));
  for (let at = from; at < end;) {
    const got = readUpTo(files, fd, bytes, 0, Math.min(bytes.length, end - at), at);
    if (got === 0) return;
    writeAll(files, fd, bytes.subarray(0, got), at);
    at += got;
  }
}
