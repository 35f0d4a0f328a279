import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { isGridError, readMounts, waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';

import { decodeFlist } from '../src/format/decode-flist.ts';
import { objectIdOf } from '../src/format/object-id.ts';
import { unpackFlist } from '../src/format/pack-flist.ts';
import type { MountRecord } from '../src/mount/mount-journal.ts';
import { byteTextFrom } from '../src/tree/byte-text.ts';
import { findPath } from '../src/tree/find-path.ts';
import type { Directory } from '../src/tree/inode.ts';
import { directoryOf, hollowFileOf, xattrOf } from './erofs-trees.ts';
import { digestOfFolder, ServiceHarness } from './mount-harness.ts';
import type { MadeFlist } from './mount-harness.ts';
import { makeRoot, modes } from './mount-root.ts';

let harness: ServiceHarness;
let root: string;
let flist: MadeFlist;

const stack = new AsyncDisposableStack();

before(async () => {
  harness = await ServiceHarness.open({ after: (fn) => stack.defer(fn) });
  ({ root, flist } = await makeRoot(harness));
  await harness.start();
});

after(() => stack.disposeAsync());

/** Whatever a test mounts is unmounted in order, and nothing is left of it. */
afterEach(async () => {
  for (const { id } of (await harness.ask('list')) as MountRecord[]) {
    await harness.ask('unmount', { id });
  }
  assert.deepEqual(await ownMounts(), [join(harness.store, 'fuse')]);
});

async function ownMounts(): Promise<readonly string[]> {
  const targets = (await readMounts()).map(({ target }) => target);
  return targets.filter((target) => target.startsWith(`${harness.folder}/`));
}

/** Where the store keeps the content of a file whole. */
async function objectPath(path: string): Promise<string> {
  const found = findPath(decodeFlist(flist.bytes).root, byteTextFrom(path), { followLinks: false });
  assert.equal(found?.kind, 'file');
  const id = objectIdOf(found);
  return join(harness.store, 'objects', id.slice(0, 2), id);
}

test('a mount is the folder that its image was made of, in both modes', async () => {
  for (const mode of modes) {
    const target = await harness.mount(flist, { id: mode, mode });
    assert.equal(await digestOfFolder(target), flist.digest, mode);
    execFileSync('diff', ['-r', '--no-dereference', join(root, 'bin'), join(target, 'bin')]);
    const said = execFileSync('chroot', [target, '/bin/sh', '-c', 'echo $((6*7))']);
    assert.equal(said.toString(), '42\n');
    await assert.rejects(writeFile(join(target, 'etc', 'motd'), ''), { code: 'EROFS' });
  }
  // Once fetched, content is read natively.
  for (const path of ['bin/busybox', 'large']) {
    const whole = await objectPath(path);
    const isThere = (): boolean => existsSync(whole);
    await waitFor(isThere, { timeoutMs: 60_000, what: `${path} as a whole` });
  }
});

test('what is written over an image stays with it, in both modes', async () => {
  const elsewhere = join(harness.folder, 'elsewhere');
  await mkdir(elsewhere);
  await writeFile(join(elsewhere, 'file'), 'x');
  const other = await harness.make(elsewhere);
  for (const mode of modes) {
    const writableFolder = join(harness.folder, `${mode}, a:b\\`);
    await mkdir(writableFolder);
    const target = await harness.mount(flist, { id: mode, mode, writableFolder });
    await appendFile(join(target, 'etc', 'motd'), 'and more\n');
    await rename(join(target, 'etc', 'deep'), join(target, 'moved'));
    await harness.ask('unmount', { target });
    await harness.mount(flist, { id: mode, mode, writableFolder });
    assert.equal(readFileSync(join(target, 'etc', 'motd'), 'utf8'), 'what it says\nand more\n');
    assert.equal(readFileSync(join(target, 'moved', 'twin'), 'utf8'), 'what it says\n');
    await harness.ask('unmount', { target });
    const mismatch = hasCode('FLIST_WRITABLE_MISMATCH');
    await assert.rejects(harness.mount(other, { id: mode, mode, writableFolder }), mismatch);
  }
});

test('owners are shifted for a user namespace, in both modes', async () => {
  const shift = { uidShift: 1_000_000, gidShift: 2_000_000 };
  for (const mode of modes) {
    const target = await harness.mount(flist, { id: mode, mode, ...shift });
    const { uid, gid } = lstatSync(join(target, 'etc', 'deep'));
    assert.deepEqual([uid, gid], [1_000_007, 2_065_535], mode);
    const list = execFileSync('getfacl', ['-ncp', join(target, 'etc', 'motd')]).toString();
    assert.match(list, /user:1000005:r--/, mode);
  }
});

test('content that was damaged before a mount is found and fetched again', async () => {
  await harness.ask('prefetch', { flist: flist.path, whole: true });
  const path = await objectPath('etc/motd');
  // The later ones know from the first what the files were.
  for (const id of ['first', 'second', 'third']) {
    await writeFile(path, 'WHAT it says\n');
    const target = await harness.mount(flist, { id, mode: 'overlay' });
    assert.equal(readFileSync(join(target, 'etc', 'motd'), 'utf8'), 'what it says\n');
    await harness.ask('unmount', { id });
    await harness.ask('prefetch', { flist: flist.path, whole: true });
    // Sound, and noted as such.
    await harness.mount(flist, { id: 'sound', mode: 'overlay' });
    await harness.ask('unmount', { id: 'sound' });
  }
});

test('content that is damaged under a mount is found by a scrub, which names the mount', async () => {
  await harness.mount(flist, { id: 'm', mode: 'overlay' });
  await harness.ask('prefetch', { digest: flist.digest, whole: true });
  const path = await objectPath('etc/motd');
  await writeFile(path, 'WHAT it says\n');
  await harness.ask('scrub');
  const [mount] = (await harness.ask('list')) as { isTainted: boolean }[];
  assert.equal(mount?.isTainted, true);
  assert.equal(readFileSync(path, 'utf8'), 'what it says\n');
});

test('a mount that is to be is mounted anew when content was damaged, once nobody uses it', async () => {
  await harness.ask('prefetch', { flist: flist.path, whole: true });
  const target = await harness.mount(flist, { id: 'm', mode: 'overlay', whenDamaged: 'remount' });
  const readMotd = (): string => readFileSync(join(target, 'etc', 'motd'), 'utf8');
  assert.equal(readMotd(), 'what it says\n');
  await writeFile(await objectPath('etc/motd'), 'WHAT it says\n');
  assert.equal(readMotd(), 'WHAT it says\n');
  const user = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'], cwd: target });
  const isTainted = async (): Promise<boolean | undefined> => {
    await harness.ask('scrub');
    return ((await harness.ask('list')) as { isTainted: boolean }[])[0]?.isTainted;
  };
  assert.equal(await isTainted(), true);
  // It has found the file before, and does not look for it again.
  assert.equal(readMotd(), 'WHAT it says\n');
  user.stdin.end();
  await once(user, 'close');
  assert.equal(await isTainted(), false);
  assert.equal(readMotd(), 'what it says\n');
});

test('what a start reads is noted, in its order', async () => {
  const target = await harness.mount(flist, { id: 'traced', isTraced: true });
  execFileSync('cat', [join(target, 'etc', 'late'), join(target, 'etc', 'motd')]);
  const output = join(harness.folder, 'traced.flist');
  await harness.ask('trace', { id: 'traced', output });
  const traced = decodeFlist(await unpackFlist(readFileSync(output)));
  const [late, motd] = ['etc/late', 'etc/motd'].map((path) =>
    findPath(traced.root, byteTextFrom(path), { followLinks: false }),
  );
  assert.deepEqual(
    traced.trace?.map(({ file, firstChunk, chunkCount }) => [
      file === late,
      file === motd,
      firstChunk,
      chunkCount,
    ]),
    [
      [true, false, 0, 1],
      [false, true, 0, 1],
    ],
  );
});

test('an image that no kernel should see is refused, in both modes', async () => {
  const base = { uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] };
  const xattrs = [xattrOf('security.capability', 'nonsense')];
  const device = { ...base, kind: 'character-device', mode: 0, major: 0, minor: 0 } as const;
  const odd = directoryOf({ program: hollowFileOf(0, { xattrs }) });
  const target = join(harness.folder, 'odd');
  await mkdir(target);
  for (const mode of modes) {
    const order = async (tree: Directory, more = {}): Promise<unknown> =>
      harness.ask('mount', { flist: await harness.write({ root: tree }), target, mode, ...more });
    await assert.rejects(order(odd), hasCode('FLIST_XATTR_FORBIDDEN'));
    await assert.rejects(order(directoryOf({ device })), hasCode('FLIST_DEVICE_UNSUPPORTED'));
    const far = { uidShift: 2 ** 32 };
    await assert.rejects(order(directoryOf({}), far), hasCode('FLIST_ID_OUT_OF_RANGE'));
  }
});

