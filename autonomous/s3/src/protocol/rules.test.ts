import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import fc from 'fast-check';

import { isBucketName, parseAddress, parseCopySource } from './address.ts';
import { judgeCopySource, judgeIfRange, judgeRead, judgeWrite } from './conditions.ts';
import { httpDate, isoDate, parseBasicDate, parseHttpDate, parseIsoDate } from './dates.ts';
import { refuseUnsupported } from './header-policy.ts';
import { headerText, headerValue, readObjectHeaders } from './object-headers.ts';
import { operations, refusedOperations } from './operations.ts';
import type { Rule } from './operations.ts';
import { Query } from './query.ts';
import { parseCopyRange, parseRange } from './range.ts';
import { routeOf } from './router.ts';
import { S3Error } from './s3-error.ts';
import { uriDecode, uriEncode } from './uri-encoding.ts';

const state = { etag: 'abc', modifiedMs: Date.UTC(2026, 0, 31, 12, 0, 0, 700) };
const before = httpDate(state.modifiedMs - 5000);
const same = httpDate(state.modifiedMs);
const after = httpDate(state.modifiedMs + 5000);

suite('conditions', () => {
  test('a range counts with If-Range only for the object that it names', () => {
    const judged = ['"abc"', 'abc', same, '"x"', 'W/"abc"', before, after, 'x'].map((value) =>
      judgeIfRange({ 'if-range': value }, state),
    );
    assert.deepEqual(judged, [true, true, true, false, false, false, false, false]);
    assert.equal(judgeIfRange({}, state), true);
  });

  const reads = [
    [{}, 'proceed'],
    [{ 'if-match': '"abc"' }, 'proceed'],
    [{ 'if-match': '"x", W/"abc"' }, 'proceed'],
    [{ 'if-match': '"x"' }, 'PreconditionFailed'],
    [{ 'if-none-match': 'abc' }, 'not-modified'],
    [{ 'if-none-match': '"x"' }, 'proceed'],
    [{ 'if-none-match': '*' }, 'not-modified'],
    [{ 'if-modified-since': same }, 'not-modified'],
    [{ 'if-modified-since': before }, 'proceed'],
    [{ 'if-modified-since': 'no date' }, 'proceed'],
    [{ 'if-unmodified-since': same }, 'proceed'],
    [{ 'if-unmodified-since': before }, 'PreconditionFailed'],
    [{ 'if-match': '"abc"', 'if-unmodified-since': before }, 'proceed'],
    [{ 'if-none-match': '"abc"', 'if-modified-since': before }, 'not-modified'],
    [{ 'if-none-match': '"x"', 'if-modified-since': after }, 'proceed'],
    [{ 'if-match': '"x"', 'if-none-match': '"abc"' }, 'PreconditionFailed'],
  ] as const;
  for (const [headers, expected] of reads) {
    test(`a read with ${JSON.stringify(headers)} gives ${expected}`, () => {
      assert.equal(
        outcome(() => judgeRead(headers, state)),
        expected,
      );
      const copied = Object.entries(headers).map(([name, value]) => [
        `x-amz-copy-source-${name}`,
        value,
      ]);
      const copies = expected === 'proceed' ? undefined : 'PreconditionFailed';
      assert.equal(
        outcome(() => judgeCopySource(Object.fromEntries(copied), state)),
        copies,
      );
    });
  }

  test('writes see the current version, and nothing as absent', () => {
    const judge = (headers: Record<string, string>, current?: typeof state): unknown =>
      outcome(() => judgeWrite(headers, current));
    assert.equal(judge({ 'if-none-match': '*' }), undefined);
    assert.equal(judge({ 'if-none-match': '*' }, state), 'PreconditionFailed');
    assert.equal(judge({ 'if-none-match': '"abc"' }, state), 'NotImplemented');
    assert.equal(judge({ 'if-match': '"abc"' }, state), undefined);
    assert.equal(judge({ 'if-match': '*' }, state), undefined);
    assert.equal(judge({ 'if-match': '"x"' }, state), 'PreconditionFailed');
    assert.equal(judge({ 'if-match': '"x"' }), 'NoSuchKey');
    assert.equal(judge({ 'if-match': 'a', 'if-none-match': '*' }), 'NotImplemented');
  });
});

