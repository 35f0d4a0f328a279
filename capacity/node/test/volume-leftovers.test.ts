import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { delay, FolderLock, runProgram, waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';

import { HeldPrograms } from '../src/sys/held-programs.ts';
import { FullSizeVolumes } from '../src/volumes/full-size-volumes.ts';
import { MemoryBackups } from './support/memory-backups.ts';
import { poolFolder } from './support/pool-folder.ts';

const mib = 2 ** 20;
const sizeBytes = 256 * mib;
const id = 'aaaaaaaaaaaa';
const small = { sizeBytes: 16 * mib, ownerUid: 1_000_000 };
const patience = { timeoutMs: 60_000 };

/** A program that an agent started in a folder of volumes before it was killed. */
async function leftIn(folder: string, program: string, ...args: readonly string[]) {
  await using lock = await FolderLock.open(folder);
  const { descriptor } = new HeldPrograms(lock);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit', descriptor] });
  await once(child, 'spawn');
  return { child, ended: once(child, 'exit') };
}

test('what an agent that was killed left running ends before the next begins', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  const { child, ended } = await leftIn(folder, 'sh', '-c', 'sleep 600; :');
  stack.defer(() => void child.kill('SIGKILL'));
  await assert.rejects(FolderLock.open(folder), hasCode('BASE_FOLDER_LOCKED'));
  await using volumes = await FullSizeVolumes.open({ folder, sizeBytes });
  await volumes.create(id, small);
  assert.deepEqual(await ended, [null, 'SIGKILL']);
});

test('who mends a file system is waited for', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  await mkdir(join(folder, 'bin'));
  const mender = join(folder, 'bin', 'e2fsck');
  await writeFile(mender, `#!/bin/sh\nsleep 1 3>&-\necho mended > ${folder}/told\n`);
  await chmod(mender, 0o755);
  const { ended } = await leftIn(folder, mender);
  await using _volumes = await FullSizeVolumes.open({ folder, sizeBytes });
  assert.equal(await readFile(join(folder, 'told'), 'utf8'), 'mended\n');
  assert.deepEqual(await ended, [0, null]);
});

test('a disk that others still have mounted is not changed behind them', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  await using volumes = await FullSizeVolumes.open({ folder, sizeBytes });
  await volumes.create(id, small);
  await writeFile(join(await volumes.pathOf(id), 'file'), 'kept');
  await volumes.snapshot(id, 'now');
  const backup = { target: new MemoryBackups(), name: 'x', ownerUid: small.ownerUid };
  const { signal } = new AbortController();
  await volumes.backup(id, 'now', { ...backup, signal });
  const place = await volumes.pathOf(id);
  const other = spawn('unshare', ['--mount', '--propagation', 'private', 'sleep', '600']);
  stack.defer(() => void other.kill('SIGKILL'));
  const hasCopy = async (): Promise<boolean> =>
    (await readFile(`/proc/${other.pid}/comm`, 'utf8')) === 'sleep\n';
  await waitFor(hasCopy, { ...patience, what: 'a copy of the table of mounts' });
  const restored = volumes.restore(id, { ...backup, signal }).then(() => 'restored');
  // It takes a tenth of that where nobody else has the disk.
  assert.equal(await Promise.race([restored, delay(3_000).then(() => 'waits')]), 'waits');
  other.kill('SIGKILL');
  await restored;
  assert.equal(await readFile(join(place, 'file'), 'utf8'), 'kept');
  await volumes.leave();
  await runProgram('e2fsck', ['-f', '-n', join(folder, 'images', `v-${id}`)]);
});
