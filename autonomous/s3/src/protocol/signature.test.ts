import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { ChunkedDecoder } from './chunked-decoder.ts';
import { canonicalRequest } from './canonical-request.ts';
import { Query } from './query.ts';
import { S3Error } from './s3-error.ts';
import { sign, signingKey } from './signing-key.ts';
import { SignatureVerifier } from './signature.ts';
import type { UnverifiedRequest } from './signature.ts';

/** The examples of "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference. */
const accessKey = 'AKIAIOSFODNN7EXAMPLE';
const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const scope = '20130524/us-east-1/s3/aws4_request';
const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const atMs = Date.UTC(2013, 4, 24);

const vectors = [
  {
    name: 'GET Object',
    method: 'GET',
    url: '/test.txt',
    headers: { range: 'bytes=0-9' },
    hash: emptyHash,
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    name: 'PUT Object',
    method: 'PUT',
    url: '/test$file.text',
    headers: {
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    },
    hash: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    name: 'GET Bucket Lifecycle',
    method: 'GET',
    url: '/?lifecycle',
    headers: {},
    hash: emptyHash,
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  {
    name: 'GET Bucket (List Objects)',
    method: 'GET',
    url: '/?max-keys=2&prefix=J',
    headers: {},
    hash: emptyHash,
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
] as const;

suite('signature', () => {
  for (const vector of vectors) {
    test(`verifies AWS's example ${vector.name}`, async () => {
      const caller = await verifier().verify(requestOf(vector), vector.hash);
      assert.equal(caller?.accessKey, accessKey);
    });

    test(`refuses AWS's example ${vector.name} with anything changed`, async () => {
      const other = `${vector.signature.slice(0, -1)}0`;
      const changed = [
        requestOf({ ...vector, method: 'DELETE' }),
        requestOf({ ...vector, url: `${vector.url}x` }),
        requestOf({ ...vector, signature: other }),
      ];
      for (const request of changed) {
        await refused(verifier().verify(request, vector.hash), 'SignatureDoesNotMatch');
      }
      const verified = verifier().verify(requestOf(vector), 'UNSIGNED-PAYLOAD');
      await refused(verified, 'SignatureDoesNotMatch');
    });
  }

  const presigned =
    '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=' +
    `${accessKey}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z` +
    '&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=' +
    'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';

  test("verifies AWS's example of a presigned URL as long as it lives", async () => {
    const request = unsigned('GET', presigned, {});
    for (const [seconds, code] of [
      [-901, 'AccessDenied'],
      [-899, undefined],
      [0, undefined],
      [86_400, undefined],
      [86_401, 'AccessDenied'],
    ] as const) {
      const verified = verifier(atMs + seconds * 1000).verify(request, 'UNSIGNED-PAYLOAD');
      if (code === undefined) assert.equal((await verified)?.accessKey, accessKey);
      else await refused(verified, code);
    }
  });

  test('refuses presigned URLs with headers of S3 that were not signed', async () => {
    const request = unsigned('GET', presigned, { 'x-amz-tagging': 'a=b' });
    await refused(verifier().verify(request, 'UNSIGNED-PAYLOAD'), 'AccessDenied');
  });

  test('refuses clocks that are more than 15 minutes off', async () => {
    const [vector] = vectors;
    for (const minutes of [-16, 16]) {
      const verified = verifier(atMs + minutes * 60_000).verify(requestOf(vector), vector.hash);
      await refused(verified, 'RequestTimeTooSkewed');
    }
    await verifier(atMs + 15 * 60_000).verify(requestOf(vector), vector.hash);
  });

  test('names what else is wrong', async () => {
    const [vector] = vectors;
    const good = requestOf(vector);
    const header = String(good.headers['authorization']);
    for (const [authorization, code] of [
      [header.replace(accessKey, 'AKIANOBODY'), 'InvalidAccessKeyId'],
      [header.replace('us-east-1', 'eu-west-1'), 'AuthorizationHeaderMalformed'],
      [header.replace('20130524', '20130525'), 'AuthorizationHeaderMalformed'],
      [header.replace('/s3/', '/ec2/'), 'AuthorizationHeaderMalformed'],
      [header.replace('host;', ''), 'AccessDenied'],
      [header.replace('host;', 'host;x-none;'), 'SignatureDoesNotMatch'],
      ['AWS AKIAIOSFODNN7EXAMPLE:c2ln', 'InvalidRequest'],
      ['AWS4-HMAC-SHA256 nothing', 'AuthorizationHeaderMalformed'],
    ] as const) {
      const request = { ...good, headers: { ...good.headers, authorization } };
      await refused(verifier().verify(request, vector.hash), code);
    }
    assert.equal(await verifier().verify(unsigned('GET', '/', {}), 'x'), undefined);
  });

  test('derives the key anew when the secret changes', async () => {
    let current = secret;
    const changing = new SignatureVerifier({
      region: 'us-east-1',
      nowMs: () => atMs,
      secretOf: () => current,
    });
    const [vector] = vectors;
    await changing.verify(requestOf(vector), vector.hash);
    current = 'another';
    await refused(changing.verify(requestOf(vector), vector.hash), 'SignatureDoesNotMatch');
  });

  test('canonical requests join repeated headers and sort queries by their bytes', () => {
    const text = canonicalRequest({
      method: 'GET',
      path: '/a//b c/ü+',
      query: Query.parse('b=2&a=%2F&B&a=+&a-=1&=x'),
      rawHeaders: ['X-Two', '  one   1 ', 'Host', 'h', 'x-two', '2'],
      signedHeaders: ['host', 'x-two'],
      payloadHash: 'UNSIGNED-PAYLOAD',
    });
    assert.equal(
      text,
      'GET\n/a//b%20c/%C3%BC%2B\n=x&B=&a=%20&a=%2F&a-=1&b=2\nhost:h\nx-two:one 1,2\n\n' +
        'host;x-two\nUNSIGNED-PAYLOAD',
    );
  });

  test('canonical requests have all bytes of a header, also those that are spaces elsewhere', () => {
    const value = Buffer.from('voilà').toString('latin1');
    const text = canonicalRequest({
      ...{ method: 'PUT', path: '/', query: Query.parse(''), payloadHash: 'UNSIGNED-PAYLOAD' },
      rawHeaders: ['x-amz-meta-a', ` ${value} `],
      signedHeaders: ['x-amz-meta-a'],
    });
    assert.ok(text.includes(`x-amz-meta-a:${value}\n`), text);
  });
});

suite('chunk signatures', () => {
  const key = signingKey(secret, { day: '20130524', region: 'us-east-1' });
  const seed = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9';
  const signatures = [
    'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
    '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
    'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
  ];
  const data = Buffer.alloc(66_560, 'a');
  const body = Buffer.concat([
    Buffer.from(`10000;chunk-signature=${signatures[0]}\r\n`),
    data.subarray(0, 65_536),
    Buffer.from(`\r\n400;chunk-signature=${signatures[1]}\r\n`),
    data.subarray(65_536),
    Buffer.from(`\r\n0;chunk-signature=${signatures[2]}\r\n\r\n`),
  ]);
  const chain = { key, seed, timestamp: '20130524T000000Z', scope };

  test("chunks of AWS's example are verified in pieces of any size", () => {
    for (const step of [1, 7, 8192, body.length]) {
      const decoder = new ChunkedDecoder({ sizeBytes: data.length, chain });
      assert.deepEqual(decode(decoder, body, step), data);
    }
  });

  test("chunks of AWS's example are refused with a changed, missing or moved byte", () => {
    const at = 70_000 - 4_000;
    const flipped = Buffer.from(body);
    flipped[at] = 0x62;
    for (const [bad, code] of [
      [flipped, 'SignatureDoesNotMatch'],
      [body.subarray(0, -100), 'IncompleteBody'],
      [Buffer.concat([body, Buffer.from('x')]), 'IncompleteBody'],
    ] as const) {
      const decoder = new ChunkedDecoder({ sizeBytes: data.length, chain });
      assert.throws(() => decode(decoder, bad, 8192), hasCode(code));
    }
  });

  test("trailers of AWS's example are verified", () => {
    // The example of "Signature calculations for the Authorization header: trailing checksums".
    const trailerSeed = '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e';
    const chunks = [
      'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
      '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
      '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
    ];
    const trailer = 'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435';
    const framed = Buffer.concat([
      Buffer.from(`10000;chunk-signature=${chunks[0]}\r\n`),
      data.subarray(0, 65_536),
      Buffer.from(`\r\n400;chunk-signature=${chunks[1]}\r\n`),
      data.subarray(65_536),
      Buffer.from(
        `\r\n0;chunk-signature=${chunks[2]}\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n` +
          `x-amz-trailer-signature:${trailer}\r\n\r\n`,
      ),
    ]);
    const decoder = new ChunkedDecoder({
      sizeBytes: data.length,
      chain: { ...chain, seed: trailerSeed },
      trailerNames: ['x-amz-checksum-crc32c'],
    });
    decoder.push(framed, () => undefined);
    assert.deepEqual([...decoder.end()], [['x-amz-checksum-crc32c', 'sOO8/Q==']]);
  });

  test('a signed chunk below 8 KiB is refused unless it is the last', () => {
    let before = seed;
    const decoder = new ChunkedDecoder({ sizeBytes: 2, chain });
    const frame = (text: string): Buffer => {
      const digest = text === '' ? emptyHash : sha256OfA;
      before = sign(
        key,
        `AWS4-HMAC-SHA256-PAYLOAD\n${chain.timestamp}\n${scope}\n${before}\n${emptyHash}\n${digest}`,
      );
      return Buffer.from(`${text.length};chunk-signature=${before}\r\n${text}\r\n`);
    };
    decoder.push(frame('a'), () => undefined);
    assert.throws(
      () => decoder.push(frame('a'), () => undefined),
      hasCode('InvalidChunkSizeError'),
    );
  });
});

const sha256OfA = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb';

function decode(decoder: ChunkedDecoder, body: Buffer, step: number): Buffer {
  const out: Buffer[] = [];
  for (let at = 0; at < body.length; at += step) {
    decoder.push(body.subarray(at, at + step), (piece) => out.push(piece));
  }
  decoder.end();
  return Buffer.concat(out);
}

function verifier(nowMs = atMs): SignatureVerifier {
  return new SignatureVerifier({
    region: 'us-east-1',
    nowMs: () => nowMs,
    secretOf: (key) => (key === accessKey ? secret : undefined),
  });
}

interface Vector {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly hash: string;
  readonly signature: string;
}

function requestOf({ method, url, headers, hash, signature }: Vector): UnverifiedRequest {
  const all: Record<string, string> = {
    ...headers,
    'x-amz-content-sha256': hash,
    'x-amz-date': '20130524T000000Z',
  };
  const names = ['host', ...Object.keys(all)].toSorted().join(';');
  all['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope},` +
    `SignedHeaders=${names},Signature=${signature}`;
  return unsigned(method, url, all);
}

function unsigned(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
): UnverifiedRequest {
  const [path = '', query = ''] = url.split('?');
  const all = { host: 'examplebucket.s3.amazonaws.com', ...headers };
  const rawHeaders = Object.entries(all).flat();
  return { method, path, query: Query.parse(query), headers: all, rawHeaders };
}

async function refused(verified: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(verified, hasCode(code));
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof S3Error, String(error));
    assert.equal(error.s3Code, code, error.message);
    return true;
  };
}
