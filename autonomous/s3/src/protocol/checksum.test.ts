import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { suite, test } from 'node:test';

import fc from 'fast-check';

import {
  algorithmOfHeader,
  checksumAlgorithms,
  checksumStream,
  compositeChecksum,
  fullObjectChecksum,
  multipartEtag,
  parseChecksum,
} from './checksum.ts';
import type { ChecksumAlgorithm } from './checksum.ts';
import { S3Error } from './s3-error.ts';

/** Of `123456789`, as the catalogues of CRCs have them. */
const checkValues: readonly (readonly [ChecksumAlgorithm, string])[] = [
  ['CRC32', 'cbf43926'],
  ['CRC32C', 'e3069283'],
  ['CRC64NVME', 'ae8b14860a799888'],
  ['SHA1', hash('sha1', '123456789', 'hex')],
  ['SHA256', hash('sha256', '123456789', 'hex')],
];

suite('checksums', () => {
  for (const [algorithm, expected] of checkValues) {
    test(`${algorithm} has its published check value`, () => {
      assert.equal(digest(algorithm, Buffer.from('123456789')).toString('hex'), expected);
    });

    test(`${algorithm} is the same however the bytes are cut`, () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 200 }),
          fc.nat(200),
          fc.nat(9),
          (bytes, cut, skip) => {
            const data = Buffer.from(bytes).subarray(Math.min(skip, bytes.length));
            const stream = checksumStream(algorithm);
            stream.update(data.subarray(0, cut));
            stream.update(data.subarray(cut));
            assert.deepEqual(stream.digest(), digest(algorithm, data));
          },
        ),
      );
    });
  }

  test('full-object CRCs of parts are those of the whole', () => {
    const algorithms = ['CRC32', 'CRC32C', 'CRC64NVME'] as const;
    const parts = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.constantFrom(...algorithms), parts, (algorithm, pieces) => {
        const whole = digest(algorithm, Buffer.concat(pieces)).toString('base64');
        const known = pieces.map((piece) => ({
          value: digest(algorithm, piece).toString('base64'),
          sizeBytes: piece.length,
        }));
        assert.equal(fullObjectChecksum(algorithm, known), whole);
      }),
      { numRuns: 40 },
    );
  });

  test('composite checksums are of the digests, with their count', () => {
    const part = { value: digest('SHA256', Buffer.from('a')).toString('base64'), sizeBytes: 1 };
    const twice = Buffer.concat([part, part].map(({ value }) => Buffer.from(value, 'base64')));
    const expected = `${digest('SHA256', twice).toString('base64')}-2`;
    assert.equal(compositeChecksum('SHA256', [part, part]), expected);
    assert.match(multipartEtag([hash('md5', 'a'), hash('md5', 'b')]), /^[0-9a-f]{32}-2$/);
  });

  test('headers that are not of checksums, and values of other lengths, are told apart', () => {
    assert.equal(algorithmOfHeader('x-amz-checksum-crc64nvme'), 'CRC64NVME');
    for (const name of ['x-amz-checksum-mode', 'x-amz-checksum-type', 'content-md5']) {
      assert.equal(algorithmOfHeader(name), undefined);
    }
    for (const algorithm of checksumAlgorithms) {
      for (const value of ['', 'AA==', 'AAAAAAAA!', 'A'.repeat(400)]) {
        assert.throws(() => parseChecksum(algorithm, value), S3Error);
      }
    }
  });
});

function digest(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Buffer {
  const stream = checksumStream(algorithm);
  stream.update(bytes);
  return stream.digest();
}
