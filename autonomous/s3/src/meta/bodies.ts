import type { DatabaseSync } from 'node:sqlite';

import { bytesOf, releaseBlob, retainBlob } from '@commongrid/zstor';

import { alter, rowOf, rowsOf, textOf } from './statements.ts';

/** Longest body whose blobs are released in the change that lets go of it, in bytes. */
const releasedAtOnceBytesMax = 64 << 20;
/** Most rows of such a body. */
const releasedAtOncePartsMax = 16;

export interface BodyBlob {
  /** undefined for a part of no bytes. */
  readonly id: Buffer | undefined;
  readonly sizeBytes: number;
}

/** What a version is made of: sealed bytes, or blobs to which one row more refers. */
export type NewBody = { readonly inline: Uint8Array } | { readonly blobs: readonly BodyBlob[] };

export interface BodyPart {
  readonly number: number;
  readonly sizeBytes: number;
  /** Base64, of the object's algorithm, where the part has one. */
  readonly checksum: string | undefined;
  readonly blobs: readonly BodyBlob[];
}

export type Body = { readonly inline: Buffer } | { readonly parts: readonly BodyPart[] };

/** Makes a body. Blobs come with one reference for it: that of `insertBlob`, or of `retainBlob`. */
export function insertBody(db: DatabaseSync, no: number, body: NewBody): void {
  if ('inline' in body) {
    alter(db, 'INSERT INTO s3_inline VALUES (?, ?)', no, body.inline);
    return;
  }
  for (const [position, { id, sizeBytes }] of body.blobs.entries()) {
    const sql = 'INSERT INTO s3_parts VALUES (?, 1, ?, ?, ?, NULL, NULL, NULL)';
    alter(db, sql, no, position, id ?? null, sizeBytes);
  }
}

/** The bytes or the parts of a body, in order. */
export function findBody(db: DatabaseSync, no: number): Body {
  const row = rowOf(db, 'SELECT sealed FROM s3_inline WHERE body = ?', no);
  if (row !== undefined) return { inline: bytesOf(row['sealed']) };
  const sql = `SELECT part, blob, size_bytes, checksum FROM s3_parts WHERE body = ?
    ORDER BY part, position`;
  const parts: (Omit<BodyPart, 'blobs'> & { sizeBytes: number; blobs: BodyBlob[] })[] = [];
  for (const each of rowsOf(db, sql, no)) {
    const number = Number(each['part']);
    const sizeBytes = Number(each['size_bytes']);
    const id = each['blob'] === null ? undefined : bytesOf(each['blob']);
    const last = parts.at(-1);
    if (last?.number === number) {
      last.sizeBytes += sizeBytes;
      last.blobs.push({ id, sizeBytes });
    } else {
      parts.push({
        ...{ number, sizeBytes, checksum: textOf(each['checksum']) },
        blobs: [{ id, sizeBytes }],
      });
    }
  }
  return { parts };
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
  } else {
    releaseParts(db, no, releasedAtOncePartsMax + 1, Number.POSITIVE_INFINITY);
  }
}

/**
 * Releases blobs of bodies that were let go of, a blob at least, until `bytesMax` of them are: to be
 * called in changes of their own until it answers false.
 */
export function releaseSome(db: DatabaseSync, bytesMax: number): boolean {
  const row = rowOf(db, 'SELECT body FROM s3_released ORDER BY body LIMIT 1');
  if (row === undefined) return false;
  const no = Number(row['body']);
  const isDone = releaseParts(db, no, 256, bytesMax);
  if (isDone) alter(db, 'DELETE FROM s3_released WHERE body = ?', no);
  return true;
}

/** @returns whether nothing is left of the body */
function releaseParts(db: DatabaseSync, no: number, partsMax: number, bytesMax: number): boolean {
  const sql = `SELECT part, position, blob, size_bytes FROM s3_parts WHERE body = ?
    ORDER BY part, position LIMIT ?`;
  const rows = rowsOf(db, sql, no, partsMax);
  let bytes = 0;
  for (const row of rows) {
    if (bytes >= bytesMax) return false;
    bytes += Number(row['size_bytes']);
    if (row['blob'] !== null) releaseBlob(db, bytesOf(row['blob']));
    const gone = 'DELETE FROM s3_parts WHERE body = ? AND part = ? AND position = ?';
    alter(db, gone, no, Number(row['part']), Number(row['position']));
  }
  return rows.length < partsMax;
}
