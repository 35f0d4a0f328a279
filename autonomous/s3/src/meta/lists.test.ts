import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import fc from 'fast-check';

import { MetaTables, noHeaders } from '../testing/meta-tables.ts';
import { createBucket, setVersioning } from './buckets.ts';
import { deleteObject } from './delete-object.ts';
import { placeAfterText } from './key-pages.ts';
import type { Page, Place } from './key-pages.ts';
import { listObjects, listUploads, listVersions, placeAfterVersion } from './lists.ts';
import { parseId } from './object-ids.ts';
import { putVersion } from './put-version.ts';
import { createUpload } from './uploads.ts';

/** Keys in which prefixes, delimiters and what comes right behind them are frequent. */
const key = fc
  .array(fc.constantFrom('a', 'b', '/', '//', '\u0000', 'é', '\u{1F600}', '\u{FFFF}', '0'), {
    ...{ minLength: 1, maxLength: 5 },
  })
  .map((parts) => parts.join(''));
const asked = fc.record({
  prefix: fc.oneof(fc.constant(''), key),
  delimiter: fc.constantFrom(undefined, '/', '//', 'é', 'a/'),
  max: fc.integer({ min: 1, max: 4 }),
});

interface Asked {
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly max: number;
}

/** All rows and common prefixes in their order, by reading everything. */
function naively<R extends { readonly key: string }>(
  rows: readonly R[],
  { prefix, delimiter }: Asked,
): (R | string)[] {
  const found: (R | string)[] = [];
  for (const row of rows) {
    if (!row.key.startsWith(prefix)) continue;
    const at = delimiter === undefined ? -1 : row.key.indexOf(delimiter, prefix.length);
    const common = row.key.slice(0, at + (delimiter?.length ?? 0));
    if (at < 0) found.push(row);
    else if (!found.includes(common)) found.push(common);
  }
  return found;
}

/** The same, page by page. */
function byPages<R extends { readonly key: string }>(
  request: Asked,
  list: (from: Place | undefined) => Page<R>,
  placeAfter: (last: R | string) => Place,
): (R | string)[] {
  const found: (R | string)[] = [];
  let from: Place | undefined;
  for (;;) {
    const page = list(from);
    const count = page.rows.length + page.commonPrefixes.length;
    assert.ok(count <= request.max);
    const order = (each: R | string): Buffer =>
      Buffer.from(typeof each === 'string' ? each : each.key);
    // No row has the key of a common prefix: it would be inside of it.
    found.push(
      ...[...page.rows, ...page.commonPrefixes].toSorted((a, b) =>
        Buffer.compare(order(a), order(b)),
      ),
    );
    if (!page.isTruncated) return found;
    assert.equal(count, request.max);
    const { last } = page;
    assert.ok(last !== undefined);
    from = placeAfter('row' in last ? last.row : last.commonPrefix);
  }
}

function filled(keys: readonly string[]): { tables: MetaTables; no: number } {
  const tables = new MetaTables();
  const ref = tables.change((db) =>
    createBucket(db, { name: 'one', owner: 'me', createdMs: 1, keyNo: 0, isLockable: false }),
  );
  tables.change((db) => {
    setVersioning(db, ref, 'enabled');
    const body = { inline: Buffer.alloc(0) };
    const rules = { conditions: {}, datesMs: 1 };
    for (const [at, each] of keys.entries()) {
      const id = tables.ids.next();
      // Of some keys only older versions are left, of some nothing but markers.
      if (at % 4 !== 3) {
        const facts = { key: each, id, sizeBytes: 0, etag: String(at), modifiedMs: 1 };
        putVersion(db, ref, { ...facts, headers: noHeaders, checksum: undefined, body }, rules);
      }
      if (at % 4 >= 2) {
        const markerId = tables.ids.next();
        deleteObject(db, ref, { key: each, versionId: undefined, markerId, nowMs: 1 }, rules);
      }
      const upload = { key: each, id: tables.ids.next(), owner: 'me', startedMs: 1 };
      createUpload(db, ref, { ...upload, headers: noHeaders, checksum: undefined }, rules);
    }
  });
  return { tables, no: ref.no };
}

const whole = { prefix: '', delimiter: undefined, max: 1000, from: undefined };

suite('lists', () => {
  test('are the same page by page and read at once, with any prefix and delimiter', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 40 }), asked, (keys, request) => {
        const { tables, no } = filled(keys);
        using db = tables.db;
        tables.follower.close();
        const after = (last: { readonly key: string } | string): Place => {
          const text = typeof last === 'string' ? last : last.key;
          return placeAfterText(text, request.prefix, request.delimiter);
        };
        assert.deepEqual(
          byPages(request, (from) => listObjects(db, no, { ...request, from }), after),
          naively(listObjects(db, no, whole).rows, request),
        );
        assert.deepEqual(
          byPages(
            request,
            (from) => listVersions(db, no, { ...request, from }),
            (last) => {
              return typeof last === 'string'
                ? after(last)
                : placeAfterVersion(db, no, last.key, last.versionId);
            },
          ),
          naively(listVersions(db, no, whole).rows, request),
        );
        assert.deepEqual(
          byPages(
            request,
            (from) => listUploads(db, no, { ...request, from }),
            (last) => {
              if (typeof last === 'string') return after(last);
              const id = parseId(last.uploadId);
              assert.ok(id !== undefined);
              return { key: Buffer.from(last.key), behind: id };
            },
          ),
          naively(listUploads(db, no, whole).rows, request),
        );
      }),
      { numRuns: 200 },
    );
  });

  test('go on where they were when the version that a page ended with is deleted', () => {
    const { tables, no } = filled([]);
    using db = tables.db;
    tables.follower.close();
    const ref = { name: 'one', no };
    const rules = { conditions: {}, datesMs: 1 };
    const put = (name: string): string => {
      const facts = { key: name, id: tables.ids.next(), sizeBytes: 0, etag: '', modifiedMs: 1 };
      const rest = { headers: noHeaders, checksum: undefined, body: { inline: Buffer.alloc(0) } };
      return putVersion(db, ref, { ...facts, ...rest }, rules).versionId ?? '';
    };
    const [first, second, third] = [put('a'), put('a'), put('a')];
    put('b');
    const markerId = tables.ids.next();
    deleteObject(db, ref, { key: 'a', versionId: second, markerId, nowMs: 1 }, rules);
    const idsBehind = (versionId: string): string[] => {
      const from = placeAfterVersion(db, no, 'a', versionId);
      return listVersions(db, no, { ...whole, from }).rows.map((row) => row.versionId);
    };
    assert.equal(idsBehind(third)[0], first);
    assert.equal(idsBehind(second)[0], first);
    assert.equal(idsBehind(first).length, 1);
  });

  test('have no entry and no next page when none is asked for', () => {
    const { tables, no } = filled(['a', 'b']);
    using db = tables.db;
    tables.follower.close();
    const page = listObjects(db, no, { ...whole, max: 0 });
    assert.deepEqual(page, { rows: [], commonPrefixes: [], isTruncated: false, last: undefined });
  });
});
