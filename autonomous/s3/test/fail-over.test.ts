import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import * as aws from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { seededRandom, waitFor } from '@commongrid/base';
import { ZdbFleet } from '@commongrid/zstor/testing';

import { fourPlusTwo, HeadProcess } from './support/head-process.ts';
import { sdkClient } from './support/sdk-client.ts';

const Bucket = 'fail-over';
/** The promise to whoever uses S3: another head serves so soon after one is killed. */
const takeOverMsMax = 5_000;

function bytes(sizeBytes: number, name: string): Buffer {
  return Buffer.from(seededRandom(name).bytes(sizeBytes));
}

suite('two heads', () => {
  const stack = new AsyncDisposableStack();
  let fleet: ZdbFleet;
  let backendsFile: string;
  let active: HeadProcess;

  before(async () => {
    fleet = stack.use(await ZdbFleet.open(6));
    backendsFile = await fleet.makeStore('heads');
    active = await open('one');
    await using client = clientOf(active);
    await client.s3.send(new aws.CreateBucketCommand({ Bucket }));
  });
  after(() => stack.disposeAsync());

  /** Resolves once it serves, which is when no other does. */
  async function open(name: string): Promise<HeadProcess> {
    const folder = join(fleet.folder, name);
    const keyFile = join(fleet.folder, 'key');
    return stack.use(
      await HeadProcess.open({ folder, backendsFile, keyFile, policy: fourPlusTwo }),
    );
  }

  function clientOf({ port }: HeadProcess): { s3: S3Client } & AsyncDisposable {
    const s3 = sdkClient({ port });
    return {
      s3,
      [Symbol.asyncDispose]: async () => s3.destroy(),
    };
  }

  async function read(s3: S3Client, Key: string): Promise<Buffer | undefined> {
    try {
      const got = await s3.send(new aws.GetObjectCommand({ Bucket, Key }));
      return Buffer.from((await got.Body?.transformToByteArray()) ?? []);
    } catch (error) {
      if (error instanceof aws.NoSuchKey) return undefined;
      throw error;
    }
  }

  test('a kill in the middle of everything loses nothing that was acknowledged', async () => {
    await using first = clientOf(active);
    const asked = new Map<string, Buffer>();
    const put = new Set<string>();
    const deleted = new Set<string>();
    const sizes = [100, 50_000, 300_000, 2_000_000];
    const write = async (writer: number): Promise<void> => {
      for (let round = 0; ; round++) {
        const Key = `kill/${writer}/${round}`;
        const Body = bytes(sizes[(writer + round) % sizes.length] ?? 0, Key);
        asked.set(Key, Body);
        await first.s3.send(new aws.PutObjectCommand({ Bucket, Key, Body }));
        put.add(Key);
        if (round % 3 !== 0) continue;
        deleted.add(Key);
        await first.s3.send(new aws.DeleteObjectCommand({ Bucket, Key }));
        put.delete(Key);
      }
    };
    const upload = { Bucket, Key: 'kill/upload' };
    const { UploadId } = await first.s3.send(new aws.CreateMultipartUploadCommand(upload));
    const Parts: aws.CompletedPart[] = [];
    const part = bytes(5 * 2 ** 20, 'part');
    const writeParts = async (): Promise<void> => {
      for (let PartNumber = 1; ; PartNumber++) {
        const input = { ...upload, UploadId, PartNumber, Body: part };
        const { ETag } = await first.s3.send(new aws.UploadPartCommand(input));
        Parts.push({ PartNumber, ETag });
      }
    };
    const writers = [0, 1, 2, 3].map((writer) => write(writer));
    const ended = Promise.allSettled([...writers, writeParts()]);
    const standingBy = open('two');
    await waitFor(() => put.size >= 20 && Parts.length >= 2, {
      what: 'puts and parts',
      timeoutMs: 60_000,
    });
    await active.kill();
    const killedMs = performance.now();
    await ended;
    const next = await standingBy;
    const tookMs = performance.now() - killedMs;
    active = next;
    assert.ok(tookMs < takeOverMsMax, `it took ${Math.round(tookMs)} ms`);

    await using now = clientOf(next);
    for (const [Key, expected] of asked) {
      const found = await read(now.s3, Key);
      if (put.has(Key) && !deleted.has(Key)) assert.ok(found?.equals(expected), `${Key} is lost`);
      else if (found !== undefined) assert.ok(found.equals(expected), `${Key} is half there`);
      if (deleted.has(Key) && !put.has(Key)) assert.equal(found, undefined, `${Key} is back`);
    }
    const known = await now.s3.send(new aws.ListPartsCommand({ ...upload, UploadId }));
    assert.ok((known.Parts?.length ?? 0) >= Parts.length);
    const MultipartUpload = { Parts };
    await now.s3.send(
      new aws.CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload }),
    );
    const whole = Buffer.concat(Parts.map(() => part));
    assert.ok((await read(now.s3, upload.Key))?.equals(whole));
  });

  test('a head that was frozen tells nothing that is not so any more', async () => {
    const frozen = active;
    await using old = clientOf(frozen);
    const Key = 'frozen';
    await old.s3.send(new aws.PutObjectCommand({ Bucket, Key, Body: 'before' }));
    const standingBy = open('three');
    frozen.signal('SIGSTOP');
    const next = await standingBy;
    await using now = clientOf(next);
    await now.s3.send(new aws.PutObjectCommand({ Bucket, Key, Body: 'after' }));
    await now.s3.send(new aws.PutObjectCommand({ Bucket, Key: 'frozen/new', Body: 'new' }));

    // Asked while it is frozen, so that it answers first thing when it goes on.
    const get = (): Promise<string> =>
      read(old.s3, Key).then(
        (found) => String(found),
        () => 'refused',
      );
    const list = (): Promise<string> =>
      old.s3.send(new aws.ListObjectsV2Command({ Bucket, Prefix: 'frozen' })).then(
        ({ KeyCount }) => String(KeyCount),
        () => 'refused',
      );
    const answers = [get(), list(), get(), list()];
    frozen.signal('SIGCONT');
    const untilMs = performance.now() + 3_000;
    const told = await Promise.all(answers);
    while (performance.now() < untilMs) told.push(await get(), await list());
    const wrong = told.filter((answer) => !['refused', 'after', '2'].includes(answer));
    assert.deepEqual(wrong, []);
    assert.ok(told.includes('refused'));
    assert.equal(String(await read(now.s3, Key)), 'after');
    active = next;
  });
});
