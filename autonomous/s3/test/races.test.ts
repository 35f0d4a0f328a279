import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';

import * as aws from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { waitFor } from '@commongrid/base';
import { ZdbFleet } from '@commongrid/zstor/testing';

import { S3Head } from '../src/s3-head.ts';
import { accessKey, secretKey } from './signed-request.ts';
import { fourPlusTwo } from './support/head-process.ts';
import { putAround } from './support/put-around.ts';
import type { PutTarget } from './support/put-around.ts';
import { sdkClient } from './support/sdk-client.ts';

/** In the tables, and as a blob. */
const sizesBytes = [100, 200_000];

suite('requests that meet others half-way', () => {
  const stack = new AsyncDisposableStack();
  let head: S3Head;
  let s3: S3Client;

  before(async () => {
    const fleet = stack.use(await ZdbFleet.open(6));
    head = stack.use(
      await S3Head.open({
        folder: `${fleet.folder}/head`,
        backendsFile: await fleet.makeStore('races'),
        ...{ policy: fourPlusTwo, port: 0, firstKey: { accessKey, secretKey } },
      }),
    );
    s3 = sdkClient({ port: head.port });
    stack.defer(() => s3.destroy());
  });
  after(() => stack.disposeAsync());

  function around(
    target: PutTarget,
    sizeBytes: number,
    meanwhile: () => Promise<unknown>,
  ): Promise<string> {
    return putAround(head.port, target, sizeBytes, meanwhile);
  }

  async function deleteBucket(Bucket: string): Promise<void> {
    await s3.send(new aws.DeleteBucketCommand({ Bucket }));
  }

  for (const size of sizesBytes) {
    test(`a put of ${size} bytes into a bucket that is deleted is refused`, async () => {
      const Bucket = `put-${size}`;
      await s3.send(new aws.CreateBucketCommand({ Bucket }));
      const code = await around({ path: `/${Bucket}/k` }, size, () => deleteBucket(Bucket));
      assert.equal(code, 'NoSuchBucket');
    });

    test(`a part of ${size} bytes of a bucket that is deleted is refused`, async () => {
      const Bucket = `part-${size}`;
      await s3.send(new aws.CreateBucketCommand({ Bucket }));
      const { UploadId } = await s3.send(
        new aws.CreateMultipartUploadCommand({ Bucket, Key: 'k' }),
      );
      const query = `partNumber=1&uploadId=${UploadId}`;
      const target = { path: `/${Bucket}/k`, query };
      assert.equal(await around(target, size, () => deleteBucket(Bucket)), 'NoSuchBucket');
    });

    test(`a part of ${size} bytes of an upload that is aborted is refused`, async () => {
      const Bucket = `abort-${size}`;
      await s3.send(new aws.CreateBucketCommand({ Bucket }));
      const { UploadId } = await s3.send(
        new aws.CreateMultipartUploadCommand({ Bucket, Key: 'k' }),
      );
      const target = { path: `/${Bucket}/k`, query: `partNumber=1&uploadId=${UploadId}` };
      const code = await around(target, size, () =>
        s3.send(new aws.AbortMultipartUploadCommand({ Bucket, Key: 'k', UploadId })),
      );
      assert.equal(code, 'NoSuchUpload');
    });
  }

  test('of two lists that complete an upload at once one does, and is answered again', async () => {
    const ref = { Bucket: 'twice', Key: 'k' };
    await s3.send(new aws.CreateBucketCommand({ Bucket: ref.Bucket }));
    const { UploadId } = await s3.send(new aws.CreateMultipartUploadCommand(ref));
    const put = async (PartNumber: number): Promise<aws.CompletedPart> => {
      const part = { ...ref, UploadId, PartNumber, Body: `part ${PartNumber}` };
      const { ETag } = await s3.send(new aws.UploadPartCommand(part));
      return { PartNumber, ETag };
    };
    const parts = [await put(1), await put(2)];
    const complete = (part: aws.CompletedPart): Promise<string> => {
      const upload = { ...ref, UploadId, MultipartUpload: { Parts: [part] } };
      return s3.send(new aws.CompleteMultipartUploadCommand(upload)).then(
        ({ ETag }) => String(ETag),
        (error: unknown) => (error instanceof Error ? error.name : ''),
      );
    };
    const answers = await Promise.all([...parts, ...parts, ...parts].map(complete));
    const { ETag, Body } = await s3.send(new aws.GetObjectCommand(ref));
    const winner = answers.findIndex((answer) => answer === ETag) % 2;
    assert.equal(await Body?.transformToString(), `part ${winner + 1}`);
    for (const [at, answer] of answers.entries()) {
      assert.equal(answer, at % 2 === winner ? ETag : 'NoSuchUpload');
    }
    assert.equal(await complete(parts[winner] ?? {}), ETag);
  });

  test('what was written for them is collected', async () => {
    let orphans = 0;
    const collect = async (): Promise<boolean> => {
      orphans += (await head.store.collection.runNow()).orphans;
      return orphans >= 18;
    };
    await waitFor(collect, { what: 'six shards of three blobs', everyMs: 50, timeoutMs: 60_000 });
  });
});
