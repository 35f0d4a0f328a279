import type { DatabaseSync } from 'node:sqlite';

import { alter, rowOf } from './statements.ts';

/** Every so many rows of a body there is a mark. */
const markedRows = 64;

/**
 * `s3_marks` says of long bodies that are complete where some of their rows in `s3_parts` begin, so that
 * a range reads few of them: `start_bytes` are ahead of the row, `ordinal` counts the parts from 1 on.
 * A body without marks is read from its start on: it is short, or older than this table.
 */
export const marksTable = `
  CREATE TABLE s3_marks (
    body INTEGER NOT NULL,
    start_bytes INTEGER NOT NULL,
    part INTEGER NOT NULL,
    position INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    PRIMARY KEY (body, start_bytes)
  ) WITHOUT ROWID, STRICT;
`;

/** Rows of marks that are not what `s3_parts` says. */
export const wrongMarks = `SELECT m.body, m.start_bytes FROM s3_marks AS m LEFT JOIN (
    SELECT body, part, position, sum(size_bytes) OVER rows - size_bytes AS start_bytes,
      dense_rank() OVER (PARTITION BY body ORDER BY part) AS ordinal
    FROM s3_parts WHERE body IN (SELECT body FROM s3_marks)
    WINDOW rows AS (PARTITION BY body ORDER BY part, position)
  ) AS p ON p.body = m.body AND p.part = m.part AND p.position = m.position
    AND p.start_bytes = m.start_bytes AND p.ordinal = m.ordinal
  WHERE p.body IS NULL`;

/** A row of a body, and what is ahead of it. */
export interface BodyMark {
  readonly startBytes: number;
  readonly part: number;
  readonly position: number;
  /** Which of the parts it is of, from 1 on. */
  readonly ordinal: number;
}

const start: BodyMark = { startBytes: 0, part: 0, position: 0, ordinal: 1 };

/** Marks a body that is complete: no row of it changes any more. */
export function markBody(db: DatabaseSync, no: number): void {
  // A row without bytes has the start of the next one.
  const sql = `INSERT INTO s3_marks SELECT body, end_bytes - size_bytes, part, position, ordinal
    FROM (SELECT body, part, position, size_bytes, sum(size_bytes) OVER rows AS end_bytes,
      row_number() OVER rows AS row, dense_rank() OVER (ORDER BY part) AS ordinal
      FROM s3_parts WHERE body = ? WINDOW rows AS (ORDER BY part, position))
    WHERE row % ? = 0 AND size_bytes > 0`;
  alter(db, sql, no, markedRows);
}

export function dropMarks(db: DatabaseSync, no: number): void {
  alter(db, 'DELETE FROM s3_marks WHERE body = ?', no);
}

/** The last one at or ahead of a byte. */
export function markBefore(db: DatabaseSync, no: number, byte: number): BodyMark {
  const sql = `SELECT * FROM s3_marks WHERE body = ? AND start_bytes <= ?
    ORDER BY start_bytes DESC LIMIT 1`;
  return markOf(rowOf(db, sql, no, byte));
}

/** The last one at which a part begins, at or ahead of the part with this ordinal. */
export function markOfPart(db: DatabaseSync, no: number, ordinal: number): BodyMark {
  const sql = `SELECT * FROM s3_marks WHERE body = ? AND position = 0 AND ordinal <= ?
    ORDER BY start_bytes DESC LIMIT 1`;
  return markOf(rowOf(db, sql, no, ordinal));
}

function markOf(row: ReturnType<typeof rowOf>): BodyMark {
  if (row === undefined) return start;
  const [startBytes, ordinal] = [Number(row['start_bytes']), Number(row['ordinal'])];
  return { startBytes, ordinal, part: Number(row['part']), position: Number(row['position']) };
}
