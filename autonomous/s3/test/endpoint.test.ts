import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { suite, test } from 'node:test';

import { waitFor } from '@commongrid/base';
import fc from 'fast-check';

import { S3Endpoint, S3Error } from '../src/index.ts';
import type { Answered, S3Handler } from '../src/index.ts';
import { MemoryStorage } from './memory-storage.ts';
import { accessKey, secretKey, sha256, signedChunks, signedHead } from './signed-request.ts';

const waiting = { what: 'the other side', everyMs: 5, timeoutMs: 60_000 };

suite('endpoint', () => {
  test('asks for a body when its signature is right, and not before', () =>
    withEndpoint(async ({ port }) => {
      await using client = await Wire.open(port);
      const headers = { 'content-length': '4', expect: '100-continue' };
      client.write(signedHead({ method: 'PUT', path: '/books/k', headers }));
      await client.until(/^HTTP\/1\.1 100 /);
      client.write('data');
      await client.until(/HTTP\/1\.1 200 [^]*etag/);
      await using stranger = await Wire.open(port);
      const head = signedHead({ method: 'PUT', path: '/books/k', headers });
      stranger.write(head.replace(accessKey, 'NOBODY'));
      await stranger.until(/^HTTP\/1\.1 403 [^]*<Code>InvalidAccessKeyId<\/Code>[^]*<\/Error>/);
      await stranger.ended();
      assert.doesNotMatch(stranger.text, / 100 /);
    }));

  test('reads the rest of a small refused body, and the connection goes on', () =>
    withEndpoint(async ({ port }) => {
      await using client = await Wire.open(port);
      const headers = { 'content-length': '100000' };
      client.write(signedHead({ method: 'PUT', path: '/absent/k', headers }));
      await client.until(/<Code>NoSuchBucket<\/Code>/);
      client.write('x'.repeat(100_000));
      client.write(signedHead({ method: 'GET', path: '/' }));
      await client.until(/ListAllMyBucketsResult>/);
    }));

  test('ends the connection when too much of a refused body is left, after its answer', () =>
    withEndpoint(async ({ port }, answers) => {
      await using client = await Wire.open(port);
      const headers = { 'content-length': String(1 << 30) };
      client.write(signedHead({ method: 'PUT', path: '/absent/k', headers }));
      client.write('x'.repeat(4 << 20));
      await client.until(/connection: close[^]*<Code>NoSuchBucket<\/Code>/i);
      await client.ended();
      await waitFor(() => answers.length === 1, waiting);
      // One piece of the socket and what is read ahead are beyond the limit.
      assert.ok((answers[0]?.receivedBytes ?? 0) <= (1 << 20) + (512 << 10));
    }));

  test('tells the handler that half a body came, and stores nothing', () =>
    withEndpoint(async ({ port }, answers) => {
      const client = await Wire.open(port);
      const headers = { 'content-length': '1000' };
      client.write(signedHead({ method: 'PUT', path: '/books/half', headers }));
      client.write('x'.repeat(500));
      client.close();
      await waitFor(() => answers.length === 1, waiting);
      assert.equal(answers[0]?.s3Code, 'IncompleteBody');
      await using other = await Wire.open(port);
      other.write(signedHead({ method: 'HEAD', path: '/books/half' }));
      await other.until(/^HTTP\/1\.1 404 [^]*\r\n\r\n$/);
    }));

  test('does not read a body faster than it is taken', async () => {
    const gate = Promise.withResolvers<void>();
    const handler: S3Handler = async ({ payload }) => {
      await payload.next();
      await gate.promise;
      for (let piece = await payload.next(); piece !== undefined;) piece = await payload.next();
      return {};
    };
    await withEndpoint(async ({ port }, answers) => {
      await using client = await Wire.open(port);
      const size = 64 << 20;
      const headers = { 'content-length': String(size) };
      client.write(signedHead({ method: 'PUT', path: '/books/big', headers }));
      const piece = Buffer.alloc(1 << 20);
      for (let sent = 0; sent < size; sent += piece.length) client.write(piece);
      // What the kernel does not take either stays with the client.
      await waitFor(() => client.isStalled, waiting);
      assert.ok(client.unsentBytes > 32 << 20, String(client.unsentBytes));
      gate.resolve();
      await client.until(/^HTTP\/1\.1 200 /);
      await waitFor(() => answers.length === 1, waiting);
      assert.equal(answers[0]?.receivedBytes, size);
    }, handler);
  });

  test('answers what fails inside as InternalError, and keeps its text to itself', async () => {
    const handler: S3Handler = async () => {
      throw new Error('secret of the house');
    };
    await withEndpoint(async ({ port }, answers) => {
      await using client = await Wire.open(port);
      client.write(signedHead({ method: 'GET', path: '/' }));
      await client.until(/^HTTP\/1\.1 500 [^]*<Code>InternalError<\/Code>[^]*<\/Error>/);
      assert.doesNotMatch(client.text, /secret/);
      await waitFor(() => answers.length === 1, waiting);
      assert.match(String(answers[0]?.failure), /secret/);
    }, handler);
  });

  test('cuts the connection when an answer fails half-way', async () => {
    const seen = Promise.withResolvers<void>();
    async function* broken(): AsyncGenerator<string> {
      yield 'half';
      await seen.promise;
      throw new S3Error('InternalError', 'a shard is missing');
    }
    const handler: S3Handler = async () => ({ headers: { 'content-length': '8' }, body: broken() });
    await withEndpoint(async ({ port }, answers) => {
      await using client = await Wire.open(port);
      client.write(signedHead({ method: 'GET', path: '/books/k' }));
      await client.until(/half$/);
      seen.resolve();
      await client.ended();
      await waitFor(() => answers.length === 1, waiting);
      assert.match(String(answers[0]?.failure), /shard/);
    }, handler);
  });

  test('verifies the signed body of a document', () =>
    withEndpoint(async ({ port }) => {
      const body = '<Delete><Object><Key>k</Key></Object></Delete>';
      for (const [sent, code] of [
        [body, '<Deleted>'],
        [body.replace('<Key>k', '<Key>j'), 'XAmzContentSHA256Mismatch'],
      ] as const) {
        await using client = await Wire.open(port);
        const headers = { 'content-length': String(body.length) };
        const request = { method: 'POST', path: '/books', query: 'delete', headers };
        client.write(signedHead({ ...request, hash: sha256(body) }));
        client.write(sent);
        await client.until(new RegExp(code));
      }
    }));

  for (const trailer of [undefined, 'x-amz-checksum-crc32:y/Q5Jg==']) {
    const form = `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${trailer === undefined ? '' : '-TRAILER'}`;
    test(`takes a body of the form ${form}, and refuses it with a byte changed`, () =>
      withEndpoint(async ({ port }) => {
        const headers = {
          'x-amz-decoded-content-length': '9',
          ...(trailer === undefined ? {} : { 'x-amz-trailer': 'x-amz-checksum-crc32' }),
        };
        const length = signedChunks('', ['123456789'], trailer).length;
        for (const [change, expected] of [
          [(body: string) => body, /^HTTP\/1\.1 200 [^]*\r\n\r\n$/],
          [(body: string) => body.replace('12345', '12346'), /<Code>SignatureDoesNotMatch</],
        ] as const) {
          await using client = await Wire.open(port);
          const all = { ...headers, 'content-length': String(length) };
          const request = { method: 'PUT', path: '/books/k', headers: all, hash: form };
          const head = signedHead(request);
          client.write(head + change(signedChunks(head, ['123456789'], trailer)));
          await client.until(expected);
        }
      }));
  }

  test('heads of noise get an answer below 500, and the next client is served', () =>
    withEndpoint(async ({ port }, answers) => {
      const word = fc.constantFrom(
        'AWS4-HMAC-SHA256 ',
        'Credential=a/20260101/us-east-1/s3/aws4_request,',
        'SignedHeaders=host,',
        'Signature=f',
        'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        'bytes=1-',
        '%00',
        '/',
        '\u00ff',
        ',',
        '=',
        '99999999999999999999',
      );
      const value = fc.array(word, { maxLength: 6 }).map((words) => words.join(''));
      const name = fc.constantFrom(
        'authorization',
        'x-amz-date',
        'x-amz-content-sha256',
        'x-amz-decoded-content-length',
        'x-amz-trailer',
        'x-amz-checksum-crc32',
        'x-amz-copy-source',
        'x-amz-meta-a',
        'content-md5',
        'range',
        'if-match',
        'expect',
      );
      const method = fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH');
      const path = fc
        .uint8Array({ maxLength: 20 })
        .map((bytes) => Buffer.from(bytes).toString('hex').replace(/../g, '%$&'));
      const query = fc.constantFrom(
        '',
        '?X-Amz-Signature=',
        '?uploads',
        '?uploadId=%',
        '?acl&cors',
        '?list-type=2&max-keys=-1',
      );
      const headers = fc.array(fc.tuple(name, value), { maxLength: 5 });
      await fc.assert(
        fc.asyncProperty(method, path, query, headers, async (verb, key, parameters, list) => {
          await using client = await Wire.open(port);
          const lines = list.map(([field, text]) => `${field}: ${text}\r\n`).join('');
          client.write(
            `${verb} /books/${key}${parameters} HTTP/1.1\r\nhost: localhost\r\n` +
              `connection: close\r\ncontent-length: 2\r\n${lines}\r\n{}`,
          );
          await client.ended();
          assert.match(client.text, /^HTTP\/1\.1 (?:[234]\d\d|501) /);
        }),
        { numRuns: 150 },
      );
      assert.deepEqual(
        answers.filter(({ failure }) => failure !== undefined),
        [],
      );
    }));

  test('what is no HTTP gets an answer in XML', () =>
    withEndpoint(async ({ port }) => {
      for (const [text, code] of [
        ['garbage\r\n\r\n', 'InvalidRequest'],
        [
          `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`,
          'RequestHeaderSectionTooLarge',
        ],
      ] as const) {
        await using client = await Wire.open(port);
        client.write(text);
        await client.until(new RegExp(`^HTTP/1\\.1 400 [^]*<Code>${code}</Code>[^]*</Error>$`));
      }
    }));

  test('a port that is taken is refused by name', () =>
    withEndpoint(async ({ port }) => {
      const opened = S3Endpoint.open({
        port,
        secretOf: () => undefined,
        handler: async () => ({}),
      });
      await assert.rejects(opened, { code: 'S3_LISTEN_FAILED' });
    }));
});

