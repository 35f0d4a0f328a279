import type { DatabaseSync } from 'node:sqlite';

import { bytesOf, releaseBlob, retainBlob } from '@commongrid/zstor';

import { dropMarks, markBefore, markBody, markOfPart } from './body-marks.ts';
import { nextSequence } from './s3-tables.ts';
import { alter, eachRow, numberOf, rowOf, rowsOf, textOf } from './statements.ts';
import type { Row } from './statements.ts';

/** Longest body whose blobs are released in the change that lets go of it, in bytes. */
const releasedAtOnceBytesMax = 64 << 20;
/** Most rows of such a body. */
const releasedAtOncePartsMax = 16;
/** Rows of a large body that one change lets go of. */
const releasedPartsMax = 256;

/** A piece of a body: a blob, or a few sealed bytes; neither of them when it is empty. */
export interface BodyBlob {
  readonly id: Buffer | undefined;
  readonly sealed?: Uint8Array | undefined;
  readonly sizeBytes: number;
}

/** What a version is made of: sealed bytes, or pieces; to each blob one row more refers. */
export type NewBody = { readonly inline: Uint8Array } | { readonly blobs: readonly BodyBlob[] };

export interface BodyPart {
  readonly number: number;
  readonly sizeBytes: number;
  /** Base64, of the object's algorithm, where the part has one. */
  readonly checksum: string | undefined;
  readonly blobs: readonly BodyBlob[];
}

export type Body = { readonly inline: Buffer } | { readonly parts: readonly BodyPart[] };

/** What is told of a part of an upload. */
export interface PartFacts {
  readonly sizeBytes: number;
  readonly etag: string;
  readonly checksum: string | undefined;
  readonly modifiedMs: number;
}

/** Makes a body. Blobs come with one reference for it: that of `insertBlob`, or of `retainBlob`. */
export function insertBody(db: DatabaseSync, no: number, body: NewBody): void {
  if ('inline' in body) alter(db, 'INSERT INTO s3_inline VALUES (?, ?)', no, body.inline);
  else {
    insertPieces(db, no, 1, body.blobs, undefined);
    markBody(db, no);
  }
}

/** Adds a part to the body of an upload; blobs as with `insertBody`. */
export function insertPart(
  db: DatabaseSync,
  no: number,
  part: number,
  body: NewBody,
  facts: PartFacts,
): void {
  const pieces =
    'inline' in body
      ? [{ id: undefined, sealed: body.inline, sizeBytes: facts.sizeBytes }]
      : body.blobs;
  const isEmpty = pieces.length === 0;
  insertPieces(db, no, part, isEmpty ? [{ id: undefined, sizeBytes: 0 }] : pieces, facts);
}

/** Makes a body again of its parts; what was told of it to clients is that of the version. */
export function restoreBody(db: DatabaseSync, no: number, parts: readonly BodyPart[]): void {
  for (const { number, checksum, blobs } of parts) {
    insertPieces(db, no, number, blobs, checksum === undefined ? undefined : { checksum });
  }
  markBody(db, no);
}

function insertPieces(
  db: DatabaseSync,
  no: number,
  part: number,
  pieces: readonly BodyBlob[],
  facts: Partial<PartFacts> | undefined,
): void {
  const insert = 'INSERT INTO s3_parts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)';
  for (const [position, { id, sealed, sizeBytes }] of pieces.entries()) {
    const inline = sealed === undefined ? null : nextSequence(db);
    if (sealed !== undefined) alter(db, 'INSERT INTO s3_inline VALUES (?, ?)', inline, sealed);
    const told = position === 0 ? facts : undefined;
    alter(
      ...[db, insert, no, part, position, id ?? null, inline, sizeBytes],
      ...[told?.etag ?? null, told?.checksum ?? null, told?.modifiedMs ?? null],
    );
  }
}

/** The bytes or the parts of a body, in order. */
export function findBody(db: DatabaseSync, no: number): Body {
  const row = rowOf(db, 'SELECT sealed FROM s3_inline WHERE body = ?', no);
  if (row !== undefined) return { inline: bytesOf(row['sealed']) };
  const sql = 'SELECT * FROM s3_parts WHERE body = ? ORDER BY part, position';
  const parts: (Omit<BodyPart, 'blobs'> & { sizeBytes: number; blobs: BodyBlob[] })[] = [];
  for (const each of rowsOf(db, sql, no)) {
    const number = Number(each['part']);
    const piece = pieceOf(db, each);
    const last = parts.at(-1);
    if (last?.number === number) {
      last.sizeBytes += piece.sizeBytes;
      last.blobs.push(piece);
    } else {
      const { sizeBytes } = piece;
      parts.push({ number, sizeBytes, checksum: textOf(each['checksum']), blobs: [piece] });
    }
  }
  return { parts };
}

/** Pieces of a body that follow each other. */
export interface BodyStretch {
  /** Bytes of the body that are ahead of them. */
  readonly startBytes: number;
  readonly pieces: readonly BodyBlob[];
}

