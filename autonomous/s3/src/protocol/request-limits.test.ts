import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { readAuthorization } from './authorization.ts';
import { parseCors, parseLifecycle } from './bucket-documents.ts';
import { checkTags } from './object-headers.ts';
import { Query } from './query.ts';
import { S3Error } from './s3-error.ts';
import { readXml } from './xml-reader.ts';
import { parseComplete, parseDelete, parseObjectLock } from './xml-requests.ts';

/** What an S3 client is told, or `taken`. */
function answer(call: () => unknown): string {
  try {
    call();
    return 'taken';
  } catch (error) {
    assert.ok(error instanceof S3Error, String(error));
    return error.s3Code;
  }
}

function document(root: string, element: string, count: number): Buffer {
  return Buffer.from(`<${root}>${element.repeat(count)}</${root}>`);
}

suite('limits of requests', () => {
  test('documents have so many bytes, and elements so many attributes', () => {
    const padded = (length: number): Buffer => Buffer.from('<a></a>'.padEnd(length));
    assert.equal(
      answer(() => readXml(padded(4 << 20))),
      'taken',
    );
    assert.equal(
      answer(() => readXml(padded((4 << 20) + 1))),
      'MaxMessageLengthExceeded',
    );
    const attributes = (count: number): Buffer => {
      const names = Array.from({ length: count }, (_, at) => ` a${at}="1"`);
      return Buffer.from(`<a${names.join('')}/>`);
    };
    assert.equal(
      answer(() => readXml(attributes(8))),
      'taken',
    );
    assert.equal(
      answer(() => readXml(attributes(9))),
      'MalformedXML',
    );
  });

  test('lists of documents have so many entries', () => {
    const gone = '<Object><Key>a</Key></Object>';
    assert.equal(
      answer(() => parseDelete(document('Delete', gone, 1000))),
      'taken',
    );
    assert.equal(
      answer(() => parseDelete(document('Delete', gone, 1001))),
      'MalformedXML',
    );
    const parts = (count: number): Buffer => {
      const part = (_: unknown, at: number): string =>
        `<Part><PartNumber>${Math.min(at + 1, 10_000)}</PartNumber><ETag>e</ETag></Part>`;
      return document('CompleteMultipartUpload', Array.from({ length: count }, part).join(''), 1);
    };
    assert.equal(
      answer(() => parseComplete(parts(10_000))),
      'taken',
    );
    assert.equal(
      answer(() => parseComplete(parts(10_001))),
      'MalformedXML',
    );
    const origin =
      '<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>';
    assert.equal(
      answer(() => parseCors(document('CORSConfiguration', origin, 100))),
      'taken',
    );
    assert.equal(
      answer(() => parseCors(document('CORSConfiguration', origin, 101))),
      'MalformedXML',
    );
  });

  test('rules of a lifecycle are so many, and named by so many letters', () => {
    const rule = (id: string): string =>
      `<Rule><ID>${id}</ID><Filter><Prefix>p</Prefix></Filter><Status>Enabled</Status>` +
      '<Expiration><Days>1</Days></Expiration></Rule>';
    const read = (id: string, count: number): string =>
      answer(() => parseLifecycle(document('LifecycleConfiguration', rule(id), count)));
    assert.equal(read('x'.repeat(255), 1000), 'taken');
    assert.equal(read('x', 1001), 'MalformedXML');
    assert.equal(read('x'.repeat(256), 1), 'InvalidArgument');
  });

  test('tags are so many, and as long as at AWS', () => {
    const tags = (count: number): (readonly [string, string])[] =>
      Array.from({ length: count }, (_, at) => [`k${at}`, 'v'] as const);
    assert.equal(
      answer(() => checkTags(tags(10), 10)),
      'taken',
    );
    assert.notEqual(
      answer(() => checkTags(tags(11), 10)),
      'taken',
    );
    assert.equal(
      answer(() => checkTags([['k'.repeat(128), 'v'.repeat(256)]], 10)),
      'taken',
    );
    assert.equal(
      answer(() => checkTags([['k'.repeat(129), 'v']], 10)),
      'InvalidTag',
    );
    assert.equal(
      answer(() => checkTags([['k', 'v'.repeat(257)]], 10)),
      'InvalidTag',
    );
  });

  test('a default retention is of a hundred years at most', () => {
    const lock = (days: number): Buffer =>
      Buffer.from(
        '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>' +
          `<DefaultRetention><Mode>GOVERNANCE</Mode><Days>${days}</Days></DefaultRetention>` +
          '</Rule></ObjectLockConfiguration>',
      );
    assert.equal(
      answer(() => parseObjectLock(lock(36_500))),
      'taken',
    );
    assert.notEqual(
      answer(() => parseObjectLock(lock(36_501))),
      'taken',
    );
  });

  test('a presigned URL lives for a week at most, and a signature covers a hundred headers', () => {
    const presigned = (seconds: number, signed = 'host'): string => {
      const query =
        'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20300101T000000Z' +
        '&X-Amz-Credential=key%2F20300101%2Fus-east-1%2Fs3%2Faws4_request' +
        `&X-Amz-Expires=${seconds}&X-Amz-SignedHeaders=${signed}&X-Amz-Signature=${'0'.repeat(64)}`;
      return answer(() => readAuthorization({}, Query.parse(query)));
    };
    assert.equal(presigned(604_800), 'taken');
    assert.equal(presigned(604_801), 'AuthorizationQueryParametersError');
    const names = (count: number): string =>
      Array.from({ length: count }, (_, at) => `x-${at}`).join('%3B');
    assert.equal(presigned(1, names(100)), 'taken');
    assert.equal(presigned(1, names(101)), 'AuthorizationQueryParametersError');
  });
});
