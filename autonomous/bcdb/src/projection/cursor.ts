import { hash } from 'node:crypto';
import { GridError } from '@commongrid/base';
import { canonicalText } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';

/** A place in an ordered result. */
export type CursorKey = readonly (string | number | null)[];

/** Longest cursor, characters: a value of an indexed field is part of it. */
const cursorLengthMax = 2 << 20;

/** The text of a place. It fits only the query that it came from. */
export function writeCursor(query: unknown, key: CursorKey): string {
  const text = JSON.stringify([fingerprint(query), ...key]);
  return Buffer.from(text).toString('base64url');
}

/** @throws BCDB_QUERY_INVALID when it is no cursor, or one of another query */
export function readCursor(query: unknown, cursor: string, length: number): CursorKey {
  const [print, ...key] = valuesOf(cursor);
  const isKey = key.every((one) => one === null || ['string', 'number'].includes(typeof one));
  if (print !== fingerprint(query) || key.length !== length || !isKey) {
    throw queryInvalid('the cursor is not of this query');
  }
  return key as CursorKey;
}

export function queryInvalid(
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): GridError<BcdbErrorCode> {
  return new GridError('BCDB_QUERY_INVALID', message, { details });
}

function valuesOf(cursor: string): readonly unknown[] {
  if (cursor.length > cursorLengthMax) return [];
  try {
    const values: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(values) ? values : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function fingerprint(query: unknown): string {
  return hash('sha256', canonicalText(JSON.parse(JSON.stringify(query))), 'base64url').slice(0, 12);
}
