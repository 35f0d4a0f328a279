import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';

import { throwIfAborted } from '@commongrid/base';
import type { Catalog } from '@commongrid/zstor';

import { rowOf, rowsOf } from '../meta/statements.ts';
import type { Row } from '../meta/statements.ts';
import { versionOf } from '../meta/versions.ts';
import { appendLeaves, treeState } from './tree-tables.ts';
import type { TreeLeaf } from './tree-tables.ts';
import { describeVersion, leafHashOf } from './version-leaf.ts';

/** The catalogue, as far as the tree needs it. */
type Tables = Pick<Catalog, 'read' | 'write'>;

/** Versions that are looked at in one go; others are served in between. */
const pageVersionsMax = 500;
/** Sequences of one pass through all versions: bounds the leaves that are in memory. */
const passSequencesMax = 1_000_000;
/** Leaves of one change: about 50 KiB. */
const changeLeavesMax = 1024;

/**
 * Makes leaves of all versions that are newer than the newest leaf. Puts are not slowed by it: the
 * tables are gone through instead, which costs some microseconds a version, new or old.
 * @returns leaves of the tree
 */
export async function growTree(catalog: Tables, signal: AbortSignal): Promise<number> {
  for (;;) {
    const { state, last } = catalog.read((db) => ({ state: treeState(db), last: lastOf(db) }));
    if (state.seen >= last) return state.size;
    const upTo = Math.min(last, state.seen + passSequencesMax);
    const leaves = await leavesBetween(catalog, state.seen, upTo, signal);
    for (let at = 0; at < leaves.length; at += changeLeavesMax) {
      const some = leaves.slice(at, at + changeLeavesMax);
      const seen = some.at(-1)?.sequence ?? upTo;
      await catalog.write((db) => appendLeaves(db, some, seen));
    }
    await catalog.write((db) => appendLeaves(db, [], upTo));
  }
}

function lastOf(db: DatabaseSync): number {
  return Number(rowOf(db, 'SELECT last FROM s3_sequence')?.['last']);
}

/** Of the versions with sequences in (after, upTo], in their order. None can come there any more. */
async function leavesBetween(
  catalog: Tables,
  after: number,
  upTo: number,
  signal: AbortSignal,
): Promise<TreeLeaf[]> {
  const leaves: TreeLeaf[] = [];
  const buckets = catalog.read((db) => rowsOf(db, 'SELECT no, name FROM s3_buckets'));
  for (const { no, name } of buckets) {
    let place: Place = { key: Buffer.alloc(0), sequence: 0 };
    for (;;) {
      throwIfAborted(signal);
      const rows = catalog.read((db) => pageAfter(db, Number(no), place));
      const isNew = ({ sequence }: Row): boolean =>
        Number(sequence) > after && Number(sequence) <= upTo;
      for (const row of rows.filter(isNew)) leaves.push(leafOf(String(name), row));
      const end = rows.at(-1);
      if (end === undefined) break;
      place = { key: Buffer.from(end['key'] as Uint8Array), sequence: Number(end['sequence']) };
      await setImmediate();
    }
  }
  return leaves.toSorted((one, other) => one.sequence - other.sequence);
}

interface Place {
  readonly key: Buffer;
  readonly sequence: number;
}

/** The newest version of a key comes first. */
function pageAfter(db: DatabaseSync, bucket: number, { key, sequence }: Place): readonly Row[] {
  const rest = rowsOf(
    db,
    `SELECT * FROM s3_versions WHERE bucket = ? AND key = ? AND sequence < ?
      ORDER BY sequence DESC LIMIT ?`,
    ...[bucket, key, sequence, pageVersionsMax],
  );
  const further = rowsOf(
    db,
    `SELECT * FROM s3_versions WHERE bucket = ? AND key > ?
      ORDER BY key, sequence DESC LIMIT ?`,
    ...[bucket, key, pageVersionsMax - rest.length],
  );
  return [...rest, ...further];
}

function leafOf(bucket: string, row: Row): TreeLeaf {
  const version = versionOf(row);
  const { sequence, lock, legalHold } = version;
  const state = { lock, legalHold };
  return { sequence, state, hash: leafHashOf(describeVersion(bucket, version, state)) };
}
