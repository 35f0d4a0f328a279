import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { throwIfAborted } from '@commongrid/base';
import { atMostRow, median } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';
import { blobTables } from '@commongrid/zstor';

import { requireBucket } from '../src/meta/buckets.ts';
import { objectsV2Page, versionsPage } from '../src/head/list-handlers.ts';
import { Query } from '../src/protocol/query.ts';
import { metaTables } from '../src/meta/s3-tables.ts';
import { rightsTables } from '../src/rights/rights-tables.ts';

const medianMsMax = 20;
const slowestMsMax = 200;
/** Pages of a measurement. */
const pagesMax = 200;
/** As many pages as the catalogue keeps in memory, KiB. */
const cacheKib = 64 * 1024;

/** A list that is read page by page, as a client would. */
interface Walk {
  readonly name: string;
  readonly bucket: string;
  readonly page: typeof objectsV2Page;
  readonly query: string;
  /** How the next page is asked for, of the document of this one. */
  readonly next: (document: string) => string | undefined;
}

const nextToken = (document: string): string | undefined => {
  const [, token] = /<NextContinuationToken>([^<]*)</.exec(document) ?? [];
  return token && `continuation-token=${token}`;
};
const nextVersion = (document: string): string | undefined => {
  const [, key] = /<NextKeyMarker>([^<]*)</.exec(document) ?? [];
  const [, id] = /<NextVersionIdMarker>([^<]*)</.exec(document) ?? [];
  if (key === undefined) return undefined;
  const marker = `key-marker=${encodeURIComponent(key)}`;
  return id === undefined ? marker : `${marker}&version-id-marker=${id}`;
};
const objects = { page: objectsV2Page, next: nextToken };

const walks: readonly Walk[] = [
  { ...objects, name: 'objects, flat', bucket: 'flat', query: '' },
  {
    ...objects,
    name: 'objects under one prefix',
    bucket: 'deep',
    query: 'delimiter=/&prefix=all/',
  },
  { ...objects, name: 'prefixes, one of all objects', bucket: 'deep', query: 'delimiter=/' },
  { ...objects, name: 'prefixes of 1,000 objects', bucket: 'wide', query: 'delimiter=/' },
  { ...objects, name: 'one object behind markers', bucket: 'gone', query: '' },
  {
    ...{ name: 'versions, markers with one behind each', bucket: 'gone', query: '' },
    ...{ page: versionsPage, next: nextVersion },
  },
];

/**
 * Pages of lists of a million entries, rows to document, in the process of the head: the median and
 * the slowest of 200 in a row, in milliseconds of wall time.
 */
export function listRows(options: BenchOptions, folder: string): BenchRow[] {
  const { only = '', isQuick = false, note, signal } = options;
  const chosen = walks.filter(({ name }) => rowName(name).includes(only));
  if (chosen.length === 0) return [];
  const count = isQuick ? 10_000 : 1_000_000;
  using db = new DatabaseSync(join(folder, 'lists.db'));
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -${cacheKib}`);
  db.exec(blobTables + metaTables + rightsTables);
  for (const [at, name] of [...new Set(chosen.map(({ bucket }) => bucket))].entries()) {
    throwIfAborted(signal);
    note(`rows of the bucket ${name}`);
    fill(db, at + 1, name, count);
  }
  return chosen.flatMap((walk) => {
    throwIfAborted(signal);
    note(walk.name);
    const times = timesOf(db, walk, options.rounds);
    const facts = { unit: 'ms', note: `${times.length} pages of ${count} entries` };
    const slowest = Math.max(...times);
    return [
      atMostRow({ ...facts, name: rowName(walk.name), ours: median(times), must: medianMsMax }),
      atMostRow({
        ...facts,
        name: `${rowName(walk.name)}, slowest`,
        ours: slowest,
        must: slowestMsMax,
      }),
    ];
  });
}

function rowName(name: string): string {
  return `page of ${name}`;
}

/** At least a page for each round: short lists are read again. */
function timesOf(db: DatabaseSync, walk: Walk, rounds: number): number[] {
  const times: number[] = [];
  while (times.length < rounds) {
    let more: string | undefined;
    do {
      const query = Query.parse(more === undefined ? walk.query : `${walk.query}&${more}`);
      const start = performance.now();
      const document = walk.page(db, requireBucket(db, walk.bucket), query);
      times.push(performance.now() - start);
      more = walk.next(document);
    } while (more !== undefined && times.length < pagesMax);
  }
  return times;
}

/** Keys of a bucket, as an expression of `n` from 1 on. */
const keysOf: Readonly<Record<string, string>> = {
  flat: `printf('object-%09d.data', n)`,
  deep: `printf('all/object-%09d.data', n)`,
  wide: `printf('folder-%06d/object-%04d', n / 1000, n % 1000)`,
  gone: `printf('object-%09d.data', n)`,
};

function fill(db: DatabaseSync, no: number, name: string, count: number): void {
  const bucket = `INSERT INTO s3_buckets VALUES
    (?, ?, 'me', 0, 0, 1, 0, 0, NULL, NULL, NULL, NULL, 0, 0, 0)`;
  db.prepare(bucket).run(name, no);
  const isGone = name === 'gone';
  if (isGone)
    insert(db, { no, count, key: keysOf[name], isMarker: true, isLatest: true, from: count });
  insert(db, { no, count, key: keysOf[name], isMarker: false, isLatest: !isGone, from: 0 });
  // What comes last, behind all the others.
  insert(db, {
    no,
    count: 1,
    key: `'zebra/last'`,
    isMarker: false,
    isLatest: true,
    from: 2 * count,
  });
}

function insert(
  db: DatabaseSync,
  rows: {
    readonly no: number;
    readonly count: number;
    readonly key: string | undefined;
    readonly isMarker: boolean;
    readonly isLatest: boolean;
    readonly from: number;
  },
): void {
  const { no, count, key = '', isMarker, isLatest, from } = rows;
  const headers = `'{"system":{"content-type":"application/octet-stream"},"user":{}}'`;
  const checksum = isMarker ? 'NULL, NULL, NULL' : `'CRC64NVME', 'FULL_OBJECT', 'AAAAAAAAAAA='`;
  db.exec(`INSERT INTO s3_versions
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ${count})
    SELECT ${no}, CAST(${key} AS BLOB), n + ${from}, randomblob(16), 0, ${Number(isMarker)},
      ${Number(isLatest)}, ${isMarker ? 0 : 'n'}, ${isMarker ? `''` : 'lower(hex(randomblob(16)))'},
      1700000000000 + n, ${checksum}, NULL, 0, NULL, NULL, n, NULL, ${headers} FROM counted`);
}
