import path from 'node:path';
import { syncAsync, syncFolder, syncFolderAsync, writeAll, writeAsync } from '@commongrid/files';
import { encodeSegmentHeader, FORMAT_VERSION, SEGMENT_HEADER_BYTES } from './format.ts';
import type { Segment } from './segment.ts';
import type { SegmentTable } from './segment-table.ts';

/** Creates the file of a new segment and makes the manifest name it, before anything is in it. */
export function startSegment(table: SegmentTable, segment: Segment, createdMs: number): void {
  const { files } = table;
  const { fd, header } = openFile(table, segment, createdMs);
  writeAll(files, fd, header, 0);
  files.fdatasyncSync(fd);
  syncFolder(files, path.dirname(segment.path));
  segment.writtenOffset = SEGMENT_HEADER_BYTES;
  table.save();
}

/** As startSegment(): four syncs, which on a slow disk would hold everybody up. */
export async function startSegmentInPool(
  table: SegmentTable,
  segment: Segment,
  createdMs: number,
): Promise<void> {
  const { files } = table;
  const { fd, header } = openFile(table, segment, createdMs);
  await writeAsync(files, fd, header, header.length, 0);
  await syncAsync(files, fd);
  await syncFolderAsync(files, path.dirname(segment.path));
  segment.writtenOffset = SEGMENT_HEADER_BYTES;
  await table.saveBehind();
}

function openFile(
  { files, logId }: SegmentTable,
  segment: Segment,
  createdMs: number,
): { fd: number; header: Buffer } {
  const fd = files.openSync(segment.path, 'w+', 0o600);
  segment.adopt(fd);
  const header = encodeSegmentHeader({
    version: FORMAT_VERSION,
    logId,
    segmentId: segment.id,
    firstSequence: segment.firstSequence,
    createdMs,
  });
  return { fd, header };
}
