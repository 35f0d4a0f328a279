import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { suite, test } from 'node:test';

import fc from 'fast-check';

import { checksumStream } from './checksum.ts';
import { Payload } from './payload.ts';
import type { PayloadOptions } from './payload.ts';
import { planPayload } from './payload-plan.ts';
import { S3Error } from './s3-error.ts';

const data = Buffer.from('what is stored');
const md5 = hash('md5', data, 'base64');
const crc = crcOf(data);
const trailerForm = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
const trailerHeaders = {
  'x-amz-decoded-content-length': String(data.length),
  'x-amz-trailer': 'x-amz-checksum-crc32c',
};

suite('payload', () => {
  test('gives the data and what was computed of it', async () => {
    const payload = payloadOf(data, { 'content-md5': md5 }, hash('sha256', data, 'hex'));
    payload.compute({ md5: true, checksum: 'CRC32C' });
    assert.deepEqual(await payload.bytes(100), data);
    assert.deepEqual(payload.digests, {
      sizeBytes: data.length,
      md5: hash('md5', data, 'hex'),
      checksum: { algorithm: 'CRC32C', value: crc },
    });
  });

  const wrong = [
    ['content-md5', hash('md5', 'x', 'base64'), 'BadDigest'],
    ['x-amz-checksum-crc32c', 'AAAAAA==', 'BadDigest'],
    ['content-length', '15', 'IncompleteBody'],
    ['content-length', '13', 'IncompleteBody'],
  ] as const;
  for (const [name, value, code] of wrong) {
    test(`ends with ${code} when ${name} is ${value}`, async () => {
      await refused(async () => payloadOf(data, { [name]: value }).bytes(100), code);
    });
  }

  test('ends with an error when the body is not the one that was signed', async () => {
    const other = hash('sha256', 'x', 'hex');
    await refused(async () => payloadOf(data, {}, other).bytes(100), 'XAmzContentSHA256Mismatch');
  });

  test('verifies a checksum behind the data, however chunks are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(40), { maxLength: 5 }),
        fc.integer({ min: 1, max: 90 }),
        async (cuts, step) => {
          const framed = frame(cuts, `x-amz-checksum-crc32c:${crc}\r\n\r\n`);
          const payload = payloadOf(framed, trailerHeaders, trailerForm, step);
          assert.deepEqual(await payload.bytes(100), data);
          assert.deepEqual(payload.digests.checksum, { algorithm: 'CRC32C', value: crc });
        },
      ),
    );
  });

  const trailers = [
    ['x-amz-checksum-crc32c:AAAAAA==\r\n\r\n', 'BadDigest'],
    ['x-amz-checksum-crc32c:AA\r\n\r\n', 'InvalidRequest'],
    ['x-amz-checksum-crc32:AAAAAA==\r\n\r\n', 'MalformedTrailerError'],
    ['\r\n', 'MalformedTrailerError'],
    [
      `x-amz-checksum-crc32c:${crc}\r\nx-amz-checksum-crc32c:${crc}\r\n\r\n`,
      'MalformedTrailerError',
    ],
    [`x: ${'y'.repeat(5000)}`, 'MalformedTrailerError'],
    [`x-amz-checksum-crc32c:${crc}\r\n\r\nmore`, 'IncompleteBody'],
  ] as const;
  for (const [trailer, code] of trailers) {
    test(`ends with ${code} behind the trailer ${JSON.stringify(trailer.slice(0, 40))}`, async () => {
      const payload = payloadOf(frame([], trailer), trailerHeaders, trailerForm);
      await refused(async () => payload.bytes(100), code);
    });
  }

  test('frames of noise are never more than a named error', async () => {
    const words = [
      '\r\n',
      '\n',
      '0',
      'a',
      'E',
      ';',
      'chunk-signature=',
      ':',
      'f'.repeat(64),
      'x'.repeat(300),
      '\u0000',
    ];
    const noise = fc
      .array(fc.constantFrom(...words), { maxLength: 30 })
      .map((list) => list.join(''));
    await fc.assert(
      fc.asyncProperty(noise, fc.boolean(), async (text, isSigned) => {
        const form = isSigned ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER' : trailerForm;
        const payload = payloadOf(Buffer.from(text), trailerHeaders, form);
        await refused(async () => payload.bytes(100));
      }),
    );
  });

  test('is refused ahead of its body when the headers cannot be right', () => {
    for (const [headers, form, code] of [
      [{ 'content-length': '1e3' }, undefined, 'InvalidArgument'],
      [{ 'content-length': String(6 * 2 ** 30) }, undefined, 'EntityTooLarge'],
      [{ 'content-md5': 'x' }, undefined, 'InvalidDigest'],
      [{ 'x-amz-checksum-sha1': 'x' }, undefined, 'InvalidRequest'],
      [
        { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-crc32c': 'AAAAAA==' },
        undefined,
        'InvalidRequest',
      ],
      [{ 'x-amz-sdk-checksum-algorithm': 'CRC32' }, undefined, 'InvalidRequest'],
      [{}, trailerForm, 'MissingContentLength'],
      [{ ...trailerHeaders, 'x-amz-trailer': 'x-other' }, trailerForm, 'InvalidRequest'],
      [{}, 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD', 'NotImplemented'],
      [{}, 'nothing', 'InvalidArgument'],
    ] as const) {
      assert.throws(() => planPayload(headers, form, true), hasCode(code), JSON.stringify(headers));
    }
  });

  test('frees what was used when more is asked for, and no part of it before', async () => {
    const framed = Buffer.from(frame([5, 9], `x-amz-checksum-crc32c:${crc}\r\n\r\n`));
    const whole = Buffer.from(new Uint8Array(framed).buffer);
    const payload = payloadOf(whole, trailerHeaders, trailerForm);
    let text = '';
    for await (const piece of payload) {
      assert.equal(whole.length, framed.length);
      text += piece.toString();
    }
    assert.deepEqual([text, whole.length], [data.toString(), 0]);
  });

  test('leaves what it gives all at once', async () => {
    const whole = Buffer.from(new Uint8Array(data).buffer);
    assert.deepEqual(await payloadOf(whole, {}).bytes(100), data);
    assert.equal(whole.length, data.length);
  });

  test('takes no more than it is told', async () => {
    await refused(async () => payloadOf(data, {}).bytes(5), 'MaxMessageLengthExceeded');
    const unknown = { 'transfer-encoding': 'chunked', 'content-length': undefined };
    const payload = payloadOf(data, unknown, undefined, 3);
    await refused(async () => payload.bytes(5, 'EntityTooLarge'), 'EntityTooLarge');
  });
});

