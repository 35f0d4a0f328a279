import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { isGridError } from '@commongrid/base';
import fc from 'fast-check';

import { encodeDevice, modeOf } from '../src/erofs/erofs-inode.ts';
import type { ErofsOptions } from '../src/erofs/erofs-inode.ts';
import { assertTreeMountable } from '../src/erofs/shift-ids.ts';
import { writeErofs } from '../src/erofs/write-erofs.ts';
import { mountErofs, mountOverlay } from '../src/sys/mounts.ts';
import { systemCalls } from '../src/sys/system-calls.ts';
import type { SystemCalls } from '../src/sys/system-calls.ts';
import { trees } from '../src/testing/flist-arbitraries.ts';
import { byteTextOf, bytesOfText } from '../src/tree/byte-text.ts';
import type { ByteText } from '../src/tree/byte-text.ts';
import type { Directory, Inode } from '../src/tree/inode.ts';
import { directoryOf, fileOf, hollowFileOf, symlinkOf, xattrOf } from './erofs-trees.ts';
import { mountFolder } from './mount-cleanup.ts';

const options: ErofsOptions = { uidShift: 0, gidShift: 0, objectPathOf: () => '/ab/object' };

/** Writes and mounts a tree until the test ends. */
async function mounted(
  t: { after: (fn: () => Promise<void>) => void },
  root: Directory,
  given: Partial<ErofsOptions> = {},
  calls = systemCalls(),
): Promise<{ folder: string; target: string; image: string }> {
  const { folder } = await mountFolder(t, 'erofs');
  const image = join(folder, 'image.erofs');
  await writeFile(image, [...writeErofs(root, { ...options, ...given })]);
  const target = join(folder, 'mnt');
  await mkdir(target);
  await mountErofs(image, target, calls);
  return { folder, target, image };
}

function pathOf(folder: string, names: readonly ByteText[]): Buffer {
  return Buffer.concat([Buffer.from(folder), ...names.map((name) => bytesOfText(name))]);
}

/** Compares all that `stat` says of the tree with what is mounted. */
function assertSame(target: string, root: Directory): void {
  const seen = new Map<Inode, bigint>();
  const visit = (inode: Inode, names: readonly ByteText[]): void => {
    const path = pathOf(target, names);
    const stats = lstatSync(path, { bigint: true });
    assertStat(stats, inode, path.toString());
    const known = seen.get(inode);
    assert.equal(known ?? stats.ino, stats.ino, 'names of one inode are one inode');
    seen.set(inode, stats.ino);
    if (inode.kind === 'symlink') {
      assert.equal(readlinkSync(path, 'latin1'), inode.target);
    }
    if (inode.kind !== 'directory') return;
    const found = readdirSync(path, { encoding: 'buffer' }).map((name) => byteTextOf(name));
    assert.deepEqual(new Set(found), new Set(inode.entries.keys()));
    assert.equal(found.length, inode.entries.size);
    const slash = byteTextOf(Buffer.from('/'));
    for (const [name, entry] of inode.entries) visit(entry, [...names, slash, name]);
  };
  visit(root, []);
}

function assertStat(stats: BigIntStats, inode: Inode, path: string): void {
  assert.equal(Number(stats.mode), modeOf(inode), `mode of ${path}`);
  assert.equal(Number(stats.uid), inode.uid, path);
  assert.equal(Number(stats.gid), inode.gid, path);
  assert.equal(stats.mtimeNs, inode.mtimeNs, `time of ${path}`);
  if (inode.kind === 'file') assert.equal(Number(stats.size), inode.sizeBytes, path);
  if (inode.kind === 'symlink') assert.equal(Number(stats.size), inode.target.length, path);
  if (inode.kind === 'character-device' || inode.kind === 'block-device') {
    assert.equal(Number(stats.rdev), encodeDevice(inode.major, inode.minor), path);
  }
}

