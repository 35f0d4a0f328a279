import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';

import { snapshotsMax } from '../../src/volumes/volumes.ts';
import type { VolumeBackup, Volumes } from '../../src/volumes/volumes.ts';
import { fillWithFile, fillWithLinks, isNoRoom } from './fill-disk.ts';
import { MemoryBackups } from './memory-backups.ts';
import { letGo, poolFolder } from './pool-folder.ts';
import { treeOf, writeTree } from './volume-tree.ts';

/** What any kind of volumes must do. `open` gives room for `roomBytes` at least. */
export interface VolumeCases {
  readonly kind: string;
  readonly roomBytes: number;
  /** What the file system of a volume of 200 MiB has for itself, at most. */
  readonly ownBytes: number;
  readonly open: (folder: string) => Promise<Volumes>;
}

const mib = 2 ** 20;
const [a, b, c] = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb', 'cccccccccccc'];
const ownerUid = 1_000_000;
const size = { sizeBytes: 32 * mib, ownerUid };

export function testVolumes(cases: VolumeCases): void {
  const { kind } = cases;
  const titled = (what: string): string => `${kind}: ${what}`;

  test(titled('a volume belongs to its owner, and is made once'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    await volumes.create(a, size);
    const path = await volumes.pathOf(a);
    const made = await stat(path);
    assert.deepEqual([made.uid, made.gid, made.mode & 0o777], [ownerUid, ownerUid, 0o755]);
    assert.deepEqual(await readdir(path), []);
    await chown(path, ownerUid + 999, ownerUid);
    await volumes.create(a, size);
    assert.equal((await stat(path)).uid, ownerUid + 999);
    assert.deepEqual(await volumes.list(), [a]);
    const { usedBytes, sizeBytes } = await volumes.usage(a);
    assert.equal(sizeBytes, size.sizeBytes);
    assert.ok(usedBytes < mib, `${usedBytes}`);
    await volumes.remove(a);
    await volumes.remove(a);
    assert.deepEqual(await volumes.list(), []);
    await assert.rejects(volumes.pathOf(a), hasCode('NODE_VOLUME_UNKNOWN'));
    await assert.rejects(volumes.usage(a), hasCode('NODE_VOLUME_UNKNOWN'));
    await assert.rejects(volumes.snapshot(a, 'x'), hasCode('NODE_VOLUME_UNKNOWN'));
  });

  test(titled('a full volume stops its writer, and nobody else'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    const most = cases.roomBytes - size.sizeBytes;
    await volumes.create(a, { sizeBytes: most, ownerUid });
    await volumes.create(b, size);
    const [full, other] = [await volumes.pathOf(a), await volumes.pathOf(b)];
    assertFilled(fillWithFile(join(full, 'file')), most, cases.ownBytes);
    assert.throws(() => fillWithFile(join(full, 'more'), 4 * mib), isNoRoom);
    // Then the other writes what is all metadata, beside a disk that is all data.
    assert.throws(() => fillWithLinks(other), isNoRoom);
    await runProgram('sync', ['--file-system', other]);
    assertFilled((await volumes.usage(b)).usedBytes, size.sizeBytes, cases.ownBytes);
  });

  test(titled('a volume full of small files leaves others their room'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    const most = cases.roomBytes - size.sizeBytes;
    await volumes.create(a, size);
    await volumes.create(b, { sizeBytes: most, ownerUid });
    assert.throws(() => fillWithLinks(opened.pathOf(a)), isNoRoom);
    assertFilled(fillWithFile(join(await volumes.pathOf(b), 'file')), most, cases.ownBytes);
    // Who has no room left can make some.
    await runProgram('rm', ['-r', join(await volumes.pathOf(a), 'd0')]);
  });

  test(titled('a volume grows while it is full, and never shrinks'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    await volumes.create(a, size);
    const path = join(await volumes.pathOf(a), 'file');
    fillWithFile(path);
    await volumes.grow(a, 2 * size.sizeBytes);
    await volumes.grow(a, 2 * size.sizeBytes);
    assert.ok(fillWithFile(path, 48 * mib) >= 48 * mib);
    await assert.rejects(volumes.grow(a, size.sizeBytes), hasCode('NODE_VOLUME_SHRINK'));
    await assert.rejects(volumes.create(a, size), hasCode('NODE_VOLUME_SHRINK'));
    assert.equal((await volumes.usage(a)).sizeBytes, 2 * size.sizeBytes);
    await assert.rejects(volumes.grow(b, size.sizeBytes), hasCode('NODE_VOLUME_UNKNOWN'));
    await assert.rejects(volumes.create(b, { sizeBytes: 1, ownerUid }), isInvalid);
  });

  test(titled('room is promised to one only, with figures when there is none'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    const before = await volumes.room();
    assert.equal(before.freeBytes, before.sizeBytes - before.promisedBytes);
    await volumes.create(a, { sizeBytes: before.freeBytes - 40 * mib, ownerUid });
    const both = [volumes.create(b, size), volumes.createUpper(c, size.sizeBytes)];
    const refused = (await Promise.allSettled(both)).filter(({ status }) => status === 'rejected');
    assert.equal(refused.length, 1);
    await assert.rejects(Promise.all(both), hasCode('NODE_ROOM_MISSING'));
    const after = await volumes.room();
    assert.ok(after.freeBytes <= 8 * mib && after.freeBytes >= 0, `${after.freeBytes}`);
    await assert.rejects(volumes.grow(a, before.sizeBytes), hasCode('NODE_ROOM_MISSING'));
    for (const id of [b, c]) {
      await volumes.remove(id);
      await volumes.removeUpper(id);
    }
    await volumes.create(b, size);
  });

  test(titled('a volume that comes to its name is counted all the while'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    for (let round = 0; round < 10; round++) {
      const made = new AbortController();
      const looking = Promise.all([looks(volumes, made.signal), looks(volumes, made.signal)]);
      await volumes.create(a, size).finally(() => made.abort());
      for (const seen of await looking) {
        assert.ok(seen.length > 0);
        assert.deepEqual(seen, seen.toSorted(ascending));
      }
      await volumes.remove(a);
    }
  });

  test(titled('snapshots keep files as they were'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    await volumes.create(a, size);
    const file = join(await volumes.pathOf(a), 'file');
    await writeFile(file, 'one');
    await volumes.snapshot(a, 'first');
    await writeFile(file, 'two');
    await volumes.snapshot(a, 'first');
    await volumes.snapshot(a, 'second');
    assert.deepEqual(await volumes.snapshots(a), ['first', 'second']);
    assert.deepEqual(await volumes.snapshots(b), []);
    const backups = new MemoryBackups();
    await volumes.backup(a, 'first', backupTo(backups, 'x'));
    await volumes.restore(a, backupTo(backups, 'x'));
    assert.equal(await readFile(file, 'utf8'), 'one');
    assert.deepEqual(await volumes.snapshots(a), ['first', 'second']);
    await volumes.dropSnapshot(a, 'first');
    await volumes.dropSnapshot(a, 'first');
    assert.deepEqual(await volumes.snapshots(a), ['second']);
    const dropped = volumes.backup(a, 'first', backupTo(backups, 'x'));
    await assert.rejects(dropped, hasCode('NODE_SNAPSHOT_UNKNOWN'));
    await assert.rejects(volumes.snapshot(a, '../x'), isInvalid);
    await volumes.remove(a);
    assert.deepEqual(await volumes.strangers(new Set()), []);
  });

  test(titled('a volume has a limited number of snapshots'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    await volumes.create(a, { sizeBytes: 16 * mib, ownerUid });
    for (let count = 0; count < snapshotsMax; count++) await volumes.snapshot(a, `s${count}`);
    await assert.rejects(volumes.snapshot(a, 'more'), hasCode('NODE_SNAPSHOT_LIMIT'));
  });

  test(titled('a clone is a volume of its own'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    await volumes.create(a, size);
    const source = await volumes.pathOf(a);
    await writeTree(source, ownerUid);
    await volumes.create(b, { ...size, sizeBytes: 40 * mib, cloneOf: a });
    await volumes.create(b, { ...size, sizeBytes: 40 * mib, cloneOf: a });
    assert.deepEqual(
      await treeOf(await volumes.pathOf(b), ownerUid),
      await treeOf(source, ownerUid),
    );
    await writeFile(join(source, 'plain'), 'changed');
    await volumes.remove(a);
    assert.equal(await readFile(join(await volumes.pathOf(b), 'plain'), 'utf8'), 'plain');
    assert.equal((await volumes.usage(b)).sizeBytes, 40 * mib);
    const smaller = volumes.create(c, { sizeBytes: 16 * mib, ownerUid, cloneOf: b });
    await assert.rejects(smaller, hasCode('NODE_VOLUME_SHRINK'));
    const ofNone = volumes.create(c, { ...size, cloneOf: a });
    await assert.rejects(ofNone, hasCode('NODE_VOLUME_UNKNOWN'));
    assert.deepEqual(await volumes.list(), [b]);
  });

  test(titled('a backup has all of a file, with owners as a container sees them'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    await volumes.create(a, size);
    await writeTree(await volumes.pathOf(a), ownerUid);
    const before = await treeOf(await volumes.pathOf(a), ownerUid);
    await volumes.snapshot(a, 'now');
    const backups = new MemoryBackups();
    await volumes.backup(a, 'now', backupTo(backups, 'x'));
    // On another machine the tenant has other ids.
    const otherUid = 3_000_000;
    await volumes.create(b, { ...size, ownerUid: otherUid });
    await writeFile(join(await volumes.pathOf(b), 'old'), '');
    await volumes.restore(b, { ...backupTo(backups, 'x'), ownerUid: otherUid });
    assert.deepEqual(await treeOf(await volumes.pathOf(b), otherUid), before);
    assert.equal((await volumes.usage(b)).sizeBytes, size.sizeBytes);
    assert.throws(() => fillWithFile(join(opened.pathOf(b), 'more'), size.sizeBytes), isNoRoom);
  });

  test(titled('a backup that is broken leaves the volume as it is'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    await volumes.create(a, size);
    const path = await volumes.pathOf(a);
    await writeFile(
      join(path, 'file'),
      Buffer.alloc(4 * mib).map((_byte, at) => at * 7 + at / 256),
    );
    await volumes.snapshot(a, 'now');
    await volumes.create(b, { sizeBytes: 16 * mib, ownerUid });
    await writeFile(join(await volumes.pathOf(b), 'kept'), 'kept');
    const { promisedBytes } = await volumes.room();
    const backups = new MemoryBackups();
    await volumes.backup(a, 'now', backupTo(backups, 'whole'));
    const whole = backups.kept.get('whole') ?? Buffer.alloc(0);
    backups.kept.set('short', whole.subarray(0, whole.length - 1));
    backups.kept.set('half', whole.subarray(0, whole.length / 2));
    backups.kept.set('flipped', whole.with(whole.length - 1, (whole.at(-1) ?? 0) ^ 1) as Buffer);
    backups.kept.set('none', Buffer.alloc(0));
    backups.kept.set('other', Buffer.alloc(100_000, 'this is no backup'));
    for (const name of ['short', 'half', 'flipped', 'none', 'other']) {
      const restored = volumes.restore(b, backupTo(backups, name));
      await assert.rejects(restored, hasCode('NODE_BACKUP_BROKEN'), name);
    }
    const unknown = volumes.restore(b, backupTo(backups, 'nobody knows'));
    await assert.rejects(unknown, hasCode('NODE_BACKUP_UNKNOWN'));
    const stopping = new AbortController();
    backups.get = () => Promise.resolve(Readable.from(endless(whole, () => stopping.abort())));
    const stopped = volumes.restore(b, { ...backupTo(backups, 'x'), signal: stopping.signal });
    await assert.rejects(stopped, hasCode('BASE_ABORTED'));
    assert.deepEqual(await readdir(await volumes.pathOf(b)), ['kept']);
    assert.deepEqual(await volumes.list(), [a, b]);
    assert.deepEqual(await volumes.strangers(new Set([a, b])), []);
    const left = (await volumes.room()).promisedBytes - promisedBytes;
    assert.ok(left < 8 * mib, `${left} bytes are not given back`);
  });

  test(titled('a backup that cannot read all of a snapshot fails'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    await volumes.create(a, size);
    // Of the machine's root: to the tenant's it belongs to nobody.
    await writeFile(join(await volumes.pathOf(a), 'secret'), 'x', { mode: 0o600 });
    await volumes.snapshot(a, 'now');
    const backups = new MemoryBackups();
    await assert.rejects(volumes.backup(a, 'now', backupTo(backups, 'x')), /Permission denied/);
    assert.deepEqual(await backups.list(''), []);
  });

  test(titled('what does not fit is not restored'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    await volumes.create(a, size);
    fillWithFile(join(await volumes.pathOf(a), 'file'), 24 * mib);
    await volumes.snapshot(a, 'now');
    const backups = new MemoryBackups();
    await volumes.backup(a, 'now', backupTo(backups, 'x'));
    await volumes.create(b, { sizeBytes: 16 * mib, ownerUid });
    const restored = volumes.restore(b, backupTo(backups, 'x'));
    await assert.rejects(restored, hasCode('NODE_VOLUME_FULL'));
    assert.deepEqual(await readdir(await volumes.pathOf(b)), []);
  });

  test(titled('all comes back after a restart of the machine'), async () => {
    await using opened = await open(cases);
    await opened.volumes.create(a, size);
    await opened.volumes.snapshot(a, 'kept');
    await writeFile(join(await opened.volumes.pathOf(a), 'file'), 'kept');
    const upper = await opened.volumes.createUpper(c, size.sizeBytes);
    await mkdir(join(upper, 'upper'));
    await opened.volumes.close();
    await letGo(opened.folder);
    await using volumes = await cases.open(opened.folder);
    assert.equal(await readFile(join(await volumes.pathOf(a), 'file'), 'utf8'), 'kept');
    assert.deepEqual(await volumes.snapshots(a), ['kept']);
    assert.equal((await volumes.usage(a)).sizeBytes, size.sizeBytes);
    assert.deepEqual(await volumes.uppers(), [c]);
    assert.deepEqual(await readdir(upper), ['upper']);
    assert.throws(() => fillWithFile(join(upper, 'file'), size.sizeBytes), isNoRoom);
  });

  test(titled('what is open stays so when its keeper ends and another begins'), async () => {
    await using opened = await open(cases);
    await opened.volumes.create(a, size);
    const path = join(await opened.volumes.pathOf(a), 'file');
    const file = openSync(path, 'w');
    try {
      await assert.rejects(cases.open(opened.folder), hasCode('BASE_FOLDER_LOCKED'));
      await opened.volumes.close();
      writeSync(file, 'between');
      await using volumes = await cases.open(opened.folder);
      writeSync(file, ' and after');
      assert.equal(await readFile(path, 'utf8'), 'between and after');
      await assert.rejects(volumes.leave(), hasCode('NODE_VOLUME_BUSY'));
    } finally {
      closeSync(file);
    }
  });

  test(titled('what nobody knows is shown and stays'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    await volumes.create(a, size);
    await volumes.create(b, size);
    await writeFile(join(await volumes.pathOf(b), 'file'), Buffer.alloc(4 * mib, 1));
    await volumes.createUpper(c, size.sizeBytes);
    await runProgram('sync', ['--file-system', await volumes.pathOf(b)]);
    const strangers = await volumes.strangers(new Set([a]));
    assert.deepEqual(
      strangers.map(({ name }) => name),
      [`r-${c}`, `v-${b}`],
    );
    assert.ok((strangers[1]?.usedBytes ?? 0) >= 4 * mib);
    assert.deepEqual(await volumes.strangers(new Set([a, b, c])), []);
    assert.deepEqual(await volumes.list(), [a, b]);
  });

  test(titled('links do not lead a removal out of a volume'), async () => {
    await using opened = await open(cases);
    const { volumes } = opened;
    const outside = join(opened.folder, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'file'), 'kept');
    await volumes.create(a, size);
    await symlink(outside, join(await volumes.pathOf(a), 'link'));
    await volumes.snapshot(a, 'now');
    await volumes.remove(a);
    assert.equal(await readFile(join(outside, 'file'), 'utf8'), 'kept');
  });

  test(titled('what a container writes over its image has a limit'), async () => {
    await using opened = await open(cases);
    const folder = await opened.volumes.createUpper(a, size.sizeBytes);
    assert.equal(await opened.volumes.createUpper(a, size.sizeBytes), folder);
    const [lower, root] = [join(opened.folder, 'lower'), join(opened.folder, 'root')];
    for (const each of [lower, root, join(folder, 'upper'), join(folder, 'work')])
      await mkdir(each);
    const layers = `lowerdir=${lower},upperdir=${folder}/upper,workdir=${folder}/work`;
    await runProgram('mount', ['-t', 'overlay', '-o', layers, 'overlay', root]);
    try {
      assertFilled(fillWithFile(join(root, 'file')), size.sizeBytes, cases.ownBytes);
    } finally {
      await runProgram('umount', [root]);
    }
    await opened.volumes.createUpper(a, 2 * size.sizeBytes);
    assert.deepEqual(await opened.volumes.list(), []);
    await opened.volumes.removeUpper(a);
    await opened.volumes.removeUpper(a);
    assert.deepEqual(await opened.volumes.uppers(), []);
  });
}

