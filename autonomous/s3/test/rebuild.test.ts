import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import * as aws from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { seededRandom } from '@commongrid/base';
import { acceptRebuild } from '@commongrid/zstor';
import { ZdbFleet } from '@commongrid/zstor/testing';

import { rebuildS3 } from '../src/rebuild-s3.ts';
import { S3Head } from '../src/s3-head.ts';
import { accessKey, secretKey } from './signed-request.ts';
import { fourPlusTwo } from './support/head-process.ts';
import { putAround } from './support/put-around.ts';
import { sdkClient } from './support/sdk-client.ts';

const Bucket = 'kept';
const firstKey = { accessKey, secretKey };

function bytes(sizeBytes: number, name: string): Buffer {
  return Buffer.from(seededRandom(name).bytes(sizeBytes));
}

const before = { 'before, inline': bytes(100, 'a'), 'before, large': bytes(5 * 2 ** 20, 'b') };
const after = {
  'after, inline': bytes(200, 'c'),
  'after, small': bytes(50_000, 'd'),
  'after, large': bytes(5 * 2 ** 20 + 9, 'e'),
};

async function put(s3: S3Client, objects: Readonly<Record<string, Buffer>>): Promise<void> {
  for (const [Key, Body] of Object.entries(objects)) {
    await s3.send(new aws.PutObjectCommand({ Bucket, Key, Body, Metadata: { of: Key } }));
  }
}

async function multipart(s3: S3Client, Key: string, parts: readonly Buffer[]): Promise<void> {
  const { UploadId } = await s3.send(new aws.CreateMultipartUploadCommand({ Bucket, Key }));
  const Parts: aws.CompletedPart[] = [];
  for (const [at, Body] of parts.entries()) {
    const part = { Bucket, Key, UploadId, PartNumber: at + 1, Body };
    const { ETag } = await s3.send(new aws.UploadPartCommand(part));
    Parts.push({ PartNumber: at + 1, ETag });
  }
  const complete = { Bucket, Key, UploadId, MultipartUpload: { Parts } };
  await s3.send(new aws.CompleteMultipartUploadCommand(complete));
}

test('objects come back with log and tables lost: no version, and nothing that was refused', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('s');
  const folder = join(fleet.folder, 'head');
  const options = { folder, backendsFile, policy: fourPlusTwo };
  const parts = [bytes(5 * 2 ** 20, 'p1'), bytes(70_000, 'p2')];
  {
    await using head = await S3Head.open({ ...options, port: 0, firstKey });
    const s3 = sdkClient({ port: head.port });
    await s3.send(new aws.CreateBucketCommand({ Bucket }));
    await put(s3, before);
    await head.store.catalog.takeSnapshot();
    await put(s3, after);
    await multipart(s3, 'after, parts', parts);
    const refused = { Bucket, Key: 'after, inline', Body: 'refused', IfNoneMatch: '*' };
    await assert.rejects(s3.send(new aws.PutObjectCommand(refused)), {
      name: 'PreconditionFailed',
    });
    await put(s3, { turned: bytes(9, 'f') });
    // Its bytes begin to come while it would take the place of the one before.
    const enabled = { Bucket, VersioningConfiguration: { Status: 'Enabled' as const } };
    const outcome = await putAround(head.port, { path: `/${Bucket}/turned` }, 9, () =>
      s3.send(new aws.PutBucketVersioningCommand(enabled)),
    );
    assert.equal(outcome, '200');
    s3.destroy();
  }
  await rm(join(folder, 'catalog'), { recursive: true });
  await fleet.emptyNamespace('s-log');
  const report = await rebuildS3(options);
  assert.equal(report.from, 'snapshot');
  assert.equal(report.unreadableChunks, 0);

  await using head = await S3Head.open({ ...options, port: 0 });
  const s3 = sdkClient({ port: head.port });
  const { Contents = [] } = await s3.send(new aws.ListObjectsV2Command({ Bucket }));
  const expected: Record<string, Buffer> = {
    ...before,
    ...after,
    'after, parts': Buffer.concat(parts),
    turned: Buffer.alloc(9, 'x'),
  };
  const found = Contents.map(({ Key = '' }) => Key);
  assert.deepEqual(found.toSorted(), Object.keys(expected).toSorted());
  for (const [Key, content] of Object.entries(expected)) {
    const got = await s3.send(new aws.GetObjectCommand({ Bucket, Key }));
    assert.ok(content.equals((await got.Body?.transformToByteArray()) ?? Buffer.alloc(0)), Key);
  }
  const versions = new aws.ListObjectVersionsCommand({ Bucket, Prefix: 'turned' });
  assert.equal((await s3.send(versions)).Versions?.length, 2);
  await head.store.catalog.write(acceptRebuild);
  await put(s3, { 'after, inline': bytes(7, 'again') });
  s3.destroy();
});
