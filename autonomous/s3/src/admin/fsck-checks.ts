import type { DatabaseSync } from 'node:sqlite';

import { wrongMarks } from '../meta/body-marks.ts';

/** Findings that are told one by one; the rest is counted. */
const toldFindingsMax = 100;

/** Something in the tables that does not fit to the rest of them. */
export interface Finding {
  /** Which check found it: a name that is stable. */
  readonly kind: string;
  /** What is wrong, for people. */
  readonly text: string;
}

export interface FsckResult {
  readonly versions: number;
  readonly blobs: number;
  readonly chunks: number;
  /** By kind: how many. Empty when all is as it should be. */
  readonly counts: Readonly<Record<string, number>>;
  /** The first ones of each kind. */
  readonly findings: readonly Finding[];
}

export interface FsckOptions {
  /** Chunks of snapshots, in hex: no version refers to their blobs. */
  readonly snapshotChunks: ReadonlySet<string>;
  /** Numbers of the backends that can be read. */
  readonly readable: ReadonlySet<number>;
  readonly onCheck?: (check: string, done: number, total: number) => void;
}

type Row = Readonly<Record<string, unknown>>;

/** A query whose rows are findings. */
interface Check {
  readonly kind: string;
  readonly sql: string;
  readonly text: (row: Row) => string;
}

const keyText = `CAST(v.key AS TEXT) AS key, hex(v.id) AS id, b.name AS bucket
  FROM s3_versions AS v LEFT JOIN s3_buckets AS b ON b.no = v.bucket`;
const version = ({ bucket, key, id }: Row): string => {
  return `${String(bucket)}/${String(key)} (${String(id).toLowerCase()})`;
};
const blob = ({ id }: Row): string => `blob ${String(id).toLowerCase()}`;
const chunk = ({ id }: Row): string => `chunk ${String(id).toLowerCase()}`;

/** What must hold between the tables of buckets, versions, bodies, blobs and chunks. */
const checks: readonly Check[] = [
  {
    kind: 'version-without-bucket',
    sql: `SELECT ${keyText} WHERE b.no IS NULL`,
    text: (row) => `${version(row)} is in no bucket`,
  },
  {
    kind: 'latest-wrong',
    sql: `SELECT ${keyText} GROUP BY v.bucket, v.key
      HAVING sum(v.is_latest) <> 1 OR max(v.sequence) <> max(iif(v.is_latest = 1, v.sequence, -1))`,
    text: (row) => `of ${version(row)} the newest version is not marked as such`,
  },
  {
    kind: 'body-missing',
    sql: `SELECT ${keyText} WHERE v.is_marker = 0 AND (v.body IS NULL OR (v.size_bytes > 0
      AND NOT EXISTS (SELECT 1 FROM s3_inline AS i WHERE i.body = v.body)
      AND NOT EXISTS (SELECT 1 FROM s3_parts AS p WHERE p.body = v.body)))`,
    text: (row) => `${version(row)} has no body`,
  },
  {
    kind: 'size-wrong',
    sql: `SELECT ${keyText} JOIN (SELECT body, sum(size_bytes) AS bytes FROM s3_parts GROUP BY body)
      AS p ON p.body = v.body WHERE v.is_marker = 0 AND p.bytes <> v.size_bytes`,
    text: (row) => `the parts of ${version(row)} are not as long as it is`,
  },
  {
    kind: 'mark-wrong',
    sql: wrongMarks,
    text: ({ body, start_bytes: at }) => `body ${String(body)} has a wrong mark at ${String(at)}`,
  },
  {
    kind: 'blob-missing',
    sql: `SELECT p.body, hex(p.blob) AS id FROM s3_parts AS p LEFT JOIN blobs AS b ON b.id = p.blob
      WHERE p.blob IS NOT NULL AND b.id IS NULL`,
    text: (row) => `${blob(row)} is not known, which body ${String(row['body'])} refers to`,
  },
  {
    kind: 'small-body-missing',
    sql: `SELECT p.body FROM s3_parts AS p LEFT JOIN s3_inline AS i ON i.body = p.inline
      WHERE p.inline IS NOT NULL AND i.body IS NULL`,
    text: ({ body }) => `a part of body ${String(body)} has no bytes`,
  },
  {
    kind: 'body-unused',
    sql: `WITH used(body) AS (
        SELECT body FROM s3_versions WHERE body IS NOT NULL UNION SELECT body FROM s3_uploads
        UNION SELECT body FROM s3_released
        UNION SELECT inline FROM s3_parts WHERE inline IS NOT NULL)
      SELECT body FROM (SELECT body FROM s3_inline UNION SELECT body FROM s3_parts)
      WHERE body NOT IN (SELECT body FROM used)`,
    text: ({ body }) => `nothing refers to body ${String(body)}`,
  },
  {
    kind: 'blob-empty',
    sql: `SELECT hex(id) AS id FROM blobs WHERE id NOT IN (SELECT blob FROM blob_chunks)`,
    text: (row) => `${blob(row)} has no chunks`,
  },
  {
    kind: 'chunk-missing',
    sql: `SELECT hex(c.chunk) AS id, hex(c.blob) AS blob FROM blob_chunks AS c
      LEFT JOIN chunks AS k ON k.id = c.chunk LEFT JOIN slices AS s ON s.chunk = c.chunk
      WHERE k.id IS NULL AND s.chunk IS NULL`,
    text: (row) => `${chunk(row)} of blob ${String(row['blob']).toLowerCase()} is not known`,
  },
  {
    kind: 'pack-missing',
    sql: `SELECT hex(s.chunk) AS id, hex(s.pack) AS pack FROM slices AS s
      LEFT JOIN chunks AS k ON k.id = s.pack WHERE k.id IS NULL`,
    text: (row) =>
      `${chunk(row)} is in pack ${String(row['pack']).toLowerCase()}, which is not known`,
  },
  {
    kind: 'chunk-dead',
    sql: `SELECT hex(c.chunk) AS id FROM blob_chunks AS c JOIN dead AS d ON d.chunk = c.chunk
      WHERE d.copies_only = 0`,
    text: (row) => `${chunk(row)} is to be deleted, and a blob refers to it`,
  },
  {
    kind: 'counter-wrong',
    sql: `SELECT b.name, b.objects, b.bytes, b.upload_bytes, v.objects AS real_objects,
        v.bytes AS real_bytes, u.bytes AS real_upload_bytes
      FROM s3_buckets AS b
      LEFT JOIN (SELECT bucket, count(*) AS objects, sum(size_bytes) AS bytes FROM s3_versions
        WHERE is_marker = 0 GROUP BY bucket) AS v ON v.bucket = b.no
      LEFT JOIN (SELECT s.bucket, sum(p.size_bytes) AS bytes FROM s3_uploads AS s
        JOIN s3_parts AS p ON p.body = s.body GROUP BY s.bucket) AS u ON u.bucket = b.no
      WHERE b.objects <> coalesce(v.objects, 0) OR b.bytes <> coalesce(v.bytes, 0)
        OR b.upload_bytes <> coalesce(u.bytes, 0)`,
    text: (row) => {
      const counted = `${String(row['objects'])} objects, ${String(row['bytes'])} bytes and \
${String(row['upload_bytes'])} of uploads`;
      const real = `${Number(row['real_objects'])}, ${Number(row['real_bytes'])} and \
${Number(row['real_upload_bytes'])}`;
      return `bucket ${String(row['name'])} counts ${counted}, and has ${real}`;
    },
  },
];