function payloadOf(
  wire: Buffer,
  headers: Readonly<Record<string, string | undefined>>,
  form?: string,
  step = wire.length,
): Payload {
  const plan = planPayload({ 'content-length': String(wire.length), ...headers }, form, true);
  let at = 0;
  const options: PayloadOptions = {
    plan,
    source: async () => {
      if (at >= wire.length) return undefined;
      at += step;
      return step === wire.length ? wire : wire.subarray(at - step, at);
    },
    chain: { key: Buffer.alloc(32), seed: '', timestamp: '', scope: '' },
  };
  return new Payload(options);
}

/** The data in chunks that end at `cuts`, and the trailer. */
function frame(cuts: readonly number[], trailer: string): Buffer {
  const ends = [...cuts.map((cut) => Math.min(cut, data.length)), data.length].toSorted(
    (a, b) => a - b,
  );
  const parts: Buffer[] = [];
  let from = 0;
  for (const end of ends) {
    if (end === from) continue;
    parts.push(
      Buffer.from(`${(end - from).toString(16)}\r\n`),
      data.subarray(from, end),
      Buffer.from('\r\n'),
    );
    from = end;
  }
  return Buffer.concat([...parts, Buffer.from(`0\r\n${trailer}`)]);
}

function crcOf(bytes: Buffer): string {
  const stream = checksumStream('CRC32C');
  stream.update(bytes);
  return stream.digest().toString('base64');
}

async function refused(call: () => Promise<unknown>, code?: string): Promise<void> {
  await assert.rejects(call, hasCode(code));
}

function hasCode(code: string | undefined): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof S3Error, String(error));
    if (code !== undefined) assert.equal(error.s3Code, code, error.message);
    assert.ok(error.status < 500 || error.status === 501);
    return true;
  };
}
