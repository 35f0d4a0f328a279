import { crc32 } from '@commongrid/base';
import type { QueryConfig } from 'pg';
import type { Entry } from '../../record/entry.ts';
import type { LogHead, StoredBody } from '../log-engine.ts';

/*
 * The tables of a log, and every statement over them.
 *
 * `bcdb_head` has one row: how far the log goes, and the term of its writer. Every append changes that
 * row and adds its entries in one transaction, so that no reader sees a gap and no former writer gets
 * anything in.
 */

/** Version of the tables. */
export const tablesVersion = 1;

/** Two that begin at once wait for each other: PostgreSQL would let one of them fail. */
export const createTables = `
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('bcdb'));
CREATE TABLE IF NOT EXISTS bcdb_head (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  version int NOT NULL,
  log bytea NOT NULL,
  size bigint NOT NULL,
  root bytea NOT NULL,
  term bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS bcdb_entry (
  seq bigint PRIMARY KEY,
  leaf bytea NOT NULL,
  body bytea,
  crc bigint NOT NULL
);
COMMIT`;

export function insertHead(log: Uint8Array, { size, root }: LogHead): QueryConfig {
  return {
    text: `INSERT INTO bcdb_head (version, log, size, root, term) VALUES ($1, $2, $3, $4, 0)
      ON CONFLICT DO NOTHING`,
    values: [tablesVersion, Buffer.from(log), size, Buffer.from(root)],
  };
}

export const selectHead: QueryConfig = {
  text: 'SELECT version, log, size, root, term FROM bcdb_head',
};

export interface HeadRow extends Record<string, unknown> {
  readonly version: number;
  readonly log: Buffer;
  readonly size: string;
  readonly root: Buffer;
  readonly term: string;
}

/** Makes whoever runs it the writer: nobody with a former term can append any more. */
export function takeOver(log: Uint8Array): QueryConfig {
  return {
    text: `UPDATE bcdb_head SET term = term + 1 WHERE log = $1 AND version = $2
      RETURNING version, log, size, root, term`,
    values: [Buffer.from(log), tablesVersion],
  };
}

/** Changes nothing; once it is confirmed, so is all that was committed before. */
export function confirm(term: number): QueryConfig {
  return {
    text: `UPDATE bcdb_head SET term = term WHERE term = $1
      RETURNING version, log, size, root, term`,
    values: [term],
  };
}

/** What one transaction appends. */
export interface AppendGroup {
  readonly from: number;
  readonly entries: readonly Entry[];
  readonly head: LogHead;
}

/**
 * Moves the head and adds the entries. It changes no row when the writer has lost its place, or when
 * the server has stopped waiting for a standby. All bytes travel as one value: that is half of what an
 * array of them would be, and PostgreSQL takes the pieces out of it without copying the rest.
 */
export function append(group: AppendGroup, term: number, single: boolean): QueryConfig {
  const pieces: Uint8Array[] = [];
  const [at, leaf, body, crc]: [number[], number[], number[], number[]] = [[], [], [], []];
  let offset = 0;
  for (const [i, entry] of group.entries.entries()) {
    pieces.push(entry.leaf, ...(entry.body === undefined ? [] : [entry.body]));
    at.push(offset);
    leaf.push(entry.leaf.length);
    body.push(entry.body?.length ?? -1);
    crc.push(leafCrc(group.from + i, entry.leaf));
    offset += entry.leaf.length + (entry.body?.length ?? 0);
  }
  const { size, root } = group.head;
  const lists = [at, leaf, body, crc].map((list) => `{${list.join(',')}}`);
  return {
    name: 'bcdb-append',
    text: appendText,
    values: [term, group.from, size, Buffer.from(root), Buffer.concat(pieces), ...lists, single],
  };
}

const appendText = `
WITH moved AS (
  UPDATE bcdb_head SET size = $3, root = $4
  WHERE term = $1 AND size = $2
    AND ($10 OR current_setting('synchronous_standby_names') <> '')
  RETURNING true
)
INSERT INTO bcdb_entry (seq, leaf, body, crc)
SELECT $2 + i - 1,
  substring($5::bytea FROM at + 1 FOR leaf),
  CASE WHEN body >= 0 THEN substring($5::bytea FROM at + leaf + 1 FOR body) END,
  crc
FROM moved, unnest($6::int[], $7::int[], $8::int[], $9::bigint[])
  WITH ORDINALITY AS entry (at, leaf, body, crc, i)`;

/** Checksum of a leaf that also covers its place. */
export function leafCrc(seq: number, leaf: Uint8Array): number {
  return crc32(leaf, seq % 2 ** 32);
}

export interface EntryRow extends Record<string, unknown> {
  readonly seq: string;
  readonly leaf: Buffer;
  readonly body: Buffer | null;
  readonly crc: string;
}

export interface PageLimits {
  readonly entries: number;
  readonly bytes: number;
}

/** A page of entries: at most so many, and no more bytes than asked for unless one has more. */
export function selectPage(from: number, to: number, page: PageLimits): QueryConfig {
  return { name: 'bcdb-page', text: pageText, values: [from, to, page.entries, page.bytes] };
}

/** Lengths are known without fetching what is kept outside of the row. */
const pageText = `
SELECT seq, leaf, body, crc FROM (
  SELECT seq, leaf, body, crc,
    sum(octet_length(leaf) + coalesce(octet_length(body), 0)) OVER (ORDER BY seq) AS total
  FROM (
    SELECT seq, leaf, body, crc FROM bcdb_entry
    WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT $3
  ) AS page
) AS measured
WHERE total <= $4 OR seq = $1
ORDER BY seq`;

export function eraseBodies(sequences: readonly number[], term: number): QueryConfig {
  return {
    text: `UPDATE bcdb_entry SET body = NULL
      WHERE seq = ANY ($1::bigint[]) AND body IS NOT NULL
        AND EXISTS (SELECT 1 FROM bcdb_head WHERE term = $2)`,
    values: [`{${sequences.join(',')}}`, term],
  };
}

/** An entry that has a body keeps it. */
export function addBodies(bodies: readonly StoredBody[], term: number): QueryConfig {
  return {
    text: `UPDATE bcdb_entry SET body = missing.body
      FROM unnest($1::bigint[], $2::bytea[]) AS missing (seq, body)
      WHERE bcdb_entry.seq = missing.seq AND bcdb_entry.body IS NULL
        AND EXISTS (SELECT 1 FROM bcdb_head WHERE term = $3)`,
    values: [bodies.map(({ seq }) => seq), bodies.map(({ body }) => Buffer.from(body)), term],
  };
}

/** Frees what erased bodies took. */
export const vacuum: QueryConfig = { text: 'VACUUM bcdb_entry' };
