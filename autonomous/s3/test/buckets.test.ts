import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import * as sdk from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { tempFolder } from '@commongrid/base/testing';
import { ZdbFleet } from '@commongrid/zstor/testing';

import { fourPlusTwo, HeadProcess } from './support/head-process.ts';
import { sdkClient } from './support/sdk-client.ts';

const dayMs = 86_400_000;

suite('buckets', () => {
  const stack = new AsyncDisposableStack();
  let client: S3Client;
  let port = 0;

  before(async () => {
    const home = stack.use(await tempFolder('s3-buckets')).path;
    const fleet = stack.use(await ZdbFleet.open(6));
    const backendsFile = await fleet.makeStore('buckets');
    const place = { folder: join(home, 'head'), keyFile: join(home, 'key'), policy: fourPlusTwo };
    const head = stack.use(await HeadProcess.open({ ...place, backendsFile }));
    port = head.port;
    client = sdkClient({ port });
    stack.defer(() => client.destroy());
  });
  after(() => stack.disposeAsync());

  const make = (Bucket: string, more: object = {}): Promise<unknown> =>
    client.send(new sdk.CreateBucketCommand({ Bucket, ...more }));
  const put = (Bucket: string, Key: string, Body = 'x'): Promise<sdk.PutObjectCommandOutput> =>
    client.send(new sdk.PutObjectCommand({ Bucket, Key, Body }));

  test('are made, listed, found and deleted', async () => {
    await make('made-one');
    await make('made-two');
    await assert.rejects(make('made-one'), { name: 'BucketAlreadyOwnedByYou' });
    const elsewhere = { CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } };
    await assert.rejects(make('made-three', elsewhere), { name: 'InvalidLocationConstraint' });
    const tagged = { CreateBucketConfiguration: { Tags: [{ Key: 'a', Value: 'b' }] } };
    await assert.rejects(make('made-three', tagged), { name: 'NotImplemented' });
    const all = await client.send(new sdk.ListBucketsCommand({ Prefix: 'made-' }));
    assert.deepEqual(
      all.Buckets?.map(({ Name }) => Name),
      ['made-one', 'made-two'],
    );
    assert.match(all.Owner?.ID ?? '', /^[0-9a-f]{64}$/);
    const first = await client.send(new sdk.ListBucketsCommand({ MaxBuckets: 1 }));
    assert.equal(first.Buckets?.length, 1);
    const found = await client.send(new sdk.HeadBucketCommand({ Bucket: 'made-one' }));
    assert.equal(found.BucketRegion, 'us-east-1');
    const location = await client.send(new sdk.GetBucketLocationCommand({ Bucket: 'made-one' }));
    assert.ok(!location.LocationConstraint);
    const of = (ExpectedBucketOwner: string | undefined): Promise<unknown> =>
      client.send(new sdk.GetBucketAclCommand({ Bucket: 'made-one', ExpectedBucketOwner }));
    await of(all.Owner?.ID);
    await assert.rejects(of('111122223333'), { name: 'AccessDenied' });
    await put('made-two', 'k');
    const gone = new sdk.DeleteBucketCommand({ Bucket: 'made-two' });
    await assert.rejects(client.send(gone), { name: 'BucketNotEmpty' });
    await client.send(new sdk.DeleteObjectCommand({ Bucket: 'made-two', Key: 'k' }));
    await client.send(gone);
    await assert.rejects(client.send(new sdk.HeadBucketCommand({ Bucket: 'made-two' })), {
      name: 'NotFound',
    });
    await make('made-two');
    const empty = await client.send(new sdk.ListObjectsV2Command({ Bucket: 'made-two' }));
    assert.equal(empty.KeyCount, 0);
  });

  test('keep what they are configured with, as it was sent', async () => {
    const Bucket = 'configured';
    await make(Bucket);
    const at = { Bucket };
    const tags = [{ Key: 'team', Value: 'archive' }];
    const rule = {
      ...{ ID: 'old', Status: 'Enabled' as const, Filter: { Prefix: 'logs/' } },
      Expiration: { Days: 30 },
    };
    const cors = { AllowedMethods: ['GET'], AllowedOrigins: ['https://example.org'] };
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          ...{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject' },
          Resource: 'arn:aws:s3:::configured/public/*',
        },
      ],
    });
    const absent: readonly (readonly [() => Promise<unknown>, string])[] = [
      [() => client.send(new sdk.GetBucketTaggingCommand(at)), 'NoSuchTagSet'],
      [() => client.send(new sdk.GetBucketCorsCommand(at)), 'NoSuchCORSConfiguration'],
      [() => client.send(new sdk.GetBucketPolicyCommand(at)), 'NoSuchBucketPolicy'],
      [() => client.send(new sdk.GetBucketPolicyStatusCommand(at)), 'NoSuchBucketPolicy'],
      [
        () => client.send(new sdk.GetBucketLifecycleConfigurationCommand(at)),
        'NoSuchLifecycleConfiguration',
      ],
    ];
    const allAreAbsent = async (): Promise<void> => {
      for (const [ask, name] of absent) await assert.rejects(ask(), { name });
    };
    await allAreAbsent();
    await client.send(new sdk.PutBucketTaggingCommand({ ...at, Tagging: { TagSet: tags } }));
    const CORSConfiguration = { CORSRules: [cors] };
    await client.send(new sdk.PutBucketCorsCommand({ ...at, CORSConfiguration }));
    await client.send(new sdk.PutBucketPolicyCommand({ ...at, Policy: policy }));
    const LifecycleConfiguration = { Rules: [rule] };
    await client.send(
      new sdk.PutBucketLifecycleConfigurationCommand({ ...at, LifecycleConfiguration }),
    );
    assert.deepEqual((await client.send(new sdk.GetBucketTaggingCommand(at))).TagSet, tags);
    assert.deepEqual((await client.send(new sdk.GetBucketCorsCommand(at))).CORSRules, [cors]);
    assert.equal((await client.send(new sdk.GetBucketPolicyCommand(at))).Policy, policy);
    const status = await client.send(new sdk.GetBucketPolicyStatusCommand(at));
    assert.equal(status.PolicyStatus?.IsPublic, true);
    const rules = await client.send(new sdk.GetBucketLifecycleConfigurationCommand(at));
    assert.deepEqual(rules.Rules, [rule]);
    await client.send(new sdk.DeleteBucketTaggingCommand(at));
    await client.send(new sdk.DeleteBucketCorsCommand(at));
    await client.send(new sdk.DeleteBucketPolicyCommand(at));
    await client.send(new sdk.DeleteBucketLifecycleCommand(at));
    await allAreAbsent();
  });

  test('are always encrypted, and say so', async () => {
    const at = { Bucket: 'sealed' };
    await make(at.Bucket);
    const encrypted = (SSEAlgorithm: 'AES256' | 'aws:kms'): Promise<unknown> => {
      const Rules = [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm } }];
      const ServerSideEncryptionConfiguration = { Rules };
      return client.send(
        new sdk.PutBucketEncryptionCommand({ ...at, ServerSideEncryptionConfiguration }),
      );
    };
    await encrypted('AES256');
    await assert.rejects(encrypted('aws:kms'), { name: 'NotImplemented' });
    await client.send(new sdk.DeleteBucketEncryptionCommand(at));
    const told = await client.send(new sdk.GetBucketEncryptionCommand(at));
    const [rule] = told.ServerSideEncryptionConfiguration?.Rules ?? [];
    assert.equal(rule?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm, 'AES256');
    const acl = await client.send(new sdk.GetBucketAclCommand(at));
    assert.equal(acl.Grants?.[0]?.Permission, 'FULL_CONTROL');
    await client.send(new sdk.PutBucketAclCommand({ ...at, ACL: 'private' }));
    await assert.rejects(client.send(new sdk.PutBucketAclCommand({ ...at, ACL: 'public-read' })), {
      name: 'AccessControlListNotSupported',
    });
    await assert.rejects(client.send(new sdk.GetBucketWebsiteCommand(at)), {
      name: 'NotImplemented',
    });
  });

  test('keep versions once they are told to, and locks from then on', async () => {
    const at = { Bucket: 'versioned' };
    await make(at.Bucket);
    const set = (Status: 'Enabled' | 'Suspended'): Promise<unknown> => {
      const VersioningConfiguration = { Status };
      return client.send(new sdk.PutBucketVersioningCommand({ ...at, VersioningConfiguration }));
    };
    const lock = (): Promise<unknown> => {
      const Rule = { DefaultRetention: { Mode: 'COMPLIANCE' as const, Days: 1 } };
      const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' as const, Rule };
      return client.send(
        new sdk.PutObjectLockConfigurationCommand({ ...at, ObjectLockConfiguration }),
      );
    };
    const status = async (): Promise<string | undefined> =>
      (await client.send(new sdk.GetBucketVersioningCommand(at))).Status;
    assert.equal(await status(), undefined);
    await assert.rejects(lock(), { name: 'InvalidBucketState' });
    await assert.rejects(client.send(new sdk.GetObjectLockConfigurationCommand(at)), {
      name: 'ObjectLockConfigurationNotFoundError',
    });
    await set('Enabled');
    await set('Suspended');
    assert.equal(await status(), 'Suspended');
    await set('Enabled');
    await lock();
    await assert.rejects(set('Suspended'), { name: 'InvalidBucketState' });
    const told = await client.send(new sdk.GetObjectLockConfigurationCommand(at));
    const { DefaultRetention } = told.ObjectLockConfiguration?.Rule ?? {};
    assert.deepEqual(DefaultRetention, { Mode: 'COMPLIANCE', Days: 1 });
    const { VersionId } = await put(at.Bucket, 'k');
    const object = await client.send(new sdk.HeadObjectCommand({ ...at, Key: 'k' }));
    assert.equal(object.ObjectLockMode, 'COMPLIANCE');
    const leftMs = Number(object.ObjectLockRetainUntilDate) - Date.now();
    assert.ok(leftMs > dayMs - 60_000 && leftMs <= dayMs, String(leftMs));
    const gone = new sdk.DeleteObjectCommand({ ...at, Key: 'k', VersionId });
    await assert.rejects(client.send(gone), { name: 'AccessDenied' });
  });

  test('are listed page by page, with keys of all kinds', async () => {
    const Bucket = 'listed';
    await make(Bucket);
    const keys = ['a b+c%', 'dir/1', 'dir/2', 'dir/sub/3', 'zé\u{1F600}/<&>', '\u0001'];
    for (const key of keys) await put(Bucket, key);
    const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const found: (string | undefined)[] = [];
    const pages = sdk.paginateListObjectsV2({ client, pageSize: 2 }, { Bucket });
    for await (const page of pages) found.push(...(page.Contents ?? []).map(({ Key }) => Key));
    assert.deepEqual(found, sorted);
    const root = await client.send(new sdk.ListObjectsCommand({ Bucket, Delimiter: '/' }));
    assert.deepEqual(
      root.CommonPrefixes?.map(({ Prefix }) => Prefix),
      ['dir/', 'zé\u{1F600}/'],
    );
    const first = await client.send(
      new sdk.ListObjectsCommand({ Bucket, Delimiter: '/', Prefix: 'dir/', MaxKeys: 2 }),
    );
    assert.deepEqual([first.IsTruncated, first.NextMarker], [true, 'dir/2']);
    const second = await client.send(
      new sdk.ListObjectsCommand({ Bucket, Delimiter: '/', Prefix: 'dir/', Marker: 'dir/2' }),
    );
    assert.deepEqual(
      [second.IsTruncated, second.Contents, second.CommonPrefixes?.[0]?.Prefix],
      [false, undefined, 'dir/sub/'],
    );
    const behind = new sdk.ListObjectsV2Command({ Bucket, StartAfter: 'dir/1', MaxKeys: 1 });
    assert.equal((await client.send(behind)).Contents?.[0]?.Key, 'dir/2');
    const odd = new sdk.ListObjectsV2Command({ Bucket, ContinuationToken: 'made up' });
    await assert.rejects(client.send(odd), { name: 'InvalidArgument' });
    const negative = new sdk.ListObjectsV2Command({ Bucket, MaxKeys: -1 });
    await assert.rejects(client.send(negative), { name: 'InvalidArgument' });
  });

  test('are listed with versions and uploads', async () => {
    const Bucket = 'histories';
    await make(Bucket);
    const VersioningConfiguration = { Status: 'Enabled' as const };
    await client.send(new sdk.PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    const made: (string | undefined)[] = [];
    for (const body of ['1', '2', '3']) made.unshift((await put(Bucket, 'k', body)).VersionId);
    await client.send(new sdk.DeleteObjectCommand({ Bucket, Key: 'k' }));
    const seen: unknown[] = [];
    let marker: Pick<sdk.ListObjectVersionsCommandInput, 'KeyMarker' | 'VersionIdMarker'> = {};
    for (;;) {
      const ask = new sdk.ListObjectVersionsCommand({ Bucket, MaxKeys: 1, ...marker });
      const page = await client.send(ask);
      for (const version of page.DeleteMarkers ?? []) seen.push(['marker', version.IsLatest]);
      for (const { VersionId } of page.Versions ?? []) seen.push(VersionId);
      if (page.IsTruncated !== true) break;
      marker = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
    }
    assert.deepEqual(seen, [['marker', true], ...made]);
    const alone = new sdk.ListObjectVersionsCommand({ Bucket, VersionIdMarker: made[0] });
    await assert.rejects(client.send(alone), { name: 'InvalidArgument' });
    const begin = (Key: string): Promise<sdk.CreateMultipartUploadCommandOutput> =>
      client.send(new sdk.CreateMultipartUploadCommand({ Bucket, Key }));
    const uploads = [await begin('a'), await begin('a'), await begin('b/c')];
    const first = await client.send(new sdk.ListMultipartUploadsCommand({ Bucket, MaxUploads: 1 }));
    assert.equal(first.Uploads?.[0]?.UploadId, uploads[0]?.UploadId);
    const rest = await client.send(
      new sdk.ListMultipartUploadsCommand({
        ...{ Bucket, Delimiter: '/', KeyMarker: first.NextKeyMarker },
        UploadIdMarker: first.NextUploadIdMarker,
      }),
    );
    assert.equal(rest.Uploads?.[0]?.UploadId, uploads[1]?.UploadId);
    assert.deepEqual(
      rest.CommonPrefixes?.map(({ Prefix }) => Prefix),
      ['b/'],
    );
  });
});
