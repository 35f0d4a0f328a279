import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';

import { HubClient } from '../src/hub/hub-client.ts';
import { HubServer } from '../src/hub/hub-server.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { unmount } from '../src/sys/mounts.ts';
import { runProgram } from '../src/sys/run-program.ts';
import { alice, keepImage, keys } from './hub-harness.ts';
import { imageOf } from './store-images.ts';

test('a hub with a full disk says so, stores nothing half, and goes on when there is room', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder('hub'));
  const disk = join(folder.path, 'disk');
  await mkdir(disk);
  await runProgram('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk]);
  stack.defer(() => unmount(disk));
  const server = stack.use(await HubServer.open({ folder: join(disk, 'hub'), keys }));
  const maker = stack.use(await FlistRepository.open({ folder: join(folder.path, 'maker') }));
  const client = new HubClient({ url: server.url, key: alice });
  const small = await keepImage(maker, imageOf({ small: randomBytes(100_000) }));
  await client.upload(small, maker);
  await client.name('alice/small', small);

  const large = await keepImage(maker, imageOf({ large: randomBytes(4 << 20) }));
  const ballast = join(disk, 'ballast');
  await writeFile(ballast, Buffer.alloc(2 << 20));
  await assert.rejects(client.upload(large, maker), hasCode('FLIST_DISK_FULL'));
  assert.equal((await client.resolve('alice/small')).digest, small);
  await rm(ballast);
  const { doneChunks } = await client.upload(large, maker);
  assert.equal(doneChunks, 8);
  await client.name('alice/large', large);
  assert.deepEqual(await readdir(join(disk, 'hub', 'images', 'temp')), []);
  await server.close();
  await using reopened = await FlistRepository.open({ folder: join(disk, 'hub', 'images') });
  assert.deepEqual((await reopened.scrub()).badChunks, []);
});