function attributeOf(path: string, name: string): string {
  const args = ['--absolute-names', '--only-values', '-h', '-n', name, path];
  return execFileSync('getfattr', args, { encoding: 'latin1' });
}

const base = { mode: 0o640, uid: 7, gid: 65_535, mtimeNs: 1_234_567_890_123_456_789n, xattrs: [] };

test('an image shows the kernel the tree that it was made of', async (t) => {
  const twice = hollowFileOf(5_000_000_000, { ...base, mode: 0o4755 });
  const odd = byteTextOf(Buffer.from([0x66, 0xff, 0x0a, 0xfe]));
  const root = directoryOf(
    {
      '!before-the-dots': hollowFileOf(1, { mtimeNs: -1n }),
      empty: hollowFileOf(0, base),
      twice,
      folder: directoryOf({ again: twice, deep: directoryOf({}, base) }, { mode: 0o1777 }),
      odd: directoryOf([[odd, hollowFileOf(9)]], base),
      long: directoryOf({ ['n'.repeat(255)]: hollowFileOf(524_289) }),
      link: symlinkOf('../some/where', { mtimeNs: -1_000_000_001n }),
      longlink: symlinkOf('x/'.repeat(2047), base),
      tty: { ...base, kind: 'character-device', major: 4095, minor: 1_048_575 },
      disk: { ...base, kind: 'block-device', major: 8, minor: 300 },
      pipe: { ...base, kind: 'fifo' },
    },
    { mtimeNs: 42n },
  );
  const { target, image } = await mounted(t, root);
  assertSame(target, root);
  assert.equal(lstatSync(join(target, 'twice')).nlink, 2);
  assert.equal(lstatSync(target).nlink, 2 + 3);
  execFileSync('fsck.erofs', [image]);
});

test('any tree that can be mounted is shown as it is', async () => {
  const mountable = trees.filter(isMountable);
  const shown = fc.asyncProperty(mountable, async (root) => {
    await using stack = new AsyncDisposableStack();
    const { target, image } = await mounted({ after: (fn) => stack.defer(fn) }, root);
    assertSame(target, root);
    execFileSync('fsck.erofs', [image]);
  });
  await fc.assert(shown, { numRuns: 12 });
});

function isMountable(root: Directory): boolean {
  try {
    assertTreeMountable(root, options);
    return true;
  } catch (error) {
    if (isGridError(error)) return false;
    throw error;
  }
}

test('an image has attributes, with ids in them shifted, and where content is', async (t) => {
  const acl = Buffer.concat(
    [
      ...['02000000', '01000600ffffffff', '0200070005000000', '04000400ffffffff'],
      ...['10000700ffffffff', '20000000ffffffff'],
    ].map((hex) => Buffer.from(hex, 'hex')),
  );
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
  const xattrs = [
    xattrOf('security.capability', capability),
    xattrOf('system.posix_acl_access', acl),
    xattrOf('user.large', 'v'.repeat(60_000)),
    xattrOf('user.note', 'hello'),
  ];
  const root = directoryOf({ ping: hollowFileOf(10, { ...base, mode: 0o674, xattrs }) });
  const { target } = await mounted(t, root, { uidShift: 1_000_000, gidShift: 2_000_000 });
  const path = join(target, 'ping');
  const { uid, gid } = lstatSync(path);
  assert.deepEqual([uid, gid], [1_000_007, 2_065_535]);
  assert.equal(attributeOf(path, 'user.note'), 'hello');
  assert.equal(attributeOf(path, 'user.large').length, 60_000);
  assert.equal(attributeOf(path, 'trusted.overlay.redirect'), '/ab/object');
  assert.equal(attributeOf(path, 'trusted.overlay.metacopy'), '');
  const shown = Buffer.from(attributeOf(path, 'security.capability'), 'latin1');
  assert.deepEqual([shown.length, shown[3], shown.readUInt32LE(20)], [24, 3, 1_000_000]);
  const list = execFileSync('getfacl', ['-ncp', path], { encoding: 'utf8' });
  assert.match(list, /user:1000005:rwx/);
});

