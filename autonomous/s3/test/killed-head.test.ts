import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';

import * as aws from '@aws-sdk/client-s3';
import { askControl, waitFor } from '@commongrid/base';
import { controlPathOf } from '@commongrid/zstor';
import { leftOverShards, manifestsOf, Traffic, ZdbFleet } from '@commongrid/zstor/testing';

import type { FsckReport } from '../src/admin/admin-actions.ts';
import { S3Head } from '../src/s3-head.ts';
import { fourPlusTwo, HeadProcess } from './support/head-process.ts';
import { sdkClient } from './support/sdk-client.ts';
import { sdkTraffic } from './support/sdk-traffic.ts';

const Bucket = 'killed';
const kills = process.env['GRID_TEST_LONG'] === '1' ? 20 : 2;
const sizesBytes = [700, 40_000, 300_000, 5 * 2 ** 20 + 77];
const part = Buffer.alloc(5 * 2 ** 20, 'part');

suite('a head that is killed again and again in the middle of everything', () => {
  test('leaves nothing that nobody knows', async () => {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(await ZdbFleet.open(6));
    const place = {
      ...{ folder: join(fleet.folder, 'head'), keyFile: join(fleet.folder, 'key') },
      ...{ backendsFile: await fleet.makeStore(Bucket), policy: fourPlusTwo },
    };
    const head = stack.use(await HeadProcess.open(place));
    const client = sdkClient({ port: head.port });
    stack.defer(() => client.destroy());
    await client.send(new aws.CreateBucketCommand({ Bucket }));
    const traffic = new Traffic({ store: sdkTraffic(client, Bucket), seed: Bucket, sizesBytes });
    for (let round = 0; round < kills; round++) {
      const sent = { parts: 0 };
      traffic.start();
      const uploading = assert.rejects(upload(client, `upload-${round}`, sent));
      await traffic.more(20 + 7 * round);
      await waitFor(() => sent.parts > round, { what: 'parts', timeoutMs: 60_000 });
      await head.kill();
      await Promise.all([traffic.stop(), uploading]);
      if (round + 1 === kills) break;
      await head.restart();
      await assertKept(traffic);
    }

    await using last = await S3Head.open({ ...place, port: head.port });
    await assertKept(traffic);
    await tidy(last);
    assert.deepEqual(await leftOverShards(last.store), []);
    assert.deepEqual(await manifestsOf(last.store), versionsOf(last));
    await giveUploadsUp(last.port);
    await tidy(last);
    assert.deepEqual(await leftOverShards(last.store), []);
    const { isSound } = (await askControl(controlPathOf(place.folder), 's3.fsck')) as FsckReport;
    assert.ok(isSound);
  });
});

/** That all names hold what was acknowledged last, or what was sent when the head was killed. */
async function assertKept(traffic: Traffic): Promise<void> {
  traffic.failures.length = 0;
  await traffic.readAll();
  assert.deepEqual(traffic.wrong, []);
  assert.deepEqual(traffic.failures, []);
}

/** What a head does within a day, at once. */
async function tidy({ store }: S3Head): Promise<void> {
  await store.care.repair({ signal: AbortSignal.timeout(60_000) });
  // What was packed and collected by the first is deleted by the second.
  for (let pass = 0; pass < 2; pass++) await store.collection.runNow();
  await store.manifests.keeper.keep();
}

/** Their ids in hex: each has a manifest. */
function versionsOf({ store }: S3Head): string[] {
  const sql = 'SELECT lower(hex(id)) AS id FROM s3_versions WHERE is_marker = 0 ORDER BY id';
  return store.catalog.read((db) => db.prepare(sql).all()).map(({ id }) => String(id));
}

/** Sends parts until that fails. */
async function upload(client: aws.S3Client, Key: string, sent: { parts: number }): Promise<void> {
  const { UploadId } = await client.send(new aws.CreateMultipartUploadCommand({ Bucket, Key }));
  for (let PartNumber = 1; ; PartNumber++) {
    const input = { Bucket, Key, UploadId, PartNumber, Body: part };
    await client.send(new aws.UploadPartCommand(input));
    sent.parts++;
  }
}

async function giveUploadsUp(port: number): Promise<void> {
  const client = sdkClient({ port });
  const { Uploads = [] } = await client.send(new aws.ListMultipartUploadsCommand({ Bucket }));
  assert.equal(Uploads.length, kills);
  for (const { Key, UploadId } of Uploads) {
    await client.send(new aws.AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  }
  client.destroy();
}