/** The bytes of a body, or the pieces of it that have those from `from` up to `to`. */
export function findStretch(
  db: DatabaseSync,
  no: number,
  { from, to }: { readonly from: number; readonly to: number },
): { readonly inline: Buffer } | BodyStretch {
  const row = rowOf(db, 'SELECT sealed FROM s3_inline WHERE body = ?', no);
  if (row !== undefined) return { inline: bytesOf(row['sealed']) };
  const { startBytes, part, position } = markBefore(db, no, from);
  const sql = `SELECT * FROM s3_parts WHERE body = ? AND (part, position) >= (?, ?)
    ORDER BY part, position`;
  const pieces: BodyBlob[] = [];
  let end = startBytes;
  for (const each of eachRow(db, sql, no, part, position)) {
    if (end >= to) break;
    const piece = pieceOf(db, each);
    pieces.push(piece);
    end += piece.sizeBytes;
  }
  return { startBytes, pieces };
}

/** A part of an object, and where it lies in it. */
export interface PartSpan {
  readonly from: number;
  /** Behind its last byte. */
  readonly to: number;
  readonly checksum: string | undefined;
}

/** @param ordinal from 1 on: S3 counts the parts of an object, whatever their numbers were */
export function findPartSpan(db: DatabaseSync, no: number, ordinal: number): PartSpan | undefined {
  const mark = markOfPart(db, no, ordinal);
  const sql = `SELECT sum(size_bytes) AS size_bytes, max(checksum) AS checksum FROM s3_parts
    WHERE body = ? AND part >= ? GROUP BY part ORDER BY part LIMIT ?`;
  const count = ordinal - mark.ordinal + 1;
  const rows = rowsOf(db, sql, no, mark.part, count);
  const row = rows[count - 1];
  if (row === undefined) return undefined;
  const to = rows.reduce((sum, each) => sum + Number(each['size_bytes']), mark.startBytes);
  return { from: to - Number(row['size_bytes']), to, checksum: textOf(row['checksum']) };
}

function pieceOf(db: DatabaseSync, row: Row): BodyBlob {
  const inline = numberOf(row['inline']);
  const sizeBytes = Number(row['size_bytes']);
  if (inline === undefined) {
    return { id: row['blob'] === null ? undefined : bytesOf(row['blob']), sizeBytes };
  }
  const small = rowOf(db, 'SELECT sealed FROM s3_inline WHERE body = ?', inline);
  return { id: undefined, sealed: bytesOf(small?.['sealed']), sizeBytes };
}

/** The same bytes for another version of the same bucket, with a reference more to each blob. */
export function shareBody(db: DatabaseSync, no: number): NewBody {
  const body = findBody(db, no);
  if ('inline' in body) return body;
  const blobs = body.parts.flatMap((part) => part.blobs);
  for (const { id } of blobs) if (id !== undefined) retainBlob(db, id);
  return { blobs };
}

/** Lets go of a body to which nothing refers any more; a large one goes later, step by step. */
export function releaseBody(db: DatabaseSync, no: number): void {
  if (alter(db, 'DELETE FROM s3_inline WHERE body = ?', no) > 0) return;
  const sql = 'SELECT size_bytes FROM s3_parts WHERE body = ? LIMIT ?';
  const rows = rowsOf(db, sql, no, releasedAtOncePartsMax + 1);
  const bytes = rows.reduce((sum, row) => sum + Number(row['size_bytes']), 0);
  if (rows.length > releasedAtOncePartsMax || bytes > releasedAtOnceBytesMax) {
    alter(db, 'INSERT INTO s3_released VALUES (?)', no);
    dropMarks(db, no);
  } else {
    releasePieces(db, no, Number.POSITIVE_INFINITY);
  }
}

/** Lets go of one part of a body. */
export function releasePart(db: DatabaseSync, no: number, part: number): void {
  const own = nextSequence(db);
  const sql = 'UPDATE s3_parts SET body = ? WHERE body = ? AND part = ?';
  if (alter(db, sql, own, no, part) > 0) releaseBody(db, own);
}

/** Whether there are bodies whose blobs are to be released. */
export function hasReleased(db: DatabaseSync): boolean {
  return rowOf(db, 'SELECT 1 FROM s3_released LIMIT 1') !== undefined;
}

/** Releases blobs of a body that was let go of, one at least, until `bytesMax` of them are. */
export function releaseSome(db: DatabaseSync, bytesMax: number): void {
  const row = rowOf(db, 'SELECT body FROM s3_released ORDER BY body LIMIT 1');
  if (row === undefined) return;
  const no = Number(row['body']);
  if (releasePieces(db, no, bytesMax)) alter(db, 'DELETE FROM s3_released WHERE body = ?', no);
}

/** @returns whether nothing is left of the body */
function releasePieces(db: DatabaseSync, no: number, bytesMax: number): boolean {
  const sql = 'SELECT * FROM s3_parts WHERE body = ? ORDER BY part, position LIMIT ?';
  const rows = rowsOf(db, sql, no, releasedPartsMax);
  let bytes = 0;
  for (const row of rows) {
    if (bytes >= bytesMax) return false;
    bytes += Number(row['size_bytes']);
    const inline = numberOf(row['inline']);
    if (row['blob'] !== null) releaseBlob(db, bytesOf(row['blob']));
    if (inline !== undefined) alter(db, 'DELETE FROM s3_inline WHERE body = ?', inline);
    const gone = 'DELETE FROM s3_parts WHERE body = ? AND part = ? AND position = ?';
    alter(db, gone, no, Number(row['part']), Number(row['position']));
  }
  return rows.length < releasedPartsMax;
}
