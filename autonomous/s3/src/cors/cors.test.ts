import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';

import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request } from '../protocol/s3-request.ts';
import { Cors } from './cors.ts';

function corsOf(...rules: readonly string[]): Cors {
  const db = new DatabaseSync(':memory:');
  db.exec(`CREATE TABLE s3_buckets (name TEXT, no INTEGER);
    CREATE TABLE s3_documents (bucket INTEGER, kind TEXT, document TEXT);
    INSERT INTO s3_buckets VALUES ('data', 1), ('bare', 2)`);
  const document = rules.map((rule) => `<CORSRule>${rule}</CORSRule>`).join('');
  db.prepare(`INSERT INTO s3_documents VALUES (1, 'cors', ?)`).run(
    `<CORSConfiguration>${document}</CORSConfiguration>`,
  );
  return new Cors({ read: (query) => query(db) });
}

const app = `<AllowedOrigin>https://*.example.org</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>
  <AllowedHeader>X-Amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>
  <MaxAgeSeconds>60</MaxAgeSeconds>`;
const all = '<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>';

function ask(cors: Cors, method: string, origin: string, headers = '', bucket = 'data'): unknown {
  const asked = {
    ...{ origin, 'access-control-request-method': method },
    'access-control-request-headers': headers,
  };
  try {
    return cors.preflight({ bucket, headers: asked }).headers;
  } catch (error) {
    assert.ok(error instanceof S3Error);
    return error.s3Code;
  }
}

function headersOf(cors: Cors, method: string, origin: string): unknown {
  const request = { bucket: 'data', method, headers: { origin } };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return cors.headersFor(request as unknown as S3Request);
}

describe('CORS', () => {
  test('answers who asks ahead by the first rule that allows all of it', () => {
    const cors = corsOf(app, all);
    assert.deepEqual(ask(cors, 'PUT', 'https://a.example.org', 'x-amz-date, X-Amz-Acl'), {
      'access-control-allow-origin': 'https://a.example.org',
      'access-control-allow-methods': 'PUT',
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'x-amz-date, x-amz-acl',
      'access-control-expose-headers': 'ETag',
      'access-control-max-age': '60',
      vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    });
    assert.equal(ask(cors, 'PUT', 'https://a.example.org', 'x-other'), 'AccessForbidden');
    assert.equal(ask(cors, 'PUT', 'https://example.com'), 'AccessForbidden');
    assert.equal(ask(cors, 'DELETE', 'https://a.example.org'), 'AccessForbidden');
    assert.equal(ask(cors, 'GET', 'https://example.com', '', 'bare'), 'AccessForbidden');
    assert.equal(ask(cors, 'GET', 'https://example.com', '', 'none'), 'AccessForbidden');
    const forAll = ask(cors, 'GET', 'https://example.com');
    assert.ok(typeof forAll === 'object' && forAll !== null);
    assert.equal(Object.entries(forAll).find(([name]) => name.endsWith('origin'))?.[1], '*');
  });

  test('gives headers to the answers that pages may read', () => {
    const cors = corsOf(app);
    assert.ok(headersOf(cors, 'PUT', 'https://a.example.org'));
    assert.equal(headersOf(cors, 'GET', 'https://a.example.org'), undefined);
    assert.equal(headersOf(cors, 'PUT', 'https://evil.org'), undefined);
  });

  test('cannot be asked ahead without an origin', () => {
    assert.throws(() => corsOf(all).preflight({ bucket: 'data', headers: {} }), /Origin/);
  });
});
