import assert from 'node:assert/strict';
import { mkdir, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';

import { loopsBelow } from '../src/sys/loop.ts';
import { openVolumes } from '../src/volumes/open-volumes.ts';
import { VolumePool } from '../src/volumes/volume-pool.ts';
import { attachLoop, letGo, noLoopsBelow, poolFolder } from './support/pool-folder.ts';

const mib = 2 ** 20;
const sizeBytes = 256 * mib;
const prefix = 'cg';
const id = 'aaaaaaaaaaaa';
const small = { sizeBytes: 16 * mib, ownerUid: 1_000_000 };

test('a pool in a file has its room from the start, and grows', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  await using pool = await VolumePool.open({ folder, sizeBytes, prefix });
  const { size, blocks } = await stat(join(folder, 'pool.img'));
  assert.equal(size, sizeBytes);
  assert.ok(blocks * 512 >= sizeBytes, 'the disk below could give its room to others');
  const { freeBytes } = await pool.room();
  const larger = { ...small, sizeBytes: freeBytes + mib };
  await assert.rejects(pool.create(id, larger), hasCode('NODE_ROOM_MISSING'));
  await pool.growPool(sizeBytes + 64 * mib);
  assert.ok((await pool.room()).freeBytes > freeBytes + 48 * mib);
  await pool.create(id, larger);
  await pool.close();
  // It does not shrink when its option does.
  await using again = await VolumePool.open({ folder, sizeBytes, prefix });
  assert.deepEqual(await again.list(), [id]);
  await assert.rejects(again.create('bbbbbbbbbbbb', larger), hasCode('NODE_ROOM_MISSING'));
});

test('a pool is not begun on a disk without room for it', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  await runProgram('mount', ['-t', 'tmpfs', '-o', 'size=64M', 'none', await made(folder, 'full')]);
  const opened = VolumePool.open({ folder: join(folder, 'full'), sizeBytes, prefix });
  await assert.rejects(opened, hasCode('NODE_ROOM_MISSING'));
  assert.deepEqual(await readdir(join(folder, 'full')), ['LOCK', 'pool']);
  const none = VolumePool.open({ folder: join(folder, 'none'), prefix });
  await assert.rejects(none, hasCode('NODE_CONFIG_INVALID'));
});

test('a disk is taken when it is empty or the pool’s own, and nothing else is written to', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  const file = join(folder, 'disk');
  await truncate(await madeFile(file), sizeBytes);
  const device = await attachLoop(file);
  const options = { folder: join(folder, 'node'), device, prefix };
  const first = await VolumePool.open(options);
  await first.create(id, small);
  await writeFile(join(await first.pathOf(id), 'file'), 'kept');
  await first.leave();
  const other = VolumePool.open({ ...options, prefix: 'xy' });
  await assert.rejects(other, hasCode('NODE_POOL_FOREIGN'));
  const second = await VolumePool.open(options);
  assert.equal(await readFile(join(await second.pathOf(id), 'file'), 'utf8'), 'kept');
  await truncate(file, sizeBytes + 64 * mib);
  await runProgram('losetup', ['--set-capacity', device]);
  const { freeBytes } = await second.room();
  await second.growPool();
  assert.ok((await second.room()).freeBytes >= freeBytes);
  await second.leave();
  await runProgram('losetup', ['--detach', device]);

  await truncate(await madeFile(join(folder, 'theirs')), sizeBytes);
  await runProgram('mkfs.ext4', ['-q', join(folder, 'theirs')]);
  const theirs = await attachLoop(join(folder, 'theirs'));
  const foreign = VolumePool.open({ ...options, device: theirs });
  await assert.rejects(foreign, hasCode('NODE_POOL_FOREIGN'));
  await runProgram('e2fsck', ['-f', '-n', theirs]);
});

test('a pool whose file is damaged is left as it is', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  await (await VolumePool.open({ folder, sizeBytes, prefix })).leave();
  const file = await open(join(folder, 'pool.img'), 'r+');
  await file.write(Buffer.alloc(4_096), 0, 4_096, 65_536);
  await file.close();
  const before = await digestOf(join(folder, 'pool.img'));
  const opened = VolumePool.open({ folder, sizeBytes, prefix });
  await assert.rejects(opened, hasCode('NODE_POOL_BROKEN'));
  assert.equal(await digestOf(join(folder, 'pool.img')), before);
  await noLoopsBelow(folder);
});

test('a pool that takes no writes any more is mounted anew', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  await (await VolumePool.open({ folder, sizeBytes, prefix })).close();
  await runProgram('mount', ['-o', 'remount,ro', join(folder, 'pool')]);
  await using pool = await VolumePool.open({ folder, sizeBytes, prefix });
  await pool.create(id, small);
});

test('what else is at the place of a pool is not touched', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  const place = await made(folder, 'pool');
  await runProgram('mount', ['-t', 'tmpfs', 'none', place]);
  const opened = VolumePool.open({ folder, sizeBytes, prefix });
  await assert.rejects(opened, hasCode('NODE_POOL_FOREIGN'));
  await runProgram('umount', [place]);
});

test('disks that an earlier node left are used or taken away', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  await (await VolumePool.open({ folder, sizeBytes, prefix })).close();
  await letGo(folder);
  for (let count = 0; count < 3; count++) await attachLoop(join(folder, 'pool.img'));
  const pool = await VolumePool.open({ folder, sizeBytes, prefix });
  assert.equal((await loopsBelow(folder)).length, 1);
  await pool.leave();
  await noLoopsBelow(folder);
});

test('subvolumes that came into a volume go with it, whatever their names', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  await using pool = await VolumePool.open({ folder, sizeBytes, prefix });
  for (const each of [id, 'bbbbbbbbbbbb']) await pool.create(each, small);
  const inside = join(await pool.pathOf(id), 'folder');
  await mkdir(inside);
  const fake = 'x\nID 257 gen 1 top level 5 path v-bbbbbbbbbbbb';
  for (const name of ['-i', fake, 'more', 'more/within']) {
    await runProgram('btrfs', ['subvolume', 'create', '--', name], { cwd: inside });
  }
  await pool.remove(id);
  assert.deepEqual(await pool.list(), ['bbbbbbbbbbbb']);
});

test('a folder stays what it was begun as, and a machine without btrfs has volumes too', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  const path = process.env['PATH'];
  stack.defer(() => void (process.env['PATH'] = path));
  const bin = await made(folder, 'bin');
  await runProgram('sh', ['-c', 'ln -s /usr/bin/* /usr/sbin/* . ; rm btrfs mkfs.btrfs'], {
    cwd: bin,
  });
  const fullSize = { folder: join(folder, 'full'), sizeBytes, prefix };
  const pooled = { folder: join(folder, 'pooled'), sizeBytes, prefix };
  await (await openVolumes(pooled)).leave();
  process.env['PATH'] = bin;
  const without = await openVolumes(fullSize);
  await without.create(id, small);
  await without.leave();
  await assert.rejects(openVolumes(pooled), hasCode('NODE_FEATURE_MISSING'));
  process.env['PATH'] = path;
  const withBtrfs = await openVolumes(fullSize);
  assert.deepEqual(await withBtrfs.list(), [id]);
  await withBtrfs.leave();
});

async function made(folder: string, name: string): Promise<string> {
  await mkdir(join(folder, name));
  return join(folder, name);
}

async function madeFile(path: string): Promise<string> {
  await writeFile(path, '');
  return path;
}

async function digestOf(path: string): Promise<string> {
  return runProgram('sha256sum', [path]);
}
