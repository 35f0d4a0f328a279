import type { DatabaseSync } from 'node:sqlite';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { findChunk, insertChunks, requireSameHead } from '../blob/chunk-table.ts';
import { statementOf } from '../catalog/statement-of.ts';
import { copiesAreDead, markDead } from '../collection/dead-tables.ts';
import type { PackEntry } from './pack-body.ts';

/** Ciphertext of small objects that goes into one pack. */
export const packBytes = 4 * 2 ** 20;
/** A pack with less than this of it in use is written again, together with others. */
const holedPackBytes = 0.7 * packBytes;

/** A small object that has not been packed yet. */
export interface Copied {
  readonly chunkId: Buffer;
  readonly bodyBytes: number;
  readonly parityShards: number;
}

export interface Holed {
  readonly pack: Buffer;
  readonly bytes: number;
  readonly liveBytes: number;
}

/** Small objects that wait to be packed, the oldest first, those after one. */
export function copiedChunks(db: DatabaseSync, after: Uint8Array, limit: number): Copied[] {
  const sql = `SELECT id, body_bytes, parity_shards FROM chunks WHERE is_copied = 1 AND id > ?
    AND NOT EXISTS (SELECT 1 FROM dead WHERE chunk = id) ORDER BY id LIMIT ?`;
  return statementOf(db, sql)
    .all(after, limit)
    .map((row) => ({
      chunkId: bytesOf(row['id']),
      bodyBytes: Number(row['body_bytes']),
      parityShards: Number(row['parity_shards']),
    }));
}

/** Packs of which little is in use. */
export function holedPacks(db: DatabaseSync, limit: number): Holed[] {
  const sql = `SELECT pack, bytes, live_bytes FROM packs WHERE live_bytes < ${holedPackBytes} LIMIT ?`;
  return statementOf(db, sql)
    .all(limit)
    .map((row) => ({
      pack: bytesOf(row['pack']),
      bytes: Number(row['bytes']),
      liveBytes: Number(row['live_bytes']),
    }));
}

/** Of the entries of a pack, those that are read from there. */
export function slicesIn(
  db: DatabaseSync,
  pack: Uint8Array,
  entries: readonly PackEntry[],
): PackEntry[] {
  const find = statementOf(db, 'SELECT 1 FROM slices WHERE chunk = ? AND pack = ?');
  return entries.filter(({ chunkId }) => find.get(chunkId, pack) !== undefined);
}

/**
 * From here on small objects are read from a pack; their copies are dead in the same change. Those that
 * were removed meanwhile are left out.
 * @returns how many are in it; with none the pack is not made known
 * @throws ZSTOR_CATALOG_NOT_SERVING, as `requireSameHead`
 */
export function switchToPack(
  db: DatabaseSync,
  record: ChunkRecord,
  entries: readonly PackEntry[],
): number {
  requireSameHead(db, [record]);
  return insertSlices(
    db,
    record,
    entries.filter(({ chunkId }) => isCopied(db, chunkId)),
  );
}

/**
 * As `switchToPack`, with a pack that is there already: found when tables are made again. What was in
 * another pack before leaves it.
 */
export function adoptPack(
  db: DatabaseSync,
  record: ChunkRecord,
  entries: readonly PackEntry[],
): number {
  const live = entries.filter(({ chunkId }) => isCopied(db, chunkId) || isLiveSlice(db, chunkId));
  for (const { chunkId } of live) forgetSlice(db, chunkId);
  return insertSlices(db, record, live);
}

function insertSlices(db: DatabaseSync, record: ChunkRecord, live: readonly PackEntry[]): number {
  const insert = statementOf(db, 'INSERT INTO slices VALUES (?, ?, ?, ?)');
  for (const { chunkId, offset, bytes } of live) {
    insert.run(chunkId, record.id, offset, bytes);
    if (findChunk(db, chunkId) !== undefined) copiesAreDead(db, chunkId);
  }
  insertPack(db, record, live);
  return live.length;
}

/**
 * From here on what was in some packs is read from another one; they are dead. What was removed
 * meanwhile is left out. @returns how many are in it
 * @throws ZSTOR_CATALOG_NOT_SERVING, as `requireSameHead`
 */
export function switchPacks(
  db: DatabaseSync,
  former: readonly Uint8Array[],
  record: ChunkRecord,
  entries: readonly PackEntry[],
): number {
  requireSameHead(db, [record]);
  const find = statementOf(db, 'SELECT pack FROM slices WHERE chunk = ?');
  const move = statementOf(db, 'UPDATE slices SET pack = ?, offset = ? WHERE chunk = ?');
  const names = new Set(former.map(hexOf));
  const live = entries.filter(({ chunkId }) => {
    const row = find.get(chunkId);
    return row !== undefined && names.has(hexOf(bytesOf(row['pack'])));
  });
  for (const { chunkId, offset } of live) move.run(record.id, offset, chunkId);
  for (const pack of former) {
    const left = statementOf(db, 'DELETE FROM packs WHERE pack = ?').run(pack);
    if (left.changes === 1) markDead(db, pack);
  }
  insertPack(db, record, live);
  return live.length;
}

/** A packed object is gone for good: one slice less in its pack, which is dead with the last one. */
export function forgetSlice(db: DatabaseSync, chunkId: Uint8Array): void {
  const row = statementOf(db, 'SELECT pack, bytes FROM slices WHERE chunk = ?').get(chunkId);
  if (row === undefined) return;
  const pack = bytesOf(row['pack']);
  statementOf(db, 'DELETE FROM slices WHERE chunk = ?').run(chunkId);
  const less = `UPDATE packs SET live_bytes = live_bytes - ?, live_slices = live_slices - 1
    WHERE pack = ?`;
  statementOf(db, less).run(Number(row['bytes']), pack);
  const emptied = 'DELETE FROM packs WHERE pack = ? AND live_slices = 0';
  if (statementOf(db, emptied).run(pack).changes === 1) markDead(db, pack);
}

function insertPack(db: DatabaseSync, record: ChunkRecord, live: readonly PackEntry[]): void {
  if (live.length === 0) return;
  insertChunks(db, [record]);
  const liveBytes = live.reduce((sum, { bytes }) => sum + bytes, 0);
  const sql = 'INSERT INTO packs VALUES (?, ?, ?, ?)';
  statementOf(db, sql).run(record.id, record.bodyBytes, liveBytes, live.length);
}

function isCopied(db: DatabaseSync, chunkId: Uint8Array): boolean {
  const isDead = statementOf(db, 'SELECT 1 FROM dead WHERE chunk = ?').get(chunkId) !== undefined;
  return !isDead && findChunk(db, chunkId)?.kind === 'copied';
}

function isLiveSlice(db: DatabaseSync, chunkId: Uint8Array): boolean {
  const sql = `SELECT 1 FROM slices WHERE chunk = ?
    AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.chunk = slices.chunk AND copies_only = 0)`;
  return statementOf(db, sql).get(chunkId) !== undefined;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function bytesOf(column: unknown): Buffer {
  return column instanceof Uint8Array ? Buffer.from(column) : Buffer.alloc(0);
}
