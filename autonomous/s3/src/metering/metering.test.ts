import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { createRegistry } from '@commongrid/base';
import fc from 'fast-check';

import { Query } from '../protocol/query.ts';
import type { Answered } from '../protocol/s3-exchange.ts';
import { accessLine } from './access-line.ts';
import { RequestMetrics } from './request-metrics.ts';

const answered: Answered = {
  ...{ id: 'ABC', request: undefined, operation: 'GetObject', status: 200, s3Code: undefined },
  ...{ method: 'GET', target: '/data/key?versionId=7', headers: { host: 's3.example.org' } },
  ...{ remoteAddress: '192.0.2.7', isSecure: false, receivedBytes: 0, sentBytes: 1000 },
  ...{ objectBytes: 5000, tookMs: 12.4, turnAroundMs: 3.1, failure: undefined },
};
const people = { bucketOwner: 'a'.repeat(64), requester: undefined };
const atMs = Date.UTC(2026, 1, 6, 0, 0, 38);

/** The fields of a line: quoted ones, the time, and words. */
function fieldsOf(line: string): readonly string[] {
  return line.match(/"[^"]*"|\[[^\]]*\]|\S+/g) ?? [];
}

describe('a line of the access log', () => {
  test('has the fields of server access logs', () => {
    const line = accessLine(answered, people, atMs);
    assert.equal(fieldsOf(line).length, 26);
    assert.ok(line.startsWith(`${'a'.repeat(64)} - [06/Feb/2026:00:00:38 +0000] 192.0.2.7 - ABC `));
    assert.ok(
      line.includes(
        'REST.GET.OBJECT - "GET /data/key?versionId=7 HTTP/1.1" 200 - 1000 5000 12 3 - -',
      ),
    );
    const unknown = { ...answered, objectBytes: undefined, turnAroundMs: undefined };
    assert.ok(accessLine(unknown, people, atMs).includes(' 200 - 1000 - 12 - '));
    const empty = { ...answered, sentBytes: 0, objectBytes: 0, turnAroundMs: 0 };
    assert.ok(accessLine(empty, people, atMs).includes(' 200 - - 0 12 0 '));
  });

  test('names operations as AWS does', () => {
    const name = (operation: Answered['operation'], method: string): string | undefined =>
      fieldsOf(accessLine({ ...answered, operation, method }, people, atMs))[6];
    assert.equal(name('ListObjectsV2', 'GET'), 'REST.GET.BUCKET');
    assert.equal(name('PutBucketPolicy', 'PUT'), 'REST.PUT.POLICY');
    assert.equal(name('UploadPart', 'PUT'), 'REST.PUT.PART');
    assert.equal(name('CompleteMultipartUpload', 'POST'), 'REST.POST.UPLOAD');
    assert.equal(name('GetObjectLockConfiguration', 'GET'), 'REST.GET.OBJECT_LOCK');
    assert.equal(name(undefined, 'GET'), 'REST.GET.UNKNOWN');
  });

  test('has nothing of a signature', () => {
    const target =
      '/data/key?X-Amz-Credential=GRIDKEY%2F1&x=1&X-Amz-Signature=5ec4e7&x-amz-security-token=T0k' +
      '&X%2DAmz%2dSignatur%65=0ther';
    const line = accessLine({ ...answered, target }, people, atMs);
    for (const secret of ['5ec4e7', 'GRIDKEY', 'T0k', '0ther'])
      assert.ok(!line.includes(secret), line);
    assert.ok(line.includes('&x=1&'));
  });

  test('keeps an address of IPv6 one field', () => {
    const line = accessLine({ ...answered, headers: { host: '[::1]:9000' } }, people, atMs);
    assert.equal(fieldsOf(line).length, 26);
    assert.ok(line.includes(' %5B::1%5D:9000 '));
  });

  test('stays one line of as many fields whatever clients send', () => {
    const text = fc.string({
      unit: fc.oneof(fc.constantFrom('"', '\n', '\r', ' ', '\\', '[', ']'), fc.string()),
    });
    fc.assert(
      fc.property(text, text, text, text, (target, agent, host, key) => {
        const request = { key, bucket: 'data', accessKey: undefined, query: Query.parse('') };
        const headers = { 'user-agent': agent, host, referer: agent };
        const line = accessLine(
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion
          { ...answered, target, headers, request: request as Answered['request'] },
          ...([people, atMs] as const),
        );
        assert.match(line, /^[\x20-\x7e]*$/);
        assert.equal(fieldsOf(line).length, 26);
      }),
      { numRuns: 1000 },
    );
  });
});

test('metrics count requests, errors and bytes by operation', async () => {
  const metrics = new RequestMetrics();
  const registry = createRegistry();
  metrics.register(registry);
  metrics.record(answered);
  metrics.record({ ...answered, status: 404, s3Code: 'NoSuchKey', sentBytes: 10 });
  metrics.record({ ...answered, operation: 'PutObject', receivedBytes: 7, sentBytes: 0 });
  metrics.record({ ...answered, operation: undefined, s3Code: 'SignatureDoesNotMatch' });
  const text = await registry.render();
  for (const line of [
    's3_requests_total{operation="GetObject"} 2',
    's3_errors_total{operation="GetObject",code="NoSuchKey"} 1',
    's3_errors_total{operation="unknown",code="SignatureDoesNotMatch"} 1',
    's3_received_bytes_total{operation="PutObject"} 7',
    's3_sent_bytes_total{operation="GetObject"} 1010',
    's3_request_seconds_count{operation="GetObject"} 2',
  ]) {
    assert.ok(text.includes(line), text);
  }
});