suite('ranges', () => {
  const cases = [
    ['bytes=0-4', 10, [0, 4]],
    ['bytes=5-', 10, [5, 9]],
    ['bytes=-3', 10, [7, 9]],
    ['bytes=-30', 10, [0, 9]],
    ['bytes=8-99', 10, [8, 9]],
    ['bytes=8-9223372036854775806', 10, [8, 9]],
    ['bytes=10-', 10, 'InvalidRange'],
    ['bytes=0-', 0, 'InvalidRange'],
    ['bytes=-0', 10, 'InvalidRange'],
    ['bytes=4-2', 10, undefined],
    ['bytes=0-1,3-4', 10, undefined],
    ['lines=0-1', 10, undefined],
    ['bytes=-', 10, undefined],
  ] as const;
  for (const [header, size, expected] of cases) {
    test(`${header} of ${size} bytes gives ${String(expected)}`, () => {
      const range = outcome(() => parseRange(header, size));
      const given = typeof range === 'object' ? Object.values(range as object) : range;
      assert.deepEqual(given, expected);
    });
  }

  test('any header gives bytes of the object, all of them, or a named error', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^bytes=[0-9,\- ]{0,20}$/), fc.nat(), (header, size) => {
        const range = outcome(() => parseRange(header, size));
        if (range === undefined || range === 'InvalidRange') return;
        const { first, last } = range as { first: number; last: number };
        assert.ok(first >= 0 && first <= last && last < size);
      }),
    );
    assert.equal(
      outcome(() => parseCopyRange('bytes=0-10', 10)),
      'InvalidArgument',
    );
    assert.deepEqual(parseCopyRange('bytes=0-9', 10), { first: 0, last: 9 });
  });
});

suite('dates', () => {
  test('every form of the same second is read as that second', () => {
    const ms = Date.UTC(1994, 10, 6, 8, 49, 37);
    assert.equal(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT'), ms);
    assert.equal(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT'), ms);
    assert.equal(parseHttpDate('Sun Nov  6 08:49:37 1994'), ms);
    assert.equal(parseBasicDate('19941106T084937Z'), ms);
    assert.equal(parseIsoDate('1994-11-06T08:49:37Z'), ms);
    assert.equal(parseIsoDate('1994-11-06T09:49:37.000+01:00'), ms);
    assert.equal(isoDate(ms), '1994-11-06T08:49:37.000Z');
    assert.equal(parseHttpDate(httpDate(ms)), ms);
  });

  test('days that do not exist are no dates', () => {
    assert.equal(parseBasicDate('20260231T000000Z'), undefined);
    assert.equal(parseIsoDate('2026-02-31T00:00:00Z'), undefined);
    assert.equal(parseHttpDate('Sat, 31 Feb 2026 00:00:00 GMT'), undefined);
    assert.equal(parseBasicDate('20260101T246000Z'), undefined);
  });
});

suite('addresses', () => {
  test('path and host name the same bucket and key', () => {
    const inPath = parseAddress('/books/a%20b/c', 'grid:9000', ['s3.grid']);
    assert.deepEqual(inPath, { path: '/books/a b/c', bucket: 'books', key: 'a b/c' });
    const inHost = parseAddress('/a%20b/c', 'Books.S3.Grid:9000', ['s3.grid']);
    assert.deepEqual(inHost, { path: '/a b/c', bucket: 'books', key: 'a b/c' });
    assert.equal(parseAddress('/', 's3.grid', ['s3.grid']).bucket, undefined);
    assert.equal(parseAddress('/books/', 's3.grid', []).key, undefined);
    assert.equal(parseAddress('/books//x', 's3.grid', []).key, '/x');
  });

  test('names that no bucket may have, and keys that are too long, are refused', () => {
    for (const name of ['ab', 'a..b', 'A-b', '1.2.3.4', '-ab', 'ab-', 'xn--ab', 'a'.repeat(64)]) {
      assert.equal(isBucketName(name), false, name);
    }
    for (const name of ['abc', 'a.b', '1-2', 'a'.repeat(63)]) assert.ok(isBucketName(name), name);
    const refuse = (path: string): unknown => outcome(() => parseAddress(path, '', []));
    assert.equal(refuse(`/abc/${'k'.repeat(1025)}`), 'KeyTooLongError');
    assert.equal(refuse(`/abc/${'%C3%BC'.repeat(513)}`), 'KeyTooLongError');
    assert.equal(refuse('/abc/%zz'), 'InvalidURI');
    assert.equal(refuse('/abc/%ff'), 'InvalidURI');
    assert.equal(refuse('*'), 'InvalidURI');
  });

  test('the source of a copy is read with and without a slash and a version', () => {
    const plain = { bucket: 'books', key: 'a b/c?', versionId: undefined };
    assert.deepEqual(parseCopySource('/books/a%20b/c%3F'), plain);
    assert.deepEqual(parseCopySource('books/a b/c%3f?versionId=v1'), { ...plain, versionId: 'v1' });
    for (const header of ['', 'books', 'books/', '/B/k', 'books/%zz', 'books/k?other=1', '//k']) {
      assert.equal(
        outcome(() => parseCopySource(header)),
        'InvalidArgument',
        header,
      );
    }
  });

  test('every text survives its escapes, and noise is decoded or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        assert.equal(uriDecode(uriEncode(text)), text);
        assert.equal(uriDecode(uriEncode(text, true)), text);
      }),
    );
    const noise = fc.uint8Array({ maxLength: 64 }).map((b) => Buffer.from(b).toString('latin1'));
    fc.assert(
      fc.property(noise, (raw) => {
        const text = uriDecode(raw);
        if (text !== undefined) assert.equal(uriDecode(uriEncode(text)), text);
        outcome(() => Query.parse(raw));
      }),
    );
    assert.equal(
      outcome(() => Query.parse('a&'.repeat(101))),
      'InvalidArgument',
    );
  });
});

