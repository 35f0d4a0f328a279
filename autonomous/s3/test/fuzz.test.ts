import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ZdbFleet } from '@commongrid/zstor/testing';
import fc from 'fast-check';

import { signedChunks, signedHead } from './signed-request.ts';
import { fourPlusTwo, HeadProcess } from './support/head-process.ts';
import { exchange } from './support/raw-exchange.ts';
import type { RawAnswer } from './support/raw-exchange.ts';
import { sdkClient } from './support/sdk-client.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';
const numRuns = isLong ? 1_500 : 150;
/** What the head may take more after all of it than before. */
const grownBytesMax = 256 * 2 ** 20;

suite('noise against a head', () => {
  const stack = new AsyncDisposableStack();
  const large = Buffer.alloc(5 * 2 ** 20, 'large object ');
  let head: HeadProcess;
  let beforeBytes = 0;

  before(async () => {
    const fleet = stack.use(await ZdbFleet.open(6));
    const backendsFile = await fleet.makeStore('fuzz');
    const folder = join(fleet.folder, 'head');
    const keyFile = join(fleet.folder, 'key');
    head = stack.use(
      await HeadProcess.open({ folder, backendsFile, keyFile, policy: fourPlusTwo }),
    );
    const client = sdkClient({ port: head.port });
    await client.send(new CreateBucketCommand({ Bucket: 'books' }));
    for (const [Key, Body] of [
      ['large', large],
      ['small', 'small'],
    ] as const) {
      await client.send(new PutObjectCommand({ Bucket: 'books', Key, Body }));
    }
    client.destroy();
    beforeBytes = await memoryOf(head.pid);
  });
  after(() => stack.disposeAsync());

  /** A request that is signed well, unless `spoil` changes it afterwards. */
  const ask = async (
    method: string,
    path: string,
    { query = '', headers = {}, hash, body = '', spoil = same }: Asked = {},
  ): Promise<RawAnswer> => {
    const length = { 'content-length': String(Buffer.byteLength(body, 'latin1')) };
    const all = { connection: 'close', ...length, ...headers };
    const signed = signedHead({ method, path, query, headers: all, ...(hash && { hash }) });
    const answer = await exchange(head.port, spoil(signed) + body);
    assert.ok(answer.status > 0 && answer.status !== 500, `${method} ${path}: ${answer.head}`);
    return answer;
  };

  test('keys with every byte come back, or are refused', async () => {
    for (let byte = 0; byte < 256; byte++) {
      const encoded = `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;
      for (const key of [encoded, `a${encoded}b`, `${encoded}/`, `/${encoded}`]) {
        const isText = byte < 0x80;
        const body = `body of ${key}`;
        const path = isText ? `/books/${key}` : '/books/x';
        const spoil = (text: string): string => text.replace(path, `/books/${key}`);
        const put = await ask('PUT', path, { body, spoil: isText ? same : spoil });
        if (!isText) {
          assert.ok(put.status >= 400, `${key}: ${put.head}`);
          continue;
        }
        assert.ok(put.status === 200 || put.status === 400, `${key}: ${put.head}`);
        if (put.status === 200) assert.equal((await ask('GET', path)).body, body, key);
      }
    }
    let keys = 0;
    for (let next: string | undefined = ''; next !== undefined;) {
      const query = `list-type=2&encoding-type=url&max-keys=100${next}`;
      const { status, body } = await ask('GET', '/books', { query });
      assert.equal(status, 200);
      keys += body.match(/<Key>/g)?.length ?? 0;
      const token = /<NextContinuationToken>([^<]+)</.exec(body)?.[1];
      next = token && `&continuation-token=${encodeURIComponent(token)}`;
    }
    assert.ok(keys > 300, String(keys));
  });

  test('ranges give the bytes that they name, or all, or a refusal', async () => {
    const number = fc.oneof(
      fc.integer({ min: 0, max: large.length + 10 }),
      fc.constantFrom(4 * 2 ** 20 - 1, 4 * 2 ** 20, large.length - 1, large.length, 2 ** 53),
    );
    const bounds = fc.record({ from: fc.option(number), to: fc.option(number) });
    await fc.assert(
      fc.asyncProperty(bounds, async ({ from, to }) => {
        const range = `bytes=${from ?? ''}-${to ?? ''}`;
        const { status, body } = await ask('GET', '/books/large', { headers: { range } });
        const expected = expectedRange(large, from ?? undefined, to ?? undefined);
        if (expected === 'refused') assert.equal(status, 416, range);
        else if (expected === 'ignored') assert.equal(body.length, large.length, range);
        else assert.ok(expected.equals(Buffer.from(body, 'latin1')), range);
      }),
      { numRuns: numRuns / 3 },
    );
    const words = fc.constantFrom('bytes', '=', '-', ',', ' ', '0', '9', '99999999999999999999');
    const noise = fc.array(words, { maxLength: 8 }).map((all) => `bytes=${all.join('')}`);
    await fc.assert(
      fc.asyncProperty(noise, async (range) => {
        const { status } = await ask('GET', '/books/small', { headers: { range } });
        assert.ok([200, 206, 416].includes(status), `${range}: ${status}`);
      }),
      { numRuns },
    );
  });

  test('signatures that are changed anywhere open nothing', async () => {
    const change = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0x21, max: 0x7e }) });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, byte }) => {
        let isChanged = false;
        const spoil = (text: string): string => {
          const changed = text.replace(
            /(authorization: )(.*)/,
            (_all, name: string, line: string) => {
              const place = at % line.length;
              const other =
                line.slice(0, place) + String.fromCharCode(byte) + line.slice(place + 1);
              isChanged = other !== line;
              return name + other;
            },
          );
          return changed;
        };
        const { status } = await ask('GET', '/books/small', { spoil });
        if (isChanged) assert.ok(status === 400 || status === 403, String(status));
      }),
      { numRuns },
    );
    const parameter = fc.constantFrom(
      ...['Algorithm=AWS4-HMAC-SHA256', 'Algorithm=', 'Credential=a/b/c/d/e', 'Credential=%2F'],
      ...['Date=20260101T000000Z', 'Date=never', 'Expires=60', 'Expires=-1', 'Expires=9e99'],
      ...['SignedHeaders=host', 'SignedHeaders=', 'Signature=00', 'Security-Token=x'],
    );
    await fc.assert(
      fc.asyncProperty(fc.array(parameter, { maxLength: 7 }), async (some) => {
        const query = some.map((text) => `X-Amz-${text}`).join('&');
        const answer = await exchange(
          head.port,
          `GET /books/small?${query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
        );
        assert.ok(answer.status === 400 || answer.status === 403, answer.head);
      }),
      { numRuns },
    );
  });

  test('documents of noise are refused, and change nothing else', async () => {
    const word = fc.constantFrom(
      ...['<Delete>', '</Delete>', '<Object>', '</Object>', '<Key>', '</Key>', 'small-er', '<'],
      ...['<CompleteMultipartUpload>', '<Part>', '<PartNumber>', '1', '</PartNumber>', '<ETag>'],
      ...['<!DOCTYPE a [<!ENTITY b "c">]>', '&b;', '&#0;', '&amp;', '<![CDATA[', ']]>', '\u00ff'],
      ...['<?xml version="1.0"?>', '<VersioningConfiguration>', '<Status>Enabled</Status>', '{'],
      ...['</VersioningConfiguration>', '<Tagging><TagSet>', '<Rule>', '"Statement":[', '}', ']'],
    );
    const text = fc.array(word, { maxLength: 30 }).map((words) => words.join(''));
    const subresource = fc.constantFrom(
      ...['POST delete', 'PUT tagging', 'PUT versioning', 'PUT cors', 'PUT lifecycle'],
      ...['PUT policy', 'PUT encryption', 'PUT object-lock', 'PUT acl', 'PUT '],
    );
    const objects = fc.constantFrom(
      ...['POST uploadId=AAAA', 'PUT tagging', 'PUT retention', 'PUT legal-hold', 'POST uploads'],
    );
    const target = fc.oneof(
      subresource.map((what) => ['/noise', ...what.split(' ')] as const),
      objects.map((what) => ['/noise/small', ...what.split(' ')] as const),
    );
    await ask('PUT', '/noise');
    await fc.assert(
      fc.asyncProperty(target, text, async ([path, method = '', query = ''], body) => {
        await ask(method, path, { query, body });
      }),
      { numRuns: numRuns * 2 },
    );
    assert.equal((await ask('GET', '/books/small')).body, 'small');
  });

  test('chunks with changed frames store nothing', async () => {
    const hash = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
    const chunks = ['a'.repeat(8192), 'b'.repeat(100)];
    const size = String(8292);
    const sampleLength = signedChunks('', chunks).length;
    const change = fc.record({
      // Frames are at both ends.
      at: fc.oneof(
        fc.nat(120),
        fc.nat(400).map((back) => sampleLength - 1 - back),
        fc.nat(sampleLength - 1),
      ),
      byte: fc.integer({ min: 0, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, byte }) => {
        const headers = {
          connection: 'close',
          'x-amz-decoded-content-length': size,
          'content-length': String(sampleLength),
        };
        const request = { method: 'PUT', path: '/books/framed', headers, hash };
        const signed = signedHead(request);
        const body = signedChunks(signed, chunks);
        const changed = body.slice(0, at) + String.fromCharCode(byte) + body.slice(at + 1);
        const { status } = await exchange(head.port, signed + changed);
        const isSame = changed === body;
        assert.ok(isSame ? status === 200 : status >= 400 && status !== 500, `${at}: ${status}`);
        if (!isSame) assert.equal((await ask('GET', '/books/framed')).status, 404);
        else await ask('DELETE', '/books/framed');
      }),
      { numRuns },
    );
  });

  test('the head takes little more memory than before, and serves', async () => {
    assert.equal((await ask('GET', '/books/small')).body, 'small');
    const grewBytes = (await memoryOf(head.pid)) - beforeBytes;
    assert.ok(grewBytes < grownBytesMax, `${grewBytes >> 20} MiB`);
  });
});

interface Asked {
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly hash?: string;
  readonly body?: string;
  readonly spoil?: (head: string) => string;
}

function same(text: string): string {
  return text;
}

/** RFC 9110, for one range; more than is there, or nothing, as S3 answers it. */
function expectedRange(
  all: Buffer,
  from: number | undefined,
  to: number | undefined,
): Buffer | 'refused' | 'ignored' {
  if (from === undefined && to === undefined) return 'ignored';
  if (from === undefined)
    return to === 0 ? 'refused' : all.subarray(-Math.min(to ?? 0, all.length));
  if (to !== undefined && to < from) return 'ignored';
  if (from >= all.length) return 'refused';
  return all.subarray(from, (to ?? all.length) + 1);
}

async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1]) * 1024;
}
