import assert from 'node:assert/strict';
import { test } from 'node:test';

import { objectIdOf } from '../format/object-id.ts';
import type { RegularFile } from '../tree/inode.ts';
import { ReadTrace } from './read-trace.ts';

function fileOf(fill: number): RegularFile {
  const base = { mode: 0, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] };
  return { ...base, kind: 'file', sizeBytes: 9e6, chunkHashes: Buffer.alloc(32 * 18, fill) };
}

test('a trace has each chunk once, in its order, neighbours as one range', () => {
  const [one, two] = [fileOf(1), fileOf(2)];
  const trace = new ReadTrace([one, two]);
  trace.note(objectIdOf(two), 4, 5);
  trace.note(objectIdOf(two), 5, 7);
  trace.note(objectIdOf(one), 0, 0);
  trace.note(objectIdOf(two), 8, 8);
  trace.note(objectIdOf(fileOf(3)), 0, 0);
  assert.deepEqual(trace.reads, [
    { file: 1, firstChunk: 4, chunkCount: 4 },
    { file: 0, firstChunk: 0, chunkCount: 1 },
    { file: 1, firstChunk: 8, chunkCount: 1 },
  ]);
});