suite('routes', () => {
  for (const [name, rule] of Object.entries<Rule>({ ...operations, ...refusedOperations })) {
    test(`${name} is found by its method, query and headers`, () => {
      const parts = [rule.sub, rule.with].filter((part) => part !== undefined);
      const query = parts.map((part) => `${part}=${rule.value ?? '1'}`).join('&');
      const bucket = rule.resource === 'service' ? undefined : 'books';
      const key = rule.resource === 'object' ? 'k' : undefined;
      const headers = rule.header === undefined ? {} : { [rule.header]: 'x' };
      const find = (): unknown =>
        routeOf(rule.method, { bucket, key }, Query.parse(query), headers);
      assert.equal(outcome(find), Object.hasOwn(operations, name) ? name : 'NotImplemented');
    });
  }

  test('no method, query or resource gives an operation that was not meant', () => {
    const find = (method: string, key: string | undefined, query: string): unknown =>
      outcome(() => routeOf(method, { bucket: 'books', key }, Query.parse(query), {}));
    assert.equal(find('PATCH', 'k', ''), 'MethodNotAllowed');
    assert.equal(find('DELETE', 'k', 'retention'), 'MethodNotAllowed');
    assert.equal(find('DELETE', undefined, 'versioning'), 'MethodNotAllowed');
    assert.equal(find('PUT', 'k', 'uploadId=1'), 'MethodNotAllowed');
    assert.equal(find('GET', undefined, 'acl&tagging'), 'InvalidArgument');
    assert.equal(find('GET', undefined, 'list-type=2&prefix=a'), 'ListObjectsV2');
    assert.equal(find('GET', undefined, 'list-type=1'), 'ListObjects');
    assert.equal(find('GET', 'k', 'x-id=GetObject&versionId=1'), 'GetObject');
  });
});

suite('headers of objects', () => {
  test('metadata, tags, lock and encodings are read as they are meant', () => {
    const read = readObjectHeaders({
      'content-type': 'text/plain',
      'content-encoding': 'aws-chunked, gzip',
      'x-amz-meta-name': headerValue('grün'),
      'x-amz-tagging': 'a=1&b=x%20y',
      'x-amz-object-lock-mode': 'COMPLIANCE',
      'x-amz-object-lock-retain-until-date': '2030-01-01T00:00:00Z',
      'x-amz-object-lock-legal-hold': 'ON',
    });
    assert.deepEqual(read, {
      system: { 'content-type': 'text/plain', 'content-encoding': 'gzip' },
      user: { name: 'grün' },
      tags: [
        ['a', '1'],
        ['b', 'x y'],
      ],
      lock: { mode: 'COMPLIANCE', retainUntilMs: Date.UTC(2030, 0, 1) },
      legalHold: true,
    });
    assert.equal(headerText('\u00ff'), '\u00ff');
  });

  test('what is too much, half or unknown is refused by name', () => {
    const read = (headers: Record<string, string>): unknown =>
      outcome(() => readObjectHeaders(headers));
    assert.equal(read({ 'x-amz-meta-a': 'v'.repeat(2048) }), 'MetadataTooLarge');
    assert.equal(typeof read({ 'x-amz-meta-a': 'v'.repeat(2047) }), 'object');
    assert.equal(read({ 'x-amz-tagging': 'a=1&a=2' }), 'InvalidTag');
    assert.equal(read({ 'x-amz-tagging': 'a=%00' }), 'InvalidTag');
    assert.equal(read({ 'x-amz-object-lock-mode': 'COMPLIANCE' }), 'InvalidArgument');
    assert.equal(read({ 'x-amz-object-lock-legal-hold': 'on' }), 'InvalidArgument');
    const refuse = (headers: Record<string, string>): unknown =>
      outcome(() => refuseUnsupported(headers));
    assert.equal(refuse({ 'x-amz-server-side-encryption': 'aws:kms' }), 'NotImplemented');
    assert.equal(refuse({ 'x-amz-server-side-encryption': 'AES256' }), undefined);
    assert.equal(refuse({ 'x-amz-grant-read': 'x' }), 'NotImplemented');
    assert.equal(refuse({ 'x-amz-storage-class': 'GLACIER' }), 'InvalidStorageClass');
  });
});

/** What a call gives, or the name of the S3 error that it throws; anything else is a failure. */
function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    assert.ok(error instanceof S3Error, String(error));
    return error.s3Code;
  }
}
