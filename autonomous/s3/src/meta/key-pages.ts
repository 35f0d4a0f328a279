import type { SQLInputValue } from 'node:sqlite';

/** Rows that are asked for at once while common prefixes are skipped. */
const rowsNearPrefix = 1;
/** Behind all keys: no byte of UTF-8 is as high. */
const lastKey = Buffer.from([0xff]);

/** A place in an ordered list of rows: from a key on, or from behind a row of a key on. */
export interface Place {
  readonly key: Buffer;
  /** Of several rows with this key those behind this value, then the keys after it. */
  readonly behind?: SQLInputValue;
}

/** Rows in the order of their keys' UTF-8. */
export interface KeyRows<R> {
  /** Rows whose keys are `from` or above it and below `end`, `limit` at most. */
  readonly ofKeys: (from: Buffer, end: Buffer, limit: number) => readonly R[];
  readonly keyOf: (row: R) => Buffer;
  /** Where several rows have one key. */
  readonly within?: {
    /** Rows of a key behind the one with this value. */
    readonly ofKey: (key: Buffer, behind: SQLInputValue, limit: number) => readonly R[];
    readonly valueOf: (row: R) => SQLInputValue;
  };
}

export interface PageRequest {
  readonly prefix: string;
  /** Keys with it behind the prefix become one common prefix, up to and with it. */
  readonly delimiter: string | undefined;
  readonly max: number;
  /** Where the page begins; undefined for the beginning. */
  readonly from: Place | undefined;
}

export interface Page<R> {
  readonly rows: readonly R[];
  readonly commonPrefixes: readonly string[];
  readonly isTruncated: boolean;
  /** The last row or common prefix of the page; undefined when it is empty. */
  readonly last: { readonly row: R } | { readonly commonPrefix: string } | undefined;
}

/**
 * One page of a list. Behind a common prefix it goes on with the first key that does not begin with
 * it, so that what is inside is never read.
 */
export function pageOf<R>(source: KeyRows<R>, request: PageRequest): Page<R> {
  const { max } = request;
  const prefix = Buffer.from(request.prefix);
  const delimiter = request.delimiter === undefined ? undefined : Buffer.from(request.delimiter);
  const end = placeBehind(prefix).key;
  const rows: R[] = [];
  const commonPrefixes: string[] = [];
  let last: Page<R>['last'];
  let place = laterOf(request.from, prefix);
  let limit = delimiter === undefined ? max + 1 : rowsNearPrefix;
  for (;;) {
    const found = max === 0 ? [] : fetch(source, place, end, limit);
    let skipped: Place | undefined;
    for (const row of found) {
      const key = source.keyOf(row);
      const common = delimiter && commonPrefixOf(key, prefix.length, delimiter);
      if (rows.length + commonPrefixes.length === max) {
        return { rows, commonPrefixes, isTruncated: true, last };
      }
      if (common === undefined) {
        rows.push(row);
        last = { row };
        place = placeAfter(source, row);
      } else {
        const commonPrefix = common.toString('utf8');
        commonPrefixes.push(commonPrefix);
        last = { commonPrefix };
        skipped = placeBehind(common);
        break;
      }
    }
    if (skipped === undefined && found.length < limit) {
      return { rows, commonPrefixes, isTruncated: false, last };
    }
    place = skipped ?? place;
    const left = max - rows.length - commonPrefixes.length + 1;
    limit = skipped === undefined ? Math.min(limit * 4, left) : rowsNearPrefix;
  }
}

/** Behind all rows of a key. */
export function placeAfterKey(key: Buffer): Place {
  return { key: Buffer.concat([key, Buffer.alloc(1)]) };
}

/** Behind all keys that begin with a prefix. */
export function placeBehind(prefix: Buffer): Place {
  const last = prefix.at(-1);
  if (last === undefined) return { key: lastKey };
  const key = Buffer.from(prefix);
  key[key.length - 1] = last + 1;
  return { key };
}

/**
 * Behind what a page ended with, where that is told as a text: a key, or, where there is a delimiter,
 * perhaps a common prefix, of which nothing comes again.
 */
export function placeAfterText(text: string, prefix: string, delimiter: string | undefined): Place {
  const key = Buffer.from(text);
  if (delimiter === undefined || !text.startsWith(prefix)) return placeAfterKey(key);
  const common = commonPrefixOf(key, Buffer.byteLength(prefix), Buffer.from(delimiter));
  return common?.length === key.length ? placeBehind(key) : placeAfterKey(key);
}

function fetch<R>(source: KeyRows<R>, place: Place, end: Buffer, limit: number): readonly R[] {
  const { key, behind } = place;
  if (key.compare(end) >= 0) return [];
  if (behind === undefined || source.within === undefined) return source.ofKeys(key, end, limit);
  const rows = source.within.ofKey(key, behind, limit);
  if (rows.length === limit) return rows;
  return [...rows, ...source.ofKeys(placeAfterKey(key).key, end, limit - rows.length)];
}

function placeAfter<R>({ keyOf, within }: KeyRows<R>, row: R): Place {
  const key = keyOf(row);
  return within === undefined ? placeAfterKey(key) : { key, behind: within.valueOf(row) };
}

function commonPrefixOf(key: Buffer, from: number, delimiter: Buffer): Buffer | undefined {
  const at = key.indexOf(delimiter, from);
  return at < 0 ? undefined : key.subarray(0, at + delimiter.length);
}

function laterOf(place: Place | undefined, prefix: Buffer): Place {
  if (place === undefined || place.key.compare(prefix) < 0) return { key: prefix };
  return place;
}