/** Holds the tables against each other. One transaction: all is of one moment. */
export function checkTables(db: DatabaseSync, options: FsckOptions): FsckResult {
  const found = new Findings();
  const total = checks.length + 2;
  db.exec('BEGIN');
  try {
    for (const [at, { kind, sql, text }] of checks.entries()) {
      options.onCheck?.(kind, at, total);
      for (const row of db.prepare(sql).iterate()) found.add(kind, text(row));
    }
    options.onCheck?.('references-wrong', checks.length, total);
    checkReferences(db, options, found);
    options.onCheck?.('chunk-unreadable', checks.length + 1, total);
    checkShards(db, options, found);
    const count = (table: string): number =>
      Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);
    const sizes = {
      versions: count('s3_versions'),
      blobs: count('blobs'),
      chunks: count('chunks'),
    };
    return { ...sizes, ...found.result };
  } finally {
    db.exec('ROLLBACK');
  }
}

/** The count of a blob is that of the rows that refer to it. Snapshots have no row. */
function checkReferences(db: DatabaseSync, { snapshotChunks }: FsckOptions, found: Findings): void {
  const sql = `SELECT b.id, hex(b.id) AS name, b.refs, coalesce(p.refs, 0) AS rows FROM blobs AS b
    LEFT JOIN (SELECT blob, count(*) AS refs FROM s3_parts WHERE blob IS NOT NULL GROUP BY blob)
    AS p ON p.blob = b.id WHERE b.refs <> coalesce(p.refs, 0)`;
  const first = db.prepare('SELECT hex(chunk) AS id FROM blob_chunks WHERE blob = ? LIMIT 1');
  for (const { id, name, refs, rows } of db.prepare(sql).all()) {
    const chunkId = id instanceof Uint8Array ? first.get(id)?.['id'] : undefined;
    if (snapshotChunks.has(String(chunkId).toLowerCase()) && rows === 0) continue;
    const blobName = blob({ id: name });
    found.add(
      'references-wrong',
      `${blobName} counts ${String(refs)} rows, and has ${String(rows)}`,
    );
  }
}

/** As many shards as are needed are on backends that can be read. */
function checkShards(db: DatabaseSync, { readable }: FsckOptions, found: Findings): void {
  const sql = `SELECT hex(id) AS id, is_copied, data_shards, locations FROM chunks
    WHERE id NOT IN (SELECT chunk FROM dead) AND id NOT IN (SELECT chunk FROM slices)`;
  for (const row of db.prepare(sql).iterate()) {
    const { locations } = row;
    if (!(locations instanceof Uint8Array)) continue;
    const places = Buffer.from(locations.buffer, locations.byteOffset, locations.byteLength);
    let there = 0;
    for (let at = 0; at + 1 < places.length; at += 2) {
      if (readable.has(places.readUInt16BE(at))) there += 1;
    }
    const needed = Number(row['data_shards']);
    if (there >= needed) continue;
    found.add('chunk-unreadable', `${chunk(row)} has ${there} shards of ${needed} that it needs`);
  }
}

class Findings {
  readonly #counts: Record<string, number> = {};
  readonly #told: Finding[] = [];

  add(kind: string, text: string): void {
    const count = (this.#counts[kind] ?? 0) + 1;
    this.#counts[kind] = count;
    if (count <= toldFindingsMax) this.#told.push({ kind, text });
  }

  get result(): Pick<FsckResult, 'counts' | 'findings'> {
    return { counts: this.#counts, findings: this.#told };
  }
}
