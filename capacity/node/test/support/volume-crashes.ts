import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { readMounts, systemRandom } from '@commongrid/base';

import type { Volumes } from '../../src/volumes/volumes.ts';
import { DeadlyPath } from './deadly-path.ts';
import { MemoryBackups } from './memory-backups.ts';
import { noLoopsBelow, poolFolder } from './pool-folder.ts';

const mib = 2 ** 20;
const [a, b] = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb'];
const ownerUid = 1_000_000;
const program = fileURLToPath(new URL('volume-crash-program.ts', import.meta.url));

/** Programs that change something. */
const programs = [
  ...['btrfs', 'mkfs.btrfs', 'losetup', 'mount', 'umount', 'fallocate', 'cp', 'nsenter'],
  ...['mkfs.ext4', 'debugfs', 'resize2fs', 'e2fsck', 'sh', 'fsfreeze'],
];

/** Kills at each run of the test. */
const killsPerRun = 2;

/** Kills a program that does all that volumes can do, at its programs, and lets it begin again. */
export function testCrashes(kind: string, open: (folder: string) => Promise<Volumes>): void {
  test(`${kind}: what is killed at any step comes to the same, and leaves nothing behind`, async () => {
    await using stack = new AsyncDisposableStack();
    const folder = await poolFolder(stack);
    const backup = join(folder, 'backup');
    await writeFile(backup, await madeBackup(folder, open));
    const deadly = await DeadlyPath.make(join(folder, 'deadly'), programs);
    const run = async (place: string, killAt: number): Promise<NodeJS.Signals | number> => {
      await deadly.arm(killAt);
      const child = spawn(process.execPath, [program, kind, place, backup], {
        env: deadly.env,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const [exitCode, killedBy] = (await once(child, 'exit')) as [number, NodeJS.Signals | null];
      return killedBy ?? exitCode;
    };
    const whole = join(folder, 'whole');
    assert.equal(await run(whole, 0), 0);
    const places = await deadly.places();
    for (const killAt of placesToKillAt(places)) {
      const place = join(folder, String(killAt));
      const note = `GRID_TEST_KILL_AT=${killAt}`;
      const ended = await run(place, killAt);
      // How many groups are swept, each by a program, is a matter of when the kernel frees them.
      assert.ok(ended === 'SIGKILL' || ended === 0, note);
      assert.equal(await run(place, 0), 0, note);
      await assertWhole(place, open);
      await rm(place, { recursive: true });
    }
  });
}

/** All with `GRID_TEST_KILL_AT=all`; one with its number; else some by chance. */
function placesToKillAt(places: number): readonly number[] {
  const named = process.env['GRID_TEST_KILL_AT'];
  const all = Array.from({ length: places }, (_place, index) => index + 1);
  if (named === 'all') return all;
  if (named !== undefined) return [Number(named)];
  return Array.from({ length: killsPerRun }, () => systemRandom.int(1, places + 1));
}

/** What is there after the program came to its end, however often it was killed before. */
async function assertWhole(
  folder: string,
  open: (folder: string) => Promise<Volumes>,
): Promise<void> {
  const volumes = await open(folder);
  try {
    assert.deepEqual(await volumes.list(), [a, b]);
    assert.deepEqual(await volumes.uppers(), []);
    assert.deepEqual(await volumes.snapshots(a), ['kept']);
    assert.deepEqual(await volumes.strangers(new Set([a, b])), []);
    assert.deepEqual((await volumes.usage(a)).sizeBytes, 16 * mib);
    assert.deepEqual((await volumes.usage(b)).sizeBytes, 24 * mib);
    assert.equal(await readFile(join(await volumes.pathOf(a), 'file'), 'utf8'), 'kept');
    assert.deepEqual(await readdir(await volumes.pathOf(b)), ['restored']);
    const { promisedBytes } = await volumes.room();
    assert.ok(promisedBytes < 48 * mib, `${promisedBytes} bytes are promised`);
  } finally {
    await volumes.leave();
  }
  const mounts = (await readMounts()).filter(({ target }) => target.startsWith(`${folder}/`));
  assert.deepEqual(mounts, []);
  await noLoopsBelow(folder);
}

async function madeBackup(
  folder: string,
  open: (folder: string) => Promise<Volumes>,
): Promise<Buffer> {
  const place = join(folder, 'first');
  await mkdir(place);
  await using volumes = await open(place);
  await volumes.create(a, { sizeBytes: 16 * mib, ownerUid });
  await writeFile(join(await volumes.pathOf(a), 'restored'), 'restored');
  await volumes.snapshot(a, 'now');
  const target = new MemoryBackups();
  const { signal } = new AbortController();
  await volumes.backup(a, 'now', { target, name: 'x', ownerUid, signal });
  return target.kept.get('x') ?? Buffer.alloc(0);
}
