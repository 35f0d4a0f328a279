import assert from 'node:assert/strict';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import { awsProgram, mountBucket, resticProgram } from './support/client-programs.ts';
import {
  assertSample,
  hashesOf,
  hashOf,
  makeSample,
  writeRandomFile,
} from './support/client-sample.ts';
import { ClientStage } from './support/client-stage.ts';

/** What the second backup has beside the sample, which has more than 100 MB. */
const moreBytes = 8 * 2 ** 20;
/** It does everything one by one: some 80 ms to write a file and to read it. */
const s3fsFilesMax = process.env['GRID_TEST_LONG'] === '1' ? 3_000 : 200;

suite('programs that keep files in a bucket, over a head and six servers', () => {
  let stage: ClientStage;
  before(async () => {
    stage = await ClientStage.open();
  });
  after(() => stage[Symbol.asyncDispose]());

  test('restic keeps a backup, checks, prunes and restores it', async () => {
    const { port, home, sample } = stage;
    const restic = resticProgram(port, home);
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
    const { port, home } = stage;
    const sample = await makeSample(join(home, 's3fs-sample'), s3fsFilesMax);
    const mount = join(home, 'mount');
    await mkdir(mount);
    await awsProgram(port, home).makeBucket('s3fs');
    for (const isWriting of [true, false]) {
      await using _mounted = await mountBucket(port, home, 's3fs', mount);
      if (isWriting) {
        await cp(sample.tree, join(mount, 'tree'), { recursive: true });
        await cp(sample.large, join(mount, 'large'));
      }
      await assertSample(mount, sample);
    }
  });
});