test('an image has directories of 100,000 names and folders of a thousand', async (t) => {
  const one = hollowFileOf(3);
  const names = Array.from({ length: 100_000 }, (_, index) => [`n${index}`, one] as const);
  let deep = directoryOf({ end: one });
  for (let depth = 0; depth < 1000; depth += 1) deep = directoryOf({ d: deep });
  const root = directoryOf({ many: directoryOf(Object.fromEntries(names)), deep });
  const { target, image } = await mounted(t, root);
  assert.equal(readdirSync(join(target, 'many')).length, 100_000);
  assert.equal(lstatSync(join(target, 'many', 'n99999')).size, 3);
  assert.equal(lstatSync(join(target, 'many', 'n0')).nlink, 100_001);
  assert.throws(() => lstatSync(join(target, 'many', 'n100000')), { code: 'ENOENT' });
  assert.equal(lstatSync(join(target, 'deep', ...Array<string>(1000).fill('d'), 'end')).size, 3);
  const again = Buffer.concat([...writeErofs(root, options)]);
  assert.deepEqual(again, readFileSync(image), 'the same tree gives the same bytes');
});

test('an overlay finds the content of an image in a folder of objects', async (t) => {
  await overlayFindsContent(t, systemCalls());
});

test('where the kernel cannot be called, programs make the same mounts', async (t) => {
  const calls = { mount: () => false, unmount: () => false, stater: () => () => undefined };
  await overlayFindsContent(t, calls);
});

async function overlayFindsContent(
  t: Parameters<typeof mounted>[0],
  calls: SystemCalls | undefined,
): Promise<void> {
  const content = Buffer.from('what it says');
  const root = directoryOf({
    etc: directoryOf({ motd: fileOf(content), late: hollowFileOf(4) }),
  });
  const objectPathOf: ErofsOptions['objectPathOf'] = ({ sizeBytes }) => `/ab/${sizeBytes}-0`;
  const { folder, target } = await mounted(t, root, { objectPathOf }, calls);
  await mkdir(join(folder, 'objects', 'ab'), { recursive: true });
  await writeFile(join(folder, 'objects', 'ab', '12-0'), content);
  // Whatever is in these names is no option of the mount.
  const odd = join(folder, 'a,b:c\\d=e "f" ü');
  const upper = { upperFolder: join(odd, 'upper'), workFolder: join(odd, 'work') };
  for (const path of [upper.upperFolder, upper.workFolder, join(odd, 'rw')]) {
    await mkdir(path, { recursive: true });
  }
  const layers = { folder, lower: ['mnt'], data: ['objects'] };
  await mkdir(join(folder, 'ro'));
  await mountOverlay(layers, join(folder, 'ro'), calls);
  await mountOverlay({ ...layers, upper }, join(odd, 'rw'), calls);
  assert.deepEqual(readFileSync(join(folder, 'ro', 'etc', 'motd')), content);
  assert.throws(() => readFileSync(join(folder, 'ro', 'etc', 'late')));
  await writeFile(join(folder, 'objects', 'ab', '4-0'), 'late');
  assert.equal(readFileSync(join(folder, 'ro', 'etc', 'late'), 'utf8'), 'late');
  await writeFile(join(odd, 'rw', 'etc', 'motd'), ' and more', { flag: 'a' });
  assert.equal(readFileSync(join(odd, 'rw', 'etc', 'motd'), 'utf8'), 'what it says and more');
  execFileSync('mv', [join(odd, 'rw', 'etc'), join(odd, 'rw', 'moved')]);
  assert.equal(readFileSync(join(odd, 'rw', 'moved', 'late'), 'utf8'), 'late');
  assert.deepEqual(readFileSync(join(folder, 'ro', 'etc', 'motd')), content);
  assert.deepEqual(readdirSync(target), ['etc']);
}
