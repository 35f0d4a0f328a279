import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import { awsProgram, rcloneProgram, runClient, s3cmdProgram } from './support/client-programs.ts';
import type { ClientProgram } from './support/client-programs.ts';
import {
  assertSample,
  copyTree,
  hashesOf,
  hashOf,
  writeRandomFile,
} from './support/client-sample.ts';
import { ClientStage } from './support/client-stage.ts';
import { minioProgram, sdkProgram } from './support/node-clients.ts';
import { sdkClient } from './support/sdk-client.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';
const gibibyte = 2 ** 30;

suite('programs that copy files, over a head and six servers', () => {
  let stage: ClientStage;
  before(async () => {
    stage = await ClientStage.open();
  });
  after(() => stage[Symbol.asyncDispose]());

  test('aws sends and brings back files', () => agree('aws', awsProgram(stage.port, stage.home)));
  test('s3cmd sends and brings back files', () =>
    agree('s3cmd', s3cmdProgram(stage.port, stage.home)));
  test('AWS SDK sends and brings back files', () =>
    agree('sdk', sdkProgram(sdkClient({ port: stage.port }))));
  test('minio sends and brings back files', () => agree('minio', minioProgram(stage.port)));

  test('rclone sends and brings back files, and has nothing to do again', async () => {
    await agree('rclone', rcloneProgram(stage.port, stage.home));
    const log = await readFile(join(stage.home, 'again.log'), 'utf8');
    assert.match(log, /There was nothing to transfer/);
    assert.doesNotMatch(log, /Copied|Updated|Deleted/);
  });

  test('boto3 sends and brings back files', async () => {
    const { port, home, sample } = stage;
    const out = join(home, 'boto3-out');
    await mkdir(out);
    const script = join(import.meta.dirname, 'boto3-files.py');
    const words = [script, String(port), sample.large, sample.tree, out];
    assert.match(await runClient('/usr/bin/python3', words), /all agree/);
    await assertSample(out, sample);
  });

  if (isLong) {
    for (const [name, programOf] of [
      ['aws', awsProgram],
      ['rclone', rcloneProgram],
    ] as const) {
      test(`${name} sends and brings back a GiB, and all of /usr/share`, async () => {
        const { port, home } = stage;
        const program = programOf(port, home);
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
    const { home, sample } = stage;
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
    await assertSample(out, sample);
    await program.removeBucket(bucket);
    await assert.rejects(program.list(bucket));
  }
});