test('orders that make no sense are refused, and leave nothing behind', async () => {
  await harness.mount(flist, { id: 'one' });
  const refused: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ['mount', { digest: '0'.repeat(64), target: harness.folder }, 'FLIST_OBJECT_UNKNOWN'],
    ['mount', { digest: 'x', target: harness.folder }, 'BASE_OPTION_INVALID'],
    ['mount', { flist: flist.path, target: '/nowhere/at/all' }, 'FLIST_TARGET_INVALID'],
    ['mount', { flist: flist.path, target: flist.path }, 'FLIST_TARGET_INVALID'],
    ['mount', { flist: flist.path, target: join(harness.folder, 'one') }, 'FLIST_TARGET_INVALID'],
    ['mount', { flist: flist.path, target: harness.folder, id: 'one' }, 'FLIST_MOUNT_EXISTS'],
    ['mount', { flist: flist.path, target: harness.folder, id: '../x' }, 'FLIST_TARGET_INVALID'],
    [
      'mount',
      { flist: flist.path, target: harness.folder, writableFolder: '/nowhere/at/all' },
      'FLIST_TARGET_INVALID',
    ],
    ['unmount', { id: 'two' }, 'FLIST_MOUNT_UNKNOWN'],
    ['trace', { id: 'one', output: join(harness.folder, 'out') }, 'FLIST_MOUNT_UNKNOWN'],
  ];
  for (const [action, args, code] of refused) {
    await assert.rejects(harness.ask(action, args), hasCode(code), JSON.stringify(args));
  }
  assert.equal(((await harness.ask('list')) as MountRecord[]).length, 1);
  assert.equal((await ownMounts()).length, 2);
});

test('a mount that is used is not unmounted, and stays served', async () => {
  const target = await harness.mount(flist, { id: 'used' });
  const user = spawn('chroot', [target, '/bin/sh', '-c', 'read line; /bin/busybox cat /etc/late'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(user, 'spawn');
  const isRunning = (): boolean => {
    const name = readFileSync(`/proc/${user.pid}/comm`, 'utf8').trim();
    return name === 'sh' || name === 'busybox';
  };
  await waitFor(isRunning, { timeoutMs: 60_000, what: 'the program' });
  const refused = (error: unknown): boolean => isGridError(error, 'FLIST_MOUNT_FAILED');
  await assert.rejects(harness.ask('unmount', { id: 'used' }), refused);
  user.stdin.end('\n');
  let said = '';
  user.stdout.on('data', (text: Buffer) => void (said += text.toString()));
  await once(user, 'close');
  assert.equal(said, 'read by nobody before');
  await harness.ask('unmount', { id: 'used' });
});
