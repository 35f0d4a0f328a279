import assert from 'node:assert/strict';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';
import { ZdbFleet } from '@commongrid/zstor/testing';

import {
  awsProgram,
  mountBucket,
  rcloneProgram,
  resticProgram,
  runClient,
  s3cmdProgram,
} from './support/client-programs.ts';
import type { ClientProgram } from './support/client-programs.ts';
import {
  copyTree,
  hashesOf,
  hashOf,
  makeSample,
  writeRandomFile,
} from './support/client-sample.ts';
import type { ClientSample } from './support/client-sample.ts';
import { fourPlusTwo, HeadProcess } from './support/head-process.ts';
import { minioProgram, sdkProgram } from './support/node-clients.ts';
import { sdkClient } from './support/sdk-client.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';
/** Beside the sample; in the long run a backup has 100 MB. */
const moreBytes = (isLong ? 30 : 8) * 2 ** 20;
const gibibyte = 2 ** 30;

suite('real clients over a head and six servers', () => {
  const stack = new AsyncDisposableStack();
  let home = '';
  let head: HeadProcess;
  let sample: ClientSample;

  before(async () => {
    home = stack.use(await tempFolder('s3-clients')).path;
    sample = await makeSample(home);
    const fleet = stack.use(await ZdbFleet.open(6));
    const backendsFile = await fleet.makeStore('clients');
    const folder = join(home, 'head');
    const place = { folder, backendsFile, keyFile: join(home, 'key'), policy: fourPlusTwo };
    head = stack.use(await HeadProcess.open(place));
  });
  after(() => stack.disposeAsync());

  test('aws sends and brings back files', () => agree('aws', awsProgram(head.port, home)));
  test('s3cmd sends and brings back files', () => agree('s3cmd', s3cmdProgram(head.port, home)));
  test('AWS SDK sends and brings back files', () =>
    agree('sdk', sdkProgram(sdkClient({ port: head.port }))));
  test('minio sends and brings back files', () => agree('minio', minioProgram(head.port)));

  test('rclone sends and brings back files, and has nothing to do again', async () => {
    await agree('rclone', rcloneProgram(head.port, home));
    const log = await readFile(join(home, 'again.log'), 'utf8');
    assert.match(log, /There was nothing to transfer/);
    assert.doesNotMatch(log, /Copied|Updated|Deleted/);
  });

  test('boto3 sends and brings back files', async () => {
    const out = join(home, 'boto3-out');
    await mkdir(out);
    const script = join(import.meta.dirname, 'boto3-files.py');
    const words = [script, String(head.port), sample.large, sample.tree, out];
    assert.match(await runClient('/usr/bin/python3', words), /all agree/);
    await assertSample(out);
  });

  test('restic keeps a backup, checks, prunes and restores it', async () => {
    const restic = resticProgram(head.port, home);
    const more = join(home, 'more');
    await writeRandomFile(more, moreBytes);
    await restic('init');
    await restic('backup', sample.large, sample.tree);
    await restic('backup', sample.large, sample.tree, more);
    await restic('check', '--read-data');
    await restic('forget', '--keep-last=1', '--prune');
    await restic('check');
    const target = join(home, 'restic-out');
    await restic('restore', 'latest', `--target=${target}`);
    assert.equal(await hashOf(join(target, sample.large)), sample.largeHash);
    assert.equal(await hashOf(join(target, more)), await hashOf(more));
    assert.deepEqual(await hashesOf(join(target, sample.tree)), sample.treeHashes);
  });

  test('s3fs mounts a bucket as a folder', async () => {
    const mount = join(home, 'mount');
    await mkdir(mount);
    await awsProgram(head.port, home).makeBucket('s3fs');
    for (const isWriting of [true, false]) {
      await using _mounted = await mountBucket(head.port, home, 's3fs', mount);
      if (isWriting) {
        await cp(sample.tree, join(mount, 'tree'), { recursive: true });
        await cp(sample.large, join(mount, 'large'));
      }
      await assertSample(mount);
    }
  });

  if (isLong) {
    for (const [name, programOf] of [
      ['aws', awsProgram],
      ['rclone', rcloneProgram],
    ] as const) {
      test(`${name} sends and brings back a GiB, and all of /usr/share`, async () => {
        const program = programOf(head.port, home);
        const bucket = `${name}-long`;
        const file = join(home, 'gibibyte');
        await writeRandomFile(file, gibibyte);
        await program.makeBucket(bucket);
        await program.upload(file, bucket, 'gibibyte');
        await program.download(bucket, 'gibibyte', join(home, 'gibibyte-out'));
        assert.equal(await hashOf(join(home, 'gibibyte-out')), await hashOf(file));
        const out = join(home, `${name}-share`);
        const share = join(home, `${name}-usr-share`);
        await copyTree('/usr/share', share);
        await program.uploadTree(share, bucket, 'share');
        await mkdir(out);
        await program.downloadTree(bucket, 'share', out);
        assert.deepEqual(await hashesOf(out), await hashesOf(share));
        await program.removeBucket(bucket);
      });
    }
  }

  async function agree(bucket: string, program: ClientProgram): Promise<void> {
    const out = join(home, `${bucket}-out`);
    await mkdir(out);
    await program.makeBucket(bucket);
    await program.upload(sample.large, bucket, 'large');
    await program.uploadTree(sample.tree, bucket, 'tree');
    const keys = Object.keys(sample.treeHashes).map((path) => `tree/${path}`);
    assert.deepEqual((await program.list(bucket)).toSorted(), [...keys, 'large'].toSorted());
    await program.download(bucket, 'large', join(out, 'large'));
    await mkdir(join(out, 'tree'));
    await program.downloadTree(bucket, 'tree', join(out, 'tree'));
    await assertSample(out);
    await program.removeBucket(bucket);
    await assert.rejects(program.list(bucket));
  }

  async function assertSample(folder: string): Promise<void> {
    assert.equal(await hashOf(join(folder, 'large')), sample.largeHash);
    assert.deepEqual(await hashesOf(join(folder, 'tree')), sample.treeHashes);
  }
});
