import { parseHttpDate } from './dates.ts';
import { S3Error } from './s3-error.ts';

/** ETags that one header may list. */
const etagsMax = 100;

/** What conditions are judged by. */
export interface ObjectState {
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedMs: number;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Judges the conditions of GET and HEAD.
 *
 * If-Match goes ahead of If-Unmodified-Since, and If-None-Match of If-Modified-Since: of each two
 * the second is not looked at when the first is there. Source: RFC 9110, 13.2.2, which AWS follows.
 * @throws S3Error PreconditionFailed
 */
export function judgeRead(headers: Headers, state: ObjectState): 'proceed' | 'not-modified' {
  const found = evaluate(headers, '', state);
  if (found.isFailed) throw failed(found.condition);
  return found.isUnchanged ? 'not-modified' : 'proceed';
}

/**
 * Whether a Range counts: with If-Range only for the state that the client has a part of. A date says
 * so less surely than an ETag, and must be that of the object. Source: RFC 9110, 13.1.5.
 */
export function judgeIfRange(headers: Headers, { etag, modifiedMs }: ObjectState): boolean {
  const value = text(headers, 'if-range')?.trim();
  if (value === undefined) return true;
  const dateMs = parseHttpDate(value);
  if (dateMs !== undefined) return dateMs === Math.floor(modifiedMs / 1000) * 1000;
  return value === `"${etag}"` || value === etag;
}

/**
 * Judges the conditions of a copy about its source; there is no answer 304.
 * @throws S3Error PreconditionFailed
 */
export function judgeCopySource(headers: Headers, state: ObjectState): void {
  const found = evaluate(headers, 'x-amz-copy-source-', state);
  if (found.isFailed || found.isUnchanged) throw failed(found.condition);
}

/**
 * Judges If-Match and If-None-Match of a write or delete, in the transaction that makes it.
 * @param state of the current version; undefined when there is none, or a delete marker
 * @throws S3Error PreconditionFailed, NoSuchKey, NotImplemented
 */
export function judgeWrite(headers: Headers, state: ObjectState | undefined): void {
  const ifMatch = text(headers, 'if-match');
  const ifNoneMatch = text(headers, 'if-none-match');
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new S3Error('NotImplemented', 'If-Match and If-None-Match exclude each other.');
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== '*') {
      throw new S3Error('NotImplemented', 'If-None-Match of a write can only be *.');
    }
    if (state !== undefined) throw failed('If-None-Match');
  }
  if (ifMatch === undefined) return;
  if (state === undefined) throw new S3Error('NoSuchKey');
  if (!matches(ifMatch, state.etag)) throw failed('If-Match');
}

interface Judgement {
  readonly isFailed: boolean;
  readonly isUnchanged: boolean;
  readonly condition: string;
}

function evaluate(headers: Headers, prefix: string, state: ObjectState): Judgement {
  const ifMatch = text(headers, `${prefix}if-match`);
  const ifNoneMatch = text(headers, `${prefix}if-none-match`);
  const unmodifiedMs = dateOf(headers, `${prefix}if-unmodified-since`);
  const modifiedMs = dateOf(headers, `${prefix}if-modified-since`);
  // Dates of HTTP have no milliseconds.
  const changedMs = Math.floor(state.modifiedMs / 1000) * 1000;
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, state.etag)) return judgement('If-Match', true, false);
  } else if (unmodifiedMs !== undefined && changedMs > unmodifiedMs) {
    return judgement('If-Unmodified-Since', true, false);
  }
  if (ifNoneMatch !== undefined) {
    return judgement('If-None-Match', false, matches(ifNoneMatch, state.etag));
  }
  const isUnchanged = modifiedMs !== undefined && changedMs <= modifiedMs;
  return judgement('If-Modified-Since', false, isUnchanged);
}

function judgement(condition: string, isFailed: boolean, isUnchanged: boolean): Judgement {
  return { condition, isFailed, isUnchanged };
}

/** Clients send ETags with quotes and without. */
function matches(header: string, etag: string): boolean {
  return header.split(',', etagsMax).some((part) => {
    const bare = part.trim().replace(/^W\//, '').replace(/^"|"$/g, '');
    return bare === '*' || bare === etag;
  });
}

/** Dates that cannot be read count as absent. */
function dateOf(headers: Headers, name: string): number | undefined {
  const value = text(headers, name);
  return value === undefined ? undefined : parseHttpDate(value);
}

function text(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

function failed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', undefined, { elements: { Condition: condition } });
}