async function withEndpoint(
  use: (endpoint: S3Endpoint, answers: Answered[]) => Promise<void>,
  handler?: S3Handler,
): Promise<void> {
  const storage = new MemoryStorage();
  storage.addBucket('books');
  const answers: Answered[] = [];
  await using endpoint = await S3Endpoint.open({
    port: 0,
    secretOf: (key) => (key === accessKey ? secretKey : undefined),
    handler: handler ?? storage.handle,
    onAnswer: (answered) => answers.push(answered),
  });
  await use(endpoint, answers);
}

/** A connection on which exactly the given bytes go out. */
class Wire implements AsyncDisposable {
  readonly #socket: Socket;
  text = '';
  #isEnded = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (piece: string) => (this.text += piece));
    socket.on('close', () => (this.#isEnded = true));
    // A reset is an end too.
    socket.on('error', () => (this.#isEnded = true));
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect(port, '127.0.0.1');
    const wire = new Wire(socket);
    await waitFor(() => !socket.connecting, waiting);
    return wire;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** Whether a while passed in which nothing was taken. */
  get isStalled(): boolean {
    const now = this.unsentBytes;
    if (now !== this.#lastBytes) {
      this.#lastBytes = now;
      this.#lastMs = performance.now();
    }
    return performance.now() - this.#lastMs > 300;
  }

  #lastBytes = -1;
  #lastMs = 0;

  write(data: string | Buffer): void {
    this.#socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  async until(pattern: RegExp): Promise<void> {
    await waitFor(() => pattern.test(this.text) || this.#isEnded, waiting);
    assert.match(this.text, pattern);
  }

  async ended(): Promise<void> {
    await waitFor(() => this.#isEnded, waiting);
  }

  close(): void {
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}