interface Opened extends AsyncDisposable {
  readonly folder: string;
  readonly volumes: Volumes;
  /** Where both kinds show a volume, for what cannot wait. */
  readonly pathOf: (id: string) => string;
}

async function open(cases: VolumeCases): Promise<Opened> {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  const volumes = stack.use(await cases.open(folder));
  const place = cases.kind === 'btrfs' ? 'pool' : 'mounts';
  const opened = stack.move();
  return {
    folder,
    volumes,
    pathOf: (id) => join(folder, place, `v-${id}`),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function backupTo(target: MemoryBackups, name: string): VolumeBackup {
  return { target, name, ownerUid, signal: new AbortController().signal };
}

function* endless(begin: Buffer, then: () => void): Generator<Buffer> {
  yield begin.subarray(0, begin.length / 2);
  then();
  for (;;) yield Buffer.alloc(1);
}

/** What is promised, again and again. */
async function looks(volumes: Volumes, until: AbortSignal): Promise<readonly number[]> {
  const seen: number[] = [];
  while (!until.aborted) seen.push((await volumes.room()).promisedBytes);
  return seen;
}

function ascending(one: number, other: number): number {
  return one - other;
}

const isInvalid = hasCode('NODE_CONFIG_INVALID');

function assertFilled(bytes: number, sizeBytes: number, ownBytes: number): void {
  assert.ok(bytes <= sizeBytes + 2 * mib, `${bytes} of ${sizeBytes} bytes`);
  assert.ok(bytes >= sizeBytes - ownBytes, `${bytes} of ${sizeBytes} bytes`);
}
