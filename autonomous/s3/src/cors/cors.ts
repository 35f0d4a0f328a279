import type { DatabaseSync } from 'node:sqlite';

import { rowOf } from '../meta/statements.ts';
import { parseCors } from '../protocol/bucket-documents.ts';
import type { CorsRule } from '../protocol/bucket-documents.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request, S3Response } from '../protocol/s3-request.ts';
import { fitsPattern } from '../rights/pattern.ts';

/** Documents that are kept as they were read; beyond it all are read anew. */
const keptDocumentsMax = 1000;

const vary = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method';

/** What a page of another origin may do, by the CORS document of a bucket. */
export class Cors {
  readonly #read: <T>(query: (db: DatabaseSync) => T) => T;
  readonly #kept = new Map<string, readonly CorsRule[]>();

  constructor(tables: { read<T>(query: (db: DatabaseSync) => T): T }) {
    this.#read = (query) => tables.read(query);
  }

  /** Headers of the answer to a request of a browser; undefined where no rule fits. */
  readonly headersFor = (request: S3Request): Readonly<Record<string, string>> | undefined => {
    const origin = textOf(request.headers['origin']);
    // What was asked ahead has its own answer.
    if (origin === undefined || request.method === 'OPTIONS') return undefined;
    const rule = ruleFor(this.#rulesOf(request.bucket), origin, request.method, []);
    return rule && answerHeaders(rule, origin, []);
  };

  /** Answers a browser that asks ahead what it may. @throws S3Error AccessForbidden, InvalidRequest */
  preflight({ bucket, headers }: Pick<S3Request, 'bucket' | 'headers'>): S3Response {
    const origin = textOf(headers['origin']);
    const method = textOf(headers['access-control-request-method']);
    if (origin === undefined || method === undefined) {
      throw new S3Error(
        'InvalidRequest',
        'Insufficient information. Origin request header needed.',
      );
    }
    const asked = (textOf(headers['access-control-request-headers']) ?? '')
      .split(',')
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== '');
    const rule = ruleFor(this.#rulesOf(bucket), origin, method, asked);
    if (rule === undefined) throw new S3Error('AccessForbidden');
    return { headers: answerHeaders(rule, origin, asked) };
  }

  #rulesOf(bucket: string | undefined): readonly CorsRule[] {
    if (bucket === undefined) return [];
    const sql = `SELECT document FROM s3_buckets AS b JOIN s3_documents AS d ON d.bucket = b.no
      WHERE b.name = ? AND d.kind = 'cors'`;
    const document = this.#read((db) => rowOf(db, sql, bucket))?.['document'];
    if (typeof document !== 'string') return [];
    const kept = this.#kept.get(document);
    if (kept !== undefined) return kept;
    const rules = rulesIn(document);
    if (this.#kept.size >= keptDocumentsMax) this.#kept.clear();
    this.#kept.set(document, rules);
    return rules;
  }
}

/** A document that cannot be read, because a newer program wrote it, allows nothing. */
function rulesIn(document: string): readonly CorsRule[] {
  try {
    return parseCors(Buffer.from(document));
  } catch {
    return [];
  }
}

/** The first rule that allows all of it. */
function ruleFor(
  rules: readonly CorsRule[],
  origin: string,
  method: string,
  headers: readonly string[],
): CorsRule | undefined {
  return rules.find(
    (rule) =>
      rule.origins.some((pattern) => isLike(origin, pattern)) &&
      rule.methods.some((allowed) => allowed === method) &&
      headers.every((name) => rule.headers.some((pattern) => isLike(name, pattern.toLowerCase()))),
  );
}

function answerHeaders(
  rule: CorsRule,
  origin: string,
  asked: readonly string[],
): Readonly<Record<string, string>> {
  const isForAll = rule.origins.includes('*');
  const { exposed, maxAgeSeconds } = rule;
  return {
    'access-control-allow-origin': isForAll ? '*' : origin,
    'access-control-allow-methods': rule.methods.join(', '),
    ...(isForAll ? {} : { 'access-control-allow-credentials': 'true' }),
    ...(asked.length === 0 ? {} : { 'access-control-allow-headers': asked.join(', ') }),
    ...(exposed.length === 0 ? {} : { 'access-control-expose-headers': exposed.join(', ') }),
    ...(maxAgeSeconds === undefined ? {} : { 'access-control-max-age': String(maxAgeSeconds) }),
    vary,
  };
}

/** With one asterisk at most; a question mark is one. */
function isLike(text: string, pattern: string): boolean {
  return pattern.includes('?') ? text === pattern : fitsPattern(text, pattern);
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value;
}
