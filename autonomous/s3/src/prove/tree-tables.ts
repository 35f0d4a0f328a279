import type { DatabaseSync } from 'node:sqlite';

import type { NodeReader } from '@commongrid/bcdb/browser';
import { bytesOf } from '@commongrid/zstor';

import { lockStateOf, lockValues } from '../meta/lock-columns.ts';
import type { LockState } from '../meta/lock-columns.ts';
import { alter, rowOf } from '../meta/statements.ts';
import { treeHasher } from './version-leaf.ts';

/**
 * The tree whose leaves are versions of objects, in the order of their sequences.
 *
 * - `s3_tree`: so many leaves, made of all versions up to the sequence `seen` that were there then.
 * - `s3_tree_tiles`: 256 leaves each, 50 bytes a leaf: sequence (8), lock mode (1), legal hold (1: 0
 *   nobody said, 1 no, 2 yes), end of the lock (8), hash (32). `root` is that of a full tile.
 * - `s3_anchors`: roots that BCDB has, and the proof of the record that says so.
 */
export const treeTables = `
  CREATE TABLE s3_tree (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    seen INTEGER NOT NULL
  ) STRICT;
  INSERT INTO s3_tree VALUES (1, 0, 0);
  CREATE TABLE s3_tree_tiles (
    tile INTEGER PRIMARY KEY,
    first_sequence INTEGER NOT NULL,
    leaves BLOB NOT NULL,
    root BLOB
  ) STRICT;
  CREATE INDEX s3_tree_sequences ON s3_tree_tiles (first_sequence);
  CREATE TABLE s3_anchors (
    size INTEGER PRIMARY KEY,
    root BLOB NOT NULL,
    made_ms INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
`;

/** Leaves of a tile: 2 to the 8th. */
const tileLeaves = 256;
const tileHeight = 8;
const leafBytes = 50;
const hashAt = 18;

export interface TreeState {
  readonly size: number;
  readonly seen: number;
}

/** A version as a leaf. */
export interface TreeLeaf {
  readonly sequence: number;
  readonly state: LockState;
  readonly hash: Uint8Array;
}

export function treeState(db: DatabaseSync): TreeState {
  const row = rowOf(db, 'SELECT size, seen FROM s3_tree');
  return { size: Number(row?.['size']), seen: Number(row?.['seen']) };
}

/** Adds leaves, whose sequences rise and are above all before, and notes what was seen. */
export function appendLeaves(db: DatabaseSync, leaves: readonly TreeLeaf[], seen: number): void {
  let { size } = treeState(db);
  for (let at = 0; at < leaves.length;) {
    const tile = Math.floor(size / tileLeaves);
    const room = tileLeaves - (size % tileLeaves);
    const some = leaves.slice(at, at + room);
    extendTile(db, tile, some);
    at += some.length;
    size += some.length;
  }
  alter(db, 'UPDATE s3_tree SET size = ?, seen = ?', size, seen);
}

/** Where the leaf of a version is, and what it says of the lock; undefined when it has none. */
export function findLeaf(
  db: DatabaseSync,
  sequence: number,
): { readonly no: number; readonly state: LockState } | undefined {
  const sql = `SELECT tile, leaves FROM s3_tree_tiles WHERE first_sequence <= ?
    ORDER BY first_sequence DESC LIMIT 1`;
  const row = rowOf(db, sql, sequence);
  if (row === undefined) return undefined;
  const leaves = bytesOf(row['leaves']);
  for (let at = 0; at < leaves.length; at += leafBytes) {
    if (Number(leaves.readBigUInt64BE(at)) !== sequence) continue;
    const no = Number(row['tile']) * tileLeaves + at / leafBytes;
    return { no, state: lockIn(leaves.subarray(at, at + leafBytes)) };
  }
  return undefined;
}

