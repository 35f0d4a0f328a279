import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, suite, test } from 'node:test';

import * as aws from '@aws-sdk/client-s3';
import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3';
import { seededRandom } from '@commongrid/base';
import { ZdbFleet } from '@commongrid/zstor/testing';

import { S3Head } from '../src/s3-head.ts';
import { accessKey, secretKey } from './signed-request.ts';
import { fourPlusTwo } from './support/head-process.ts';
import { sdkClient } from './support/sdk-client.ts';

const Bucket = 'objects';
const mebibyte = 2 ** 20;

/** Bytes that differ by their name. */
function bytes(sizeBytes: number, name: string): Buffer {
  return Buffer.from(seededRandom(name).bytes(sizeBytes));
}

function etagOf(data: Buffer): string {
  return `"${createHash('md5').update(data).digest('hex')}"`;
}

suite('objects on six servers', () => {
  const stack = new AsyncDisposableStack();
  let s3: S3Client;
  let head: S3Head;

  before(async () => {
    const fleet = stack.use(await ZdbFleet.open(6));
    head = stack.use(
      await S3Head.open({
        folder: `${fleet.folder}/head`,
        backendsFile: await fleet.makeStore('objects'),
        policy: fourPlusTwo,
        port: 0,
        firstKey: { accessKey, secretKey },
      }),
    );
    s3 = sdkClient({ port: head.port });
    stack.defer(() => s3.destroy());
    await s3.send(new aws.CreateBucketCommand({ Bucket }));
  });
  after(() => stack.disposeAsync());

  async function get(input: Partial<GetObjectCommandInput> & { Key: string }): Promise<Buffer> {
    const got = await s3.send(new aws.GetObjectCommand({ Bucket, ...input }));
    return Buffer.from((await got.Body?.transformToByteArray()) ?? []);
  }

  async function refusal(work: Promise<unknown>): Promise<string> {
    try {
      await work;
    } catch (error) {
      if (error instanceof Error) return error.name;
    }
    return 'none';
  }

  for (const size of [0, 1, 4096, 4097, 131_071, 131_072, 4 * mebibyte, 9 * mebibyte + 5]) {
    test(`an object of ${size} bytes comes back, whole and in ranges`, async () => {
      const Key = `sizes/${size}`;
      const Body = bytes(size, Key);
      const Metadata = { colour: 'green' };
      const put = await s3.send(new aws.PutObjectCommand({ Bucket, Key, Body, Metadata }));
      assert.equal(put.ETag, etagOf(Body));
      const found = await s3.send(new aws.HeadObjectCommand({ Bucket, Key }));
      assert.equal(found.ContentLength, size);
      assert.equal(found.ServerSideEncryption, 'AES256');
      assert.ok(Body.equals(await get({ Key })));
      if (size < 2) return;
      const middle = size >> 1;
      assert.ok(
        Body.subarray(1, middle + 1).equals(await get({ Key, Range: `bytes=1-${middle}` })),
      );
      assert.ok(Body.subarray(-2).equals(await get({ Key, Range: 'bytes=-2' })));
      assert.equal(await refusal(get({ Key, Range: `bytes=${size}-` })), 'InvalidRange');
    });
  }

  test('a body that is not what its checksum says is refused, and nothing is kept', async () => {
    const Key = 'wrong checksum';
    for (const size of [100, 200_000]) {
      const Body = bytes(size, Key);
      const put = new aws.PutObjectCommand({
        Bucket,
        Key,
        Body,
        ChecksumSHA256: 'A'.repeat(43) + '=',
      });
      assert.equal(await refusal(s3.send(put)), 'BadDigest');
    }
    assert.equal(await refusal(get({ Key })), 'NoSuchKey');
  });

  test('conditions of reads and writes hold', async () => {
    const Key = 'conditional';
    const { ETag = '' } = await s3.send(new aws.PutObjectCommand({ Bucket, Key, Body: 'one' }));
    const put = (input: object) =>
      refusal(s3.send(new aws.PutObjectCommand({ Bucket, Key, Body: 'two', ...input })));
    assert.equal(await put({ IfNoneMatch: '*' }), 'PreconditionFailed');
    assert.equal(
      await put({ IfMatch: '"0123456789abcdef0123456789abcdef"' }),
      'PreconditionFailed',
    );
    assert.equal(await refusal(get({ Key, IfMatch: 'other' })), 'PreconditionFailed');
    const unchanged = await s3
      .send(new aws.GetObjectCommand({ Bucket, Key, IfNoneMatch: ETag }))
      .catch(
        (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode,
      );
    assert.equal(unchanged, 304);
    assert.equal(await put({ IfMatch: ETag }), 'none');
    assert.equal(String(await get({ Key })), 'two');
  });

  test('of two that make an object only where none is, one succeeds', async () => {
    for (const size of [10, 200_000]) {
      const Key = `race ${size}`;
      const bodies = ['a', 'b', 'c', 'd'].map((name) => bytes(size, name));
      const outcomes = await Promise.all(
        bodies.map((Body) =>
          refusal(s3.send(new aws.PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: '*' }))),
        ),
      );
      assert.equal(outcomes.filter((outcome) => outcome === 'none').length, 1);
      const winner = bodies[outcomes.indexOf('none')];
      assert.ok(winner?.equals(await get({ Key })));
    }
  });

  test('headers of the object and of the request are answered', async () => {
    const Key = 'headers';
    await s3.send(
      new aws.PutObjectCommand({
        ...{ Bucket, Key, Body: 'x', ContentType: 'text/plain', CacheControl: 'no-cache' },
        ...{ Tagging: 'a=1&b=2', Metadata: { 'a-name': 'value' } },
      }),
    );
    const found = await s3.send(new aws.GetObjectCommand({ Bucket, Key }));
    assert.equal(found.ContentType, 'text/plain');
    assert.equal(found.CacheControl, 'no-cache');
    assert.equal(found.TagCount, 2);
    assert.deepEqual(found.Metadata, { 'a-name': 'value' });
    const other = await s3.send(
      new aws.GetObjectCommand({ Bucket, Key, ResponseContentType: 'text/html' }),
    );
    assert.equal(other.ContentType, 'text/html');
    const attributes = await s3.send(
      new aws.GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ['ETag', 'ObjectSize'] }),
    );
    assert.equal(attributes.ObjectSize, 1);
  });

  test('tags are set, told and taken away', async () => {
    const Key = 'tags';
    await s3.send(new aws.PutObjectCommand({ Bucket, Key, Body: 'x' }));
    const TagSet = [{ Key: 'colour', Value: 'blue' }];
    await s3.send(new aws.PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }));
    const tagged = await s3.send(new aws.GetObjectTaggingCommand({ Bucket, Key }));
    assert.deepEqual(tagged.TagSet, TagSet);
    await s3.send(new aws.DeleteObjectTaggingCommand({ Bucket, Key }));
    const bare = await s3.send(new aws.GetObjectTaggingCommand({ Bucket, Key }));
    assert.deepEqual(bare.TagSet ?? [], []);
  });

  test('a copy in the bucket outlives its source', async () => {
    for (const size of [100, 300_000]) {
      const [from, Key] = [`copied ${size}`, `copy of ${size}`];
      const Body = bytes(size, from);
      const { ETag } = await s3.send(new aws.PutObjectCommand({ Bucket, Key: from, Body }));
      const CopySource = `${Bucket}/${encodeURIComponent(from)}`;
      const copied = await s3.send(new aws.CopyObjectCommand({ Bucket, Key, CopySource }));
      assert.equal(copied.CopyObjectResult?.ETag, ETag);
      await s3.send(new aws.DeleteObjectCommand({ Bucket, Key: from }));
      assert.ok(Body.equals(await get({ Key })));
    }
  });

  test('a copy in another bucket has its own bytes, and a new checksum where it is asked for', async () => {
    const other = 'objects-other';
    await s3.send(new aws.CreateBucketCommand({ Bucket: other }));
    for (const size of [100, 5 * mebibyte]) {
      const Key = `across ${size}`;
      const Body = bytes(size, Key);
      await s3.send(new aws.PutObjectCommand({ Bucket, Key, Body }));
      const CopySource = `${Bucket}/${encodeURIComponent(Key)}`;
      const copied = await s3.send(
        new aws.CopyObjectCommand({ Bucket: other, Key, CopySource, ChecksumAlgorithm: 'SHA256' }),
      );
      const sha256 = createHash('sha256').update(Body).digest('base64');
      assert.equal(copied.CopyObjectResult?.ChecksumSHA256, sha256);
      await s3.send(new aws.DeleteObjectCommand({ Bucket, Key }));
      assert.ok(Body.equals(await get({ Bucket: other, Key })));
    }
  });

  test('a copy onto itself changes metadata, or is refused', async () => {
    const Key = 'itself';
    const Body = bytes(200_000, Key);
    await s3.send(new aws.PutObjectCommand({ Bucket, Key, Body, Metadata: { a: '1' } }));
    const copy = { Bucket, Key, CopySource: `${Bucket}/${Key}` };
    assert.equal(await refusal(s3.send(new aws.CopyObjectCommand(copy))), 'InvalidRequest');
    await s3.send(
      new aws.CopyObjectCommand({ ...copy, MetadataDirective: 'REPLACE', Metadata: { b: '2' } }),
    );
    const found = await s3.send(new aws.HeadObjectCommand({ Bucket, Key }));
    assert.deepEqual(found.Metadata, { b: '2' });
    assert.ok(Body.equals(await get({ Key })));
  });

  test('an object comes in parts, one of them copied', async () => {
    const Key = 'parts';
    const source = bytes(6 * mebibyte, 'source of a part');
    await s3.send(new aws.PutObjectCommand({ Bucket, Key: 'part source', Body: source }));
    const { UploadId } = await s3.send(new aws.CreateMultipartUploadCommand({ Bucket, Key }));
    const first = bytes(5 * mebibyte, 'first');
    const last = bytes(1000, 'last');
    const ref = { Bucket, Key, UploadId };
    const one = await s3.send(new aws.UploadPartCommand({ ...ref, PartNumber: 1, Body: first }));
    const two = await s3.send(
      new aws.UploadPartCopyCommand({
        ...{ ...ref, PartNumber: 2, CopySource: `${Bucket}/part%20source` },
        CopySourceRange: `bytes=7-${5 * mebibyte + 6}`,
      }),
    );
    const nine = await s3.send(new aws.UploadPartCommand({ ...ref, PartNumber: 9, Body: last }));
    const listed = await s3.send(new aws.ListPartsCommand(ref));
    assert.deepEqual(
      listed.Parts?.map((part) => [part.PartNumber, part.Size]),
      [
        [1, first.length],
        [2, 5 * mebibyte],
        [9, last.length],
      ],
    );
    const Parts = [
      { PartNumber: 1, ETag: one.ETag },
      { PartNumber: 2, ETag: two.CopyPartResult?.ETag },
      { PartNumber: 9, ETag: nine.ETag },
    ];
    const complete = () =>
      s3.send(new aws.CompleteMultipartUploadCommand({ ...ref, MultipartUpload: { Parts } }));
    const done = await complete();
    assert.match(done.ETag ?? '', /-3"$/);
    const again = await complete();
    assert.equal(again.ETag, done.ETag);
    const second = source.subarray(7, 5 * mebibyte + 7);
    const whole = Buffer.concat([first, second, last]);
    assert.ok(whole.equals(await get({ Key })));
    const across = `bytes=${first.length - 3}-${first.length + 2}`;
    assert.deepEqual(
      await get({ Key, Range: across }),
      whole.subarray(first.length - 3, first.length + 3),
    );
    assert.ok(second.equals(await get({ Key, PartNumber: 2 })));
    assert.ok(last.equals(await get({ Key, PartNumber: 3 })));
    assert.equal(await refusal(get({ Key, PartNumber: 4 })), 'InvalidPartNumber');
    const missing = await refusal(s3.send(new aws.ListPartsCommand(ref)));
    assert.equal(missing, 'NoSuchUpload');
  });

  test('parts that are too small, wrong or unknown are refused', async () => {
    const Key = 'bad parts';
    const { UploadId } = await s3.send(new aws.CreateMultipartUploadCommand({ Bucket, Key }));
    const ref = { Bucket, Key, UploadId };
    const part = await s3.send(new aws.UploadPartCommand({ ...ref, PartNumber: 1, Body: 'small' }));
    await s3.send(new aws.UploadPartCommand({ ...ref, PartNumber: 2, Body: 'small' }));
    const complete = (...Parts: { PartNumber: number; ETag: string | undefined }[]) =>
      refusal(
        s3.send(new aws.CompleteMultipartUploadCommand({ ...ref, MultipartUpload: { Parts } })),
      );
    const { ETag } = part;
    const small = await complete({ PartNumber: 1, ETag }, { PartNumber: 2, ETag });
    assert.equal(small, 'EntityTooSmall');
    assert.equal(await complete({ PartNumber: 1, ETag: '"00"' }), 'InvalidPart');
    assert.equal(await complete({ PartNumber: 3, ETag }), 'InvalidPart');
    await s3.send(new aws.AbortMultipartUploadCommand(ref));
    assert.equal(await complete({ PartNumber: 1, ETag }), 'NoSuchUpload');
  });

  test('versions are kept, hidden and taken away', async () => {
    const own = { Bucket: 'objects-versions', Key: 'object' };
    await s3.send(new aws.CreateBucketCommand({ Bucket: own.Bucket }));
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await s3.send(
      new aws.PutBucketVersioningCommand({ Bucket: own.Bucket, VersioningConfiguration }),
    );
    const one = await s3.send(new aws.PutObjectCommand({ ...own, Body: 'one' }));
    const two = await s3.send(new aws.PutObjectCommand({ ...own, Body: 'two' }));
    const marker = await s3.send(new aws.DeleteObjectCommand(own));
    assert.equal(marker.DeleteMarker, true);
    assert.equal(await refusal(get(own)), 'NoSuchKey');
    assert.equal(String(await get({ ...own, VersionId: one.VersionId })), 'one');
    const asked = get({ ...own, VersionId: marker.VersionId });
    assert.equal(await refusal(asked), 'MethodNotAllowed');
    const { VersionId } = marker;
    await s3.send(new aws.DeleteObjectCommand({ ...own, VersionId }));
    assert.equal(String(await get(own)), 'two');
    await s3.send(new aws.DeleteObjectCommand({ ...own, VersionId: two.VersionId }));
    assert.equal(String(await get(own)), 'one');
  });

  test('what is locked stays', async () => {
    const own = { Bucket: 'objects-locked', Key: 'object' };
    await s3.send(
      new aws.CreateBucketCommand({ Bucket: own.Bucket, ObjectLockEnabledForBucket: true }),
    );
    const ObjectLockRetainUntilDate = new Date(Date.now() + 3_600_000);
    const put = await s3.send(
      new aws.PutObjectCommand({
        ...{ ...own, Body: 'x', ObjectLockMode: 'GOVERNANCE' },
        ObjectLockRetainUntilDate,
      }),
    );
    const version = { ...own, VersionId: put.VersionId };
    const remove = (input: object = {}) =>
      refusal(s3.send(new aws.DeleteObjectCommand({ ...version, ...input })));
    assert.equal(await remove(), 'AccessDenied');
    const LegalHold = { Status: 'ON' } as const;
    await s3.send(new aws.PutObjectLegalHoldCommand({ ...version, LegalHold }));
    assert.equal(await remove({ BypassGovernanceRetention: true }), 'AccessDenied');
    const held = await s3.send(new aws.GetObjectLegalHoldCommand(version));
    assert.equal(held.LegalHold?.Status, 'ON');
    const { Retention } = await s3.send(new aws.GetObjectRetentionCommand(version));
    assert.equal(Retention?.Mode, 'GOVERNANCE');
    const off = { Status: 'OFF' } as const;
    await s3.send(new aws.PutObjectLegalHoldCommand({ ...version, LegalHold: off }));
    assert.equal(await remove({ BypassGovernanceRetention: true }), 'none');
  });

  test('many are deleted at once, each by itself', async () => {
    const keys = Array.from({ length: 250 }, (_, at) => `many/${at}`);
    await Promise.all(
      keys.slice(0, 20).map((Key) => s3.send(new aws.PutObjectCommand({ Bucket, Key, Body: 'x' }))),
    );
    const Objects = keys.map((Key) => ({ Key }));
    const done = await s3.send(new aws.DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    assert.equal(done.Deleted?.length, 250);
    const quiet = { Objects: [{ Key: 'headers' }], Quiet: true };
    const silent = await s3.send(new aws.DeleteObjectsCommand({ Bucket, Delete: quiet }));
    assert.equal(silent.Deleted, undefined);
    const left = await s3.send(new aws.ListObjectsV2Command({ Bucket, Prefix: 'many/' }));
    assert.equal(left.KeyCount, 0);
  });

  test('whoever asks is told that this head serves', async () => {
    const answer = await fetch(`http://127.0.0.1:${head.port}/-/health`);
    assert.equal(answer.status, 200);
  });

  test('who goes away in the middle of a GET leaves nothing behind', async () => {
    const Key = 'sizes/9437189';
    for (let round = 0; round < 5; round++) {
      const abort = new AbortController();
      const got = await s3.send(new aws.GetObjectCommand({ Bucket, Key }), {
        abortSignal: abort.signal,
      });
      const body = got.Body as unknown as AsyncIterable<Buffer>;
      for await (const piece of body) {
        assert.ok(piece.length > 0);
        break;
      }
      abort.abort();
    }
    assert.ok(bytes(9 * mebibyte + 5, Key).equals(await get({ Key })));
  });
});
