import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import * as aws from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { askControl, GridError, isGridError, waitFor } from '@commongrid/base';
import { controlPathOf } from '@commongrid/zstor';
import { ZdbFleet } from '@commongrid/zstor/testing';

import type { BucketReport, ClientKey, FsckReport, StatReport } from '../src/index.ts';
import { S3Head } from '../src/s3-head.ts';
import { accessKey, secretKey } from './signed-request.ts';
import { runClient } from './support/client-programs.ts';
import { fourPlusTwo } from './support/head-process.ts';
import { sdkClient } from './support/sdk-client.ts';

const Bucket = 'data';
const origin = 'https://app.example.org';

suite('the administration of a head on six servers', () => {
  const stack = new AsyncDisposableStack();
  let fleet: ZdbFleet;
  let folder = '';
  let s3: S3Client;
  let head: S3Head;

  before(async () => {
    fleet = stack.use(await ZdbFleet.open(6));
    folder = fleet.folder;
    head = stack.use(
      await S3Head.open({
        folder: join(folder, 'head'),
        backendsFile: await fleet.makeStore('administration'),
        policy: fourPlusTwo,
        port: 0,
        firstKey: { accessKey, secretKey },
        metrics: { port: 0 },
        accessLog: join(folder, 'access.log'),
      }),
    );
    s3 = sdkClient({ port: head.port });
    stack.defer(() => s3.destroy());
    await s3.send(new aws.CreateBucketCommand({ Bucket }));
    await writeFile(join(folder, 'file'), 'hello');
  });
  after(() => stack.disposeAsync());

  function ask<T>(action: string, args: Readonly<Record<string, unknown>> = {}): Promise<T> {
    return askControl(controlPathOf(join(folder, 'head')), action, args) as Promise<T>;
  }

  /** What the aws program is refused with; `ok` when it is not. */
  async function awsAs(key: ClientKey, ...words: readonly string[]): Promise<string> {
    const url = `http://127.0.0.1:${head.port}`;
    const variables = {
      HOME: folder,
      AWS_ACCESS_KEY_ID: key.accessKey,
      AWS_SECRET_ACCESS_KEY: key.secretKey,
    };
    try {
      await runClient('/usr/bin/aws', ['--endpoint-url', url, ...words], variables);
      return 'ok';
    } catch (error) {
      // Of HEAD there is no code, but a status.
      const [, code] = /\((\w+)\) when calling/.exec(String(error)) ?? [];
      return code ?? String(error);
    }
  }

  /** With a further key of a user. */
  async function clientOf(user: string): Promise<S3Client> {
    const key = await ask<ClientKey>('s3.keys.add', { user });
    const client = sdkClient({ port: head.port, key });
    stack.defer(() => client.destroy());
    return client;
  }

  /** Bodies of every kind: inline, small, in parts, shared, of versions, of uploads under way. */
  async function writeAllKinds(): Promise<void> {
    const put = (Key: string, sizeBytes: number): Promise<unknown> =>
      s3.send(new aws.PutObjectCommand({ Bucket, Key, Body: Buffer.alloc(sizeBytes, 7) }));
    const versions = { Bucket, VersioningConfiguration: { Status: 'Enabled' as const } };
    await put('inline', 10);
    await put('empty', 0);
    await put('small', 20_000);
    await put('big', 200_000);
    await s3.send(new aws.CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/big` }));
    await s3.send(new aws.PutBucketVersioningCommand(versions));
    await put('big', 300_000);
    await s3.send(new aws.DeleteObjectCommand({ Bucket, Key: 'big' }));
    const Parts = [];
    for (const Key of ['parts', 'under way']) {
      const { UploadId } = await s3.send(new aws.CreateMultipartUploadCommand({ Bucket, Key }));
      for (const [at, sizeBytes] of [5 << 20, 100].entries()) {
        const part = { Bucket, Key, UploadId, PartNumber: at + 1, Body: Buffer.alloc(sizeBytes) };
        const { ETag } = await s3.send(new aws.UploadPartCommand(part));
        if (Key === 'parts') Parts.push({ ETag, PartNumber: at + 1 });
      }
      if (Key !== 'parts') continue;
      const completed = { Bucket, Key, UploadId, MultipartUpload: { Parts } };
      await s3.send(new aws.CompleteMultipartUploadCommand(completed));
    }
    await head.store.catalog.takeSnapshot();
  }

  async function refusal(work: Promise<unknown>): Promise<string> {
    try {
      await work;
      return 'ok';
    } catch (error) {
      if (isGridError(error)) return error.code;
      return error instanceof Error ? error.name : String(error);
    }
  }

  test('two users of aws have what each was granted', async () => {
    const grants = { [Bucket]: ['read'] };
    const alice = await ask<ClientKey>('s3.keys.add', { user: 'alice', makesBuckets: true });
    const bob = await ask<ClientKey>('s3.keys.add', { user: 'bob', grants });
    assert.equal(bob.endpoint, `http://127.0.0.1:${head.port}`);
    await s3.send(new aws.PutObjectCommand({ Bucket, Key: 'shared', Body: 'hello' }));
    const [file, got] = [join(folder, 'file'), join(folder, 'got')];
    assert.equal(await awsAs(bob, 's3', 'cp', `s3://${Bucket}/shared`, got), 'ok');
    assert.equal(await readFile(got, 'utf8'), 'hello');
    assert.equal(await awsAs(bob, 's3', 'cp', file, `s3://${Bucket}/own`), 'AccessDenied');
    assert.equal(await awsAs(alice, 's3', 'mb', 's3://alices'), 'ok');
    assert.equal(await awsAs(alice, 's3', 'cp', file, 's3://alices/a'), 'ok');
    assert.equal(await awsAs(bob, 's3', 'ls', 's3://alices'), 'AccessDenied');
  });

  test('a policy gives to one user, and takes from all', async () => {
    const alice = await clientOf('alice');
    const bob = await clientOf('bob');
    const list = new aws.ListObjectsV2Command({ Bucket: 'alices' });
    const policy = {
      Version: '2012-10-17',
      Statement: [
        {
          ...{ Effect: 'Allow', Principal: { AWS: 'arn:aws:iam:::user/bob' } },
          ...{ Action: ['s3:ListBucket', 's3:GetObject'] },
          Resource: ['arn:aws:s3:::alices', 'arn:aws:s3:::alices/*'],
        },
        {
          ...{ Effect: 'Deny', Principal: '*', Action: ['s3:DeleteObject'] },
          Resource: 'arn:aws:s3:::alices/*',
        },
      ],
    };
    assert.equal(await refusal(bob.send(list)), 'AccessDenied');
    const put = { Bucket: 'alices', Policy: JSON.stringify(policy) };
    await alice.send(new aws.PutBucketPolicyCommand(put));
    assert.equal(await refusal(bob.send(list)), 'ok');
    const unsigned = await fetch(`http://127.0.0.1:${head.port}/alices`);
    assert.equal(unsigned.status, 403);
    const one = { Bucket: 'alices', Key: 'a' };
    assert.equal(await refusal(alice.send(new aws.DeleteObjectCommand(one))), 'AccessDenied');
    const Delete = { Objects: [{ Key: 'a' }] };
    const many = await alice.send(new aws.DeleteObjectsCommand({ Bucket: 'alices', Delete }));
    assert.equal(many.Errors?.[0]?.Code, 'AccessDenied');
    const copied = { Bucket, Key: 'copy', CopySource: 'alices/a' };
    assert.equal(await refusal(bob.send(new aws.CopyObjectCommand(copied))), 'AccessDenied');
    await ask('s3.keys.add', { user: 'bob', grants: { [Bucket]: ['read', 'write'] } });
    const copy = async (more: Partial<aws.CopyObjectCommandInput> = {}): Promise<string> =>
      refusal(bob.send(new aws.CopyObjectCommand({ ...copied, ...more })));
    assert.equal(await copy(), 'ok');
    // Tags of the source are copied by who may read them.
    const Tagging = { TagSet: [{ Key: 'tag', Value: 'secret' }] };
    await alice.send(new aws.PutObjectTaggingCommand({ ...one, Tagging }));
    assert.equal(await copy(), 'AccessDenied');
    assert.equal(await copy({ TaggingDirective: 'REPLACE' }), 'ok');
    policy.Statement[0]?.Action.push('s3:GetObjectTagging');
    await alice.send(new aws.PutBucketPolicyCommand({ ...put, Policy: JSON.stringify(policy) }));
    assert.equal(await copy(), 'ok');
    const made = new aws.CreateBucketCommand({ Bucket: 'bobs' });
    assert.equal(await refusal(bob.send(made)), 'AccessDenied');
    await ask('s3.keys.rm', { user: 'bob' });
    assert.equal(await refusal(bob.send(list)), 'InvalidAccessKeyId');
    assert.equal(await refusal(ask('s3.keys.rm', { user: 'alice' })), 'S3_USER_NEEDED');
  });

  test('a quota is kept to the byte, whoever writes at once', async () => {
    const Key = (at: number): string => `k${at}`;
    await s3.send(new aws.CreateBucketCommand({ Bucket: 'full' }));
    const report = await ask<BucketReport>('s3.quota', { bucket: 'full', bytes: 10_000 });
    assert.equal(report.quotaBytes, 10_000);
    const puts = Array.from({ length: 24 }, (_, at) =>
      refusal(
        s3.send(
          new aws.PutObjectCommand({ Bucket: 'full', Key: Key(at), Body: Buffer.alloc(1000) }),
        ),
      ),
    );
    const answers = await Promise.all(puts);
    assert.equal(answers.filter((answer) => answer === 'ok').length, 10);
    assert.equal(answers.filter((answer) => answer === 'QuotaExceeded').length, 14);
    const kept = answers.indexOf('ok');
    const replace = (sizeBytes: number): Promise<string> =>
      refusal(
        s3.send(
          new aws.PutObjectCommand({
            ...{ Bucket: 'full', Key: Key(kept), Body: Buffer.alloc(sizeBytes) },
          }),
        ),
      );
    assert.equal(await replace(1001), 'QuotaExceeded');
    assert.equal(await replace(999), 'ok');
    assert.equal(await replace(1000), 'ok');
    const created = new aws.CreateMultipartUploadCommand({ Bucket: 'full', Key: 'parts' });
    const { UploadId } = await s3.send(created);
    const part = new aws.UploadPartCommand({
      ...{ Bucket: 'full', Key: 'parts', UploadId, PartNumber: 1, Body: Buffer.alloc(1) },
    });
    assert.equal(await refusal(s3.send(part)), 'QuotaExceeded');
    await ask('s3.quota', { bucket: 'full', bytes: null, objects: 10 });
    assert.equal(await replace(5000), 'ok');
    const eleventh = new aws.PutObjectCommand({ Bucket: 'full', Key: 'new', Body: '' });
    assert.equal(await refusal(s3.send(eleventh)), 'QuotaExceeded');
    assert.equal(await refusal(ask('s3.quota', { bucket: 'none', bytes: 1 })), 'S3_BUCKET_UNKNOWN');
    const { buckets } = await ask<{ buckets: BucketReport[] }>('s3.buckets');
    const full = buckets.find(({ name }) => name === 'full');
    assert.deepEqual(
      { objects: full?.objects, bytes: full?.bytes, owner: full?.owner },
      { objects: 10, bytes: 14_000, owner: 'admin' },
    );
  });

  test('pages of another origin are answered as the bucket says', async () => {
    const rule = { AllowedOrigins: [origin], AllowedMethods: ['PUT'], AllowedHeaders: ['*'] };
    await s3.send(
      new aws.PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [rule] } }),
    );
    const url = `http://127.0.0.1:${head.port}/${Bucket}/key`;
    const asked = {
      ...{ origin, 'access-control-request-method': 'PUT' },
      'access-control-request-headers': 'content-type',
    };
    const allowed = await fetch(url, { method: 'OPTIONS', headers: asked });
    assert.equal(allowed.status, 200);
    assert.equal(allowed.headers.get('access-control-allow-origin'), origin);
    const other = { ...asked, 'access-control-request-method': 'DELETE' };
    const refused = await fetch(url, { method: 'OPTIONS', headers: other });
    assert.equal(refused.status, 403);
    // An error, too, is told to the page.
    const denied = await fetch(url, { method: 'PUT', headers: { origin }, body: 'x' });
    assert.equal(denied.status, 403);
    assert.equal(denied.headers.get('access-control-allow-origin'), origin);
  });

  test('lifecycle rules of which a part is unknown are refused', async () => {
    const put = (rule: aws.LifecycleRule): Promise<string> =>
      refusal(
        s3.send(
          new aws.PutBucketLifecycleConfigurationCommand({
            ...{ Bucket, LifecycleConfiguration: { Rules: [{ ID: 'one', ...rule }] } },
          }),
        ),
      );
    const Filter = { Prefix: 'old/' };
    assert.equal(await put({ Status: 'Enabled', Filter, Expiration: { Days: 1 } }), 'ok');
    const Transitions = [{ Days: 1, StorageClass: 'GLACIER' as const }];
    assert.equal(await put({ Status: 'Enabled', Filter, Transitions }), 'NotImplemented');
  });

  test('of a store that was rebuilt nothing is deleted until that is accepted', async () => {
    const Key = 'from before';
    await s3.send(new aws.PutObjectCommand({ Bucket, Key, Body: 'kept' }));
    await head.store.catalog.write((db) => db.exec('INSERT INTO rebuilt VALUES (1, 0, 0, 0)'));
    const remove = (): Promise<string> =>
      refusal(s3.send(new aws.DeleteObjectCommand({ Bucket, Key })));
    assert.equal(await remove(), 'AccessDenied');
    const looked = await ask<FsckReport>('s3.fsck');
    assert.ok(looked.isRebuilt && !looked.isAccepted);
    assert.equal(await remove(), 'AccessDenied');
    const accepted = await ask<FsckReport>('s3.fsck', { isAccepted: true });
    assert.ok(!accepted.isRebuilt && accepted.isAccepted);
    assert.equal(await remove(), 'ok');
  });

  test('the tables are sound, and a version that lost its blob is found', async () => {
    await writeAllKinds();
    const sound = await ask<FsckReport>('s3.fsck');
    assert.deepEqual(sound.findings, []);
    assert.ok(sound.isSound && sound.versions > 0 && sound.chunks > 0);
    await head.store.catalog.write((db) => {
      db.exec('DELETE FROM blob_chunks; UPDATE s3_buckets SET bytes = bytes + 1');
    });
    const broken = await ask<FsckReport>('s3.fsck');
    assert.ok(!broken.isSound);
    const kinds = Object.keys(broken.counts);
    assert.ok(kinds.includes('blob-empty') && kinds.includes('counter-wrong'), kinds.join());
  });

  test('stat, metrics and access log tell of it all, and of no secret', async () => {
    const { metricsAddress } = head;
    const stat = await ask<StatReport>('s3.stat');
    assert.equal(stat.buckets, 3);
    assert.equal(stat.care.backends.length, 6);
    const metrics = async (): Promise<string> =>
      (await fetch(`http://127.0.0.1:${metricsAddress?.port}/metrics`)).text();
    let text = '';
    const isServing = async (): Promise<boolean> =>
      (text = await metrics()).includes('s3_serving 1');
    await waitFor(isServing, { what: 'a head that serves', timeoutMs: 60_000 });
    for (const line of [
      's3_errors_total{operation="PutObject",code="QuotaExceeded"}',
      's3_requests_total{operation="CreateBucket"} 4',
      's3_backend_free_bytes{backend=',
      's3_bucket_objects{bucket="full"} 10',
      's3_serving 1',
    ]) {
      assert.ok(text.includes(line), line);
    }
    const path = join(folder, 'access.log');
    const log = (): Promise<string> => readFile(path, 'utf8');
    await waitFor(async () => (await log()).includes('REST.PUT.LIFECYCLE'), {
      what: 'the access log',
      timeoutMs: 60_000,
    });
    const lines = (await log()).trimEnd().split('\n');
    // Status, code, bytes sent, bytes of the object, ms in all and until the first byte.
    const got = / REST\.GET\.OBJECT shared "[^"]*" 200 - 5 5 \d+ \d+ /;
    assert.ok(lines.some((line) => got.test(line)));
    const key = await ask<ClientKey>('s3.key');
    assert.deepEqual(key, {
      ...{ endpoint: `http://127.0.0.1:${head.port}`, region: 'us-east-1', user: 'admin' },
      ...{ accessKey, secretKey },
    });
    assert.ok(!(await log()).includes(secretKey));
  });

  test('with a full disk of the tables nothing is added, and all else goes on', async ({
    mock,
  }) => {
    const one = { Bucket, Key: 'before it was full' };
    const put = (): Promise<string> => refusal(s3.send(new aws.PutObjectCommand(one)));
    assert.equal(await put(), 'ok');
    const full = mock.method(head.store.catalog, 'requireRoom', () => {
      throw new GridError('ZSTOR_CATALOG_NO_ROOM', 'full');
    });
    assert.equal(await put(), 'StorageFull');
    const started = new aws.CreateMultipartUploadCommand(one);
    assert.equal(await refusal(s3.send(started)), 'StorageFull');
    assert.equal(await refusal(s3.send(new aws.GetObjectCommand(one))), 'ok');
    assert.equal(await refusal(s3.send(new aws.DeleteObjectCommand(one))), 'ok');
    full.mock.restore();
    assert.equal(await put(), 'ok');
  });

  test('stat tells what it can while too few members of the log answer', async () => {
    const isServing = async (): Promise<StatReport | undefined> => {
      const now = await ask<StatReport>('s3.stat');
      return now.isServing ? now : undefined;
    };
    const known = await waitFor(isServing, { what: 'the head to serve', timeoutMs: 60_000 });
    await fleet.kill(0, 1, 2);
    const what = 'three that do not answer';
    const stat = await waitFor(
      async () => {
        const now = await ask<StatReport>('s3.stat');
        const away = now.care.backends.filter(({ state }) => state === 'suspect');
        return !now.isServing && away.length === 3 ? now : undefined;
      },
      { what, timeoutMs: 60_000 },
    );
    assert.deepEqual([stat.objects, stat.bytes], [known.objects, known.bytes]);
    await assert.rejects(ask('s3.buckets'), { code: 'ZSTOR_CATALOG_NOT_SERVING' });
    await fleet.restart(0, 1, 2);
    await waitFor(isServing, { what: 'the head to serve again', timeoutMs: 60_000 });
  });
});