/** Reads nodes out of the tables, for proofs. It is for one query: it remembers what it reads. */
export class TreeReader implements NodeReader {
  readonly hasher = treeHasher;
  readonly size: number;
  readonly #db: DatabaseSync;
  readonly #nodes = new Map<string, Uint8Array>();
  readonly #tiles = new Map<number, Buffer>();

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.size = treeState(db).size;
  }

  node(height: number, index: number): Uint8Array {
    if (height === 0) return this.#leafHash(index);
    const name = `${height}/${index}`;
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const node =
      (height === tileHeight ? this.#tileRoot(index) : undefined) ?? this.#above(height, index);
    this.#nodes.set(name, node);
    return node;
  }

  #above(height: number, index: number): Uint8Array {
    // The hasher has one buffer for both sides: the right one is made before the left is put there.
    const left = this.node(height - 1, 2 * index);
    const right = this.node(height - 1, 2 * index + 1);
    return this.hasher.nodeHash(left, right);
  }

  #leafHash(no: number): Uint8Array {
    const at = (no % tileLeaves) * leafBytes + hashAt;
    return this.#tile(Math.floor(no / tileLeaves)).subarray(at, at + leafBytes - hashAt);
  }

  #tile(tile: number): Buffer {
    const known = this.#tiles.get(tile);
    if (known !== undefined) return known;
    const row = rowOf(this.#db, 'SELECT leaves FROM s3_tree_tiles WHERE tile = ?', tile);
    const leaves = bytesOf(row?.['leaves']);
    this.#tiles.set(tile, leaves);
    return leaves;
  }

  #tileRoot(tile: number): Uint8Array | undefined {
    const row = rowOf(this.#db, 'SELECT root FROM s3_tree_tiles WHERE tile = ?', tile);
    return row?.['root'] instanceof Uint8Array ? row['root'] : undefined;
  }
}

function extendTile(db: DatabaseSync, tile: number, added: readonly TreeLeaf[]): void {
  const row = rowOf(db, 'SELECT first_sequence, leaves FROM s3_tree_tiles WHERE tile = ?', tile);
  const before = row === undefined ? [] : [bytesOf(row['leaves'])];
  const leaves = Buffer.concat([...before, ...added.map(encodeLeaf)]);
  const first = row?.['first_sequence'] ?? added[0]?.sequence;
  const sql = 'INSERT OR REPLACE INTO s3_tree_tiles VALUES (?, ?, ?, ?)';
  alter(db, sql, tile, Number(first), leaves, rootOf(leaves));
}

/** Null while the tile is not full. */
function rootOf(leaves: Buffer): Uint8Array | null {
  if (leaves.length < tileLeaves * leafBytes) return null;
  let hashes: Uint8Array[] = Array.from({ length: tileLeaves }, (_, at) =>
    leaves.subarray(at * leafBytes + hashAt, (at + 1) * leafBytes),
  );
  while (hashes.length > 1) {
    hashes = Array.from({ length: hashes.length / 2 }, (_, at) =>
      treeHasher.nodeHash(hashes[2 * at] ?? leaves, hashes[2 * at + 1] ?? leaves),
    );
  }
  return hashes[0] ?? null;
}

function encodeLeaf({ sequence, state, hash }: TreeLeaf): Buffer {
  const [mode, untilMs, hold] = lockValues(state);
  const bytes = Buffer.alloc(leafBytes);
  bytes.writeBigUInt64BE(BigInt(sequence));
  bytes.writeUInt8(mode, 8);
  bytes.writeUInt8(hold === null ? 0 : hold + 1, 9);
  bytes.writeBigInt64BE(BigInt(untilMs ?? 0), 10);
  bytes.set(hash, hashAt);
  return bytes;
}

function lockIn(leaf: Buffer): LockState {
  const hold = leaf.readUInt8(9);
  return lockStateOf({
    lock_mode: leaf.readUInt8(8),
    retain_until_ms: Number(leaf.readBigInt64BE(10)),
    legal_hold: hold === 0 ? null : hold - 1,
  });
}
