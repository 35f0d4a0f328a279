import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';

import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { ChecksumAlgorithm } from '@aws-sdk/client-s3';
import { Client as MinioClient } from 'minio';

import { S3Endpoint } from '../src/index.ts';
import type { Answered } from '../src/index.ts';
import { MemoryStorage } from './memory-storage.ts';
import { accessKey, secretKey } from './signed-request.ts';
import { clientVariables } from './support/client-variables.ts';
import { sdkClient } from './support/sdk-client.ts';

const run = promisify(execFile);
/** Keys that clients and servers escape differently, or not at all. */
const oddKeys = [
  'plain.txt',
  'with space/and+plus',
  "marks !*'();:@&=$,?#[]%",
  'üñïcødé/日本語/🙂',
  'a//double///slash/',
  './dots/../stay',
  '%41%2F already',
];

async function withEndpoint(
  use: (endpoint: S3Endpoint, answers: Answered[]) => Promise<void>,
): Promise<void> {
  const answers: Answered[] = [];
  await using endpoint = await S3Endpoint.open({
    port: 0,
    domains: ['localhost'],
    secretOf: (key) => (key === accessKey ? secretKey : undefined),
    handler: new MemoryStorage().handle,
    onAnswer: (answered) => answers.push(answered),
  });
  await use(endpoint, answers);
  const wrong = answers.filter(({ status }) => status >= 500);
  assert.deepEqual(wrong, []);
}

suite('real clients', () => {
  for (const forcePathStyle of [true, false]) {
    const style = forcePathStyle ? 'path' : 'virtual host';
    test(`AWS SDK agrees on odd keys in ${style} style`, () =>
      withEndpoint(async ({ port }) => {
        const client = sdkClient({ port, forcePathStyle });
        await client.send(new CreateBucketCommand({ Bucket: 'books' }));
        for (const Key of oddKeys) {
          const Metadata = { note: 'a  b', empty: '' };
          await client.send(new PutObjectCommand({ Bucket: 'books', Key, Body: Key, Metadata }));
          const got = await client.send(new GetObjectCommand({ Bucket: 'books', Key }));
          assert.equal(await got.Body?.transformToString(), Key);
        }
        const listed = await client.send(
          new ListObjectsV2Command({ Bucket: 'books', EncodingType: 'url' }),
        );
        const keys = listed.Contents?.map(({ Key = '' }) => decodeURIComponent(Key));
        assert.deepEqual(keys, oddKeys.toSorted());
        client.destroy();
      }));
  }

  test('AWS SDK agrees on every checksum, of buffers and of streams', () =>
    withEndpoint(async ({ port }, answers) => {
      const client = sdkClient({ port });
      await client.send(new CreateBucketCommand({ Bucket: 'sums' }));
      const names: ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];
      const data = randomBytes(300_000);
      for (const ChecksumAlgorithm of names) {
        for (const form of ['buffer', 'stream'] as const) {
          const Body =
            form === 'buffer'
              ? data
              : Readable.from([data.subarray(0, 99_999), data.subarray(99_999)]);
          const Key = `${ChecksumAlgorithm}-${form}`;
          await client.send(
            new PutObjectCommand({
              Bucket: 'sums',
              Key,
              Body,
              ChecksumAlgorithm,
              ContentLength: data.length,
            }),
          );
          const head = await client.send(
            new HeadObjectCommand({ Bucket: 'sums', Key, ChecksumMode: 'ENABLED' }),
          );
          assert.ok(head[`Checksum${ChecksumAlgorithm}` as 'ChecksumCRC32']);
        }
      }
      const forms = new Set(answers.map((a) => String(a.request?.headers['x-amz-content-sha256'])));
      assert.ok(forms.has('STREAMING-UNSIGNED-PAYLOAD-TRAILER'), [...forms].join());
      client.destroy();
    }));

  test('AWS SDK uploads in parts', () =>
    withEndpoint(async ({ port }) => {
      const client = sdkClient({ port });
      const at = { Bucket: 'parts', Key: 'whole' };
      await client.send(new CreateBucketCommand({ Bucket: 'parts' }));
      const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
      const parts = await Promise.all(
        ['one', 'two'].map(async (Body, index) => {
          const PartNumber = index + 1;
          const part = { ...at, UploadId, PartNumber, Body };
          const { ETag, ChecksumCRC32 } = await client.send(new UploadPartCommand(part));
          return { PartNumber, ETag, ChecksumCRC32 };
        }),
      );
      const MultipartUpload = { Parts: parts };
      await client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }));
      const got = await client.send(new GetObjectCommand({ ...at, Range: 'bytes=2-4' }));
      assert.equal(await got.Body?.transformToString(), 'etw');
      client.destroy();
    }));

  test('minio signs headers, chunks and URLs as we verify them', () =>
    withEndpoint(async ({ port }) => {
      const client = new MinioClient({
        endPoint: '127.0.0.1',
        port,
        useSSL: false,
        accessKey,
        secretKey,
        region: 'us-east-1',
      });
      await client.makeBucket('minio', 'us-east-1');
      for (const key of oddKeys.filter((name) => !name.startsWith('./'))) {
        await client.putObject('minio', key, Buffer.from(key));
        const url = await client.presignedGetObject('minio', key, 60);
        const answer = await fetch(url);
        assert.equal(await answer.text(), key);
      }
      const put = await client.presignedPutObject('minio', 'presigned', 60);
      assert.equal((await fetch(put, { method: 'PUT', body: 'x' })).status, 200);
      await client.removeObjects('minio', ['presigned', 'plain.txt']);
    }));

  test('boto3 agrees in each way to sign and address', () =>
    withEndpoint(async ({ port }, answers) => {
      const script = join(import.meta.dirname, 'boto3-client.py');
      const { stdout } = await run('/usr/bin/python3', [script, String(port)], {
        env: clientVariables(),
      });
      assert.match(stdout, /all agree/);
      assert.ok(answers.length > 20);
    }));

  test('aws, rclone and s3cmd copy there and back', () => withEndpoint(copyWithTools));
});

async function copyWithTools({ port }: S3Endpoint): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 's3-clients-'));
  try {
    const source = join(folder, 'source file');
    await writeFile(source, randomBytes(9 << 20));
    const url = `http://127.0.0.1:${port}`;
    const env = clientVariables({ HOME: folder });
    const aws = (...words: string[]) =>
      run('/usr/bin/aws', ['--endpoint-url', url, 's3', ...words], { env });
    await aws('mb', 's3://tools');
    await aws('cp', source, 's3://tools/aws file');
    await aws('cp', 's3://tools/aws file', join(folder, 'aws'));
    const remote = `:s3,provider=Other,env_auth=true,region=us-east-1,endpoint='${url}':tools`;
    await run('rclone', ['copyto', source, `${remote}/rclone file`], { env });
    await run('rclone', ['copyto', `${remote}/rclone file`, join(folder, 'rclone')], { env });
    const keys = [`--access_key=${accessKey}`, `--secret_key=${secretKey}`, '--no-ssl'];
    const host = [`--host=127.0.0.1:${port}`, `--host-bucket=127.0.0.1:${port}`];
    const s3cmd = (...words: string[]) => run('s3cmd', [...keys, ...host, ...words], { env });
    await s3cmd('put', source, 's3://tools/s3cmd file');
    await s3cmd('get', 's3://tools/s3cmd file', join(folder, 's3cmd'));
    const expected = await readFile(source);
    for (const tool of ['aws', 'rclone', 's3cmd']) {
      assert.ok(expected.equals(await readFile(join(folder, tool))), tool);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}
