import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { chunkCountOf } from '../tree/check-inode.ts';
import type { Directory, Inode } from '../tree/inode.ts';
import { tooLarge } from '../tree/tree-limits.ts';
import { walkTree } from '../tree/walk-tree.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { traceRangesMax } from './flist.ts';
import type { TraceRange } from './flist.ts';

/** Inodes in the order in which canonical bytes have them; a trace names them by it, from 1. */
export function nodesOf(root: Directory): Inode[] {
  return [...walkTree(root).flatMap(({ inode, isFirstName }) => (isFirstName ? [inode] : []))];
}

/**
 * A trace as the bytes of its section; none for an empty one.
 * @throws FLIST_TOO_LARGE, FLIST_NODE_INVALID
 */
export function traceBytesOf(
  trace: readonly TraceRange[],
  numbers: ReadonlyMap<Inode, number>,
): Uint8Array {
  const out = new ByteWriter();
  if (trace.length > traceRangesMax) throw tooLarge('ranges of trace', traceRangesMax);
  if (trace.length > 0) out.varint(trace.length);
  for (const { file, firstChunk, chunkCount } of trace) {
    const number = numbers.get(file);
    const isInFile =
      Number.isSafeInteger(firstChunk) &&
      Number.isSafeInteger(chunkCount) &&
      firstChunk >= 0 &&
      chunkCount >= 1 &&
      chunkCount <= chunkCountOf(file.sizeBytes) - firstChunk;
    if (number === undefined || !isInFile) {
      throw new GridError<FlistErrorCode>(
        'FLIST_NODE_INVALID',
        'the trace has chunks that are in no file of the tree',
        { details: { firstChunk, chunkCount, sizeBytes: file.sizeBytes } },
      );
    }
    out.varint(number);
    out.varint(firstChunk);
    out.varint(chunkCount);
  }
  return out.take();
}

/** @throws FLIST_CORRUPT, FLIST_TOO_LARGE */
export function readTrace(bytes: Uint8Array, nodes: readonly Inode[]): TraceRange[] {
  const reader = new ByteReader(bytes);
  const count = reader.count(rangeBytesMin);
  if (count === 0) throw reader.corrupt('its trace is empty');
  if (count > traceRangesMax) throw tooLarge('ranges of trace', traceRangesMax);
  const trace: TraceRange[] = [];
  for (let n = 0; n < count; n++) {
    const file = nodes[reader.varint() - 1];
    const firstChunk = reader.varint();
    const chunkCount = reader.varint();
    if (file?.kind !== 'file') throw reader.corrupt('its trace names what is no file');
    if (chunkCount < 1 || chunkCount > chunkCountOf(file.sizeBytes) - firstChunk) {
      throw reader.corrupt('its trace names chunks beyond a file');
    }
    trace.push({ file, firstChunk, chunkCount });
  }
  if (reader.left > 0) throw reader.corrupt('something follows the trace');
  return trace;
}

/** A range is three varints. */
const rangeBytesMin = 3;
