import { GridError } from '@commongrid/base';
import { syncFolderAsync } from '@commongrid/files';
import type { BcdbErrorCode } from '../../errors.ts';
import type { StoredBody } from '../log-engine.ts';
import { bySegment } from './segment-rewriter.ts';
import type { SegmentRewriter } from './segment-rewriter.ts';
import type { SegmentTable } from './segment.ts';

/** Longest segment after bodies were put in, bytes: offsets of its index have 32 bits. */
const grownSegmentBytesMax = 2 * 1024 * 1024 * 1024;

/**
 * Puts bodies into entries that have none. There is no list of what is under way, as there is for
 * erasures: whoever misses bodies sees which ones, and asks for them again.
 * @throws BCDB_TOO_LARGE
 */
export function addBodies(
  table: SegmentTable,
  rewriter: SegmentRewriter,
  bodies: readonly StoredBody[],
): Promise<void> {
  if (bodies.length === 0) return Promise.resolve();
  const bySeq = new Map(bodies.map(({ seq, body }) => [seq, body]));
  const sequences = [...bySeq.keys()];
  return rewriter.alone(async () => {
    requireRoom(table, bySeq);
    await rewriter.change(sequences, (entry, seq) =>
      entry.body === undefined ? { leaf: entry.leaf, body: bySeq.get(seq) } : entry,
    );
    await syncFolderAsync(table.files, table.folder);
  });
}

function requireRoom(table: SegmentTable, bodies: ReadonlyMap<number, Uint8Array>): void {
  for (const [segment, wanted] of bySegment(table, [...bodies.keys()])) {
    let { bytes } = segment;
    for (const seq of wanted) bytes += bodies.get(seq)?.length ?? 0;
    if (bytes <= grownSegmentBytesMax) continue;
    throw new GridError<BcdbErrorCode>(
      'BCDB_TOO_LARGE',
      `${segment.path} would grow to ${bytes} bytes with the bodies that it lacks`,
      { hint: 'remove the copy, make it anew', details: { grownSegmentBytesMax } },
    );
  }
}
