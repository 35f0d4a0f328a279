import { readCheckpoint } from '../engine/keys/checkpoint.ts';
import type { KeyIndex } from '../engine/keys/key-index.ts';
import { recover } from '../engine/start/recovery.ts';
import { SegmentTable } from '../engine/log/segment-table.ts';
import type { Finding } from './finding.ts';
import { readOnlyFiles } from './folder-files.ts';

/**
 * Compares the key index that a start takes from the checkpoint with the one that the records of the
 * log give. The segments must be sound.
 */
export function checkCheckpoint(folder: string): Omit<Finding, 'isDamage'>[] {
  const named = SegmentTable.load(readOnlyFiles, folder)?.table;
  if (named === undefined || named.checkpoint === 0) return [];
  const file = named.checkpointPath(named.checkpoint);
  try {
    const checkpoint = readCheckpoint(readOnlyFiles, named);
    if (checkpoint === undefined) {
      const text = `${file} is missing or damaged; a start passes it over and takes longer`;
      return [{ file, offset: 0, bytes: 0, what: 'checkpoint-damaged', text }];
    }
    const ids = new Set(checkpoint.keys());
    const withIt = indexes(named, checkpoint);
    const without = fromRecords(folder);
    return [...ids].flatMap((id) => {
      const difference = firstDifference(withIt.get(id), without.get(id));
      if (difference === undefined) return [];
      const { slot, offset } = difference;
      const { path } = named.at(slot);
      const text = `${file} and the log differ about the record at offset ${offset} of ${path}`;
      return [{ file, offset: 0, bytes: 0, what: 'checkpoint-different', text } as const];
    });
  } finally {
    named.close();
  }
}

function fromRecords(folder: string): Map<number, KeyIndex> {
  const table = SegmentTable.load(readOnlyFiles, folder)?.table;
  if (table === undefined) return new Map();
  try {
    return indexes(table, undefined);
  } finally {
    table.close();
  }
}

function indexes(
  table: SegmentTable,
  checkpoint: Map<number, KeyIndex> | undefined,
): Map<number, KeyIndex> {
  const durableAtLeast = table.durableSequence;
  const files = readOnlyFiles;
  return recover({ files, table, durableAtLeast, checkpoint, nowMs: 0, isDryRun: true }).indexes;
}

/** The first place that only one of them names. */
function firstDifference(
  one: KeyIndex | undefined,
  other: KeyIndex | undefined,
): { slot: number; offset: number } | undefined {
  const [a, b] = [places(one), places(other)];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if (a[i] === b[i]) continue;
    const place = Math.floor(Math.min(a[i] ?? Infinity, b[i] ?? Infinity) / 2);
    return { slot: Math.floor(place / OFFSETS), offset: (place % OFFSETS) * 8 };
  }
  return undefined;
}

const OFFSETS = 2 ** 25;

/** Every place that an index names, as one number each, in order. */
function places(index: KeyIndex | undefined): Float64Array {
  const found = new Float64Array((index?.liveCount ?? 0) + (index?.deletedCount ?? 0));
  let at = 0;
  index?.forEach((slot, offset, _lengths, isDeleted) => {
    found[at++] = (slot * OFFSETS + offset / 8) * 2 + (isDeleted ? 1 : 0);
  });
  return found.sort();
}
