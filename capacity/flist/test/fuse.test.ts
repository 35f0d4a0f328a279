import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { mountAt, waitFor } from '@commongrid/base';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { objectIdOf } from '../src/format/object-id.ts';
import { chunkBytes } from '../src/tree/inode.ts';
import type { Directory, RegularFile } from '../src/tree/inode.ts';
import { directoryOf, fileOf, hollowFileOf, symlinkOf, xattrOf } from './erofs-trees.ts';
import { mountFolder } from './mount-cleanup.ts';

const here = { content: Buffer.from('what is here') };
const large = Buffer.from(Uint8Array.from({ length: 3 * chunkBytes + 5 }, (_, at) => at % 251));
const [hereFile, largeFile] = [fileOf(here.content), fileOf(large, { mode: 0o755 })];
const lateFile = fileOf(Buffer.from('what comes late'));

const image = directoryOf({
  bin: directoryOf({ here: hereFile, twin: hereFile, large: largeFile }, { mode: 0o1777 }),
  empty: hollowFileOf(0),
  late: lateFile,
  link: symlinkOf('bin/here', { mtimeNs: -1n }),
  pipe: { kind: 'fifo', mode: 0o600, uid: 1, gid: 2, mtimeNs: 5n, xattrs: [] },
  noted: hollowFileOf(0, { xattrs: [xattrOf('user.note', 'hello'), xattrOf('user.other', 'x')] }),
});

const deadline = { timeoutMs: 60_000 };
const execAsync = promisify(execFile);

interface Served {
  readonly folder: string;
  /** The whole tree. */
  readonly tree: string;
  readonly objectPath: (file: RegularFile) => string;
}

/** A holder with its server, until the test ends. */
async function serve(
  t: { after: (fn: () => Promise<void>) => void },
  root: Directory,
  { isForgetful = false } = {},
): Promise<Served> {
  const { folder, stack } = await mountFolder(t, 'fuse');
  for (const name of ['objects', 'chunks', 'source', 'images']) {
    await mkdir(join(folder, name));
  }
  await writeFile(join(folder, 'images', 'img'), encodeFlist({ root }));
  await put(folder, hereFile, here.content);
  await put(folder, largeFile, large);
  if (isForgetful) await writeFile(join(folder, 'forgets'), '');
  const program = fileURLToPath(new URL('fuse-server-program.ts', import.meta.url));
  const holderPath = fileURLToPath(new URL('../src/fuse/fuse-holder-process.ts', import.meta.url));
  const args = [holderPath, folder, process.execPath, program, folder];
  const holder = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  holder.stderr.on('data', (text: Buffer) => void (said += text.toString()));
  const ended = once(holder, 'close');
  stack.defer(async () => {
    holder.kill('SIGTERM');
    const [exitCode] = await ended;
    assert.equal(exitCode, 0, said);
    assert.equal(await mountAt(join(folder, 'fuse')), undefined, said);
  });
  await serverPid(folder);
  const objectPath = (file: RegularFile): string => {
    const id = objectIdOf(file);
    return join(folder, 'fuse', id.slice(0, 2), id);
  };
  return { folder, tree: join(folder, 'fuse', 'trees', 'img'), objectPath };
}

async function put(folder: string, file: RegularFile, content: Buffer): Promise<void> {
  const id = objectIdOf(file);
  await mkdir(join(folder, 'objects', id.slice(0, 2)), { recursive: true });
  await writeFile(join(folder, 'objects', id.slice(0, 2), id), content);
}

/** Of the server that runs, other than the one that is known. */
function serverPid(folder: string, known?: number): Promise<number> {
  const look = async (): Promise<number | undefined> => {
    const pid = Number(await readFile(join(folder, 'server.pid'), 'utf8').catch(() => ''));
    return pid === known || pid === 0 ? undefined : pid;
  };
  return waitFor(look, { ...deadline, what: 'a server' });
}

/** Waits for so many reads of what is not here. */
async function isAsked(folder: string, file: RegularFile, times = 1): Promise<void> {
  const path = join(folder, `asked-${objectIdOf(file)}`);
  const look = async (): Promise<boolean> =>
    (await readFile(path, 'utf8').catch(() => '')).length >= times;
  await waitFor(look, { ...deadline, what: 'a read of what is not here' });
}

test('the data layer has the objects of images and nothing else', async (t) => {
  const { folder, objectPath } = await serve(t, image);
  assert.deepEqual(readFileSync(objectPath(hereFile)), here.content);
  assert.deepEqual(readFileSync(objectPath(largeFile)), large);
  assert.equal(lstatSync(objectPath(lateFile)).size, 15);
  assert.throws(() => lstatSync(objectPath(fileOf(Buffer.from('else')))), { code: 'ENOENT' });
  assert.throws(() => lstatSync(join(folder, 'fuse', 'zz')), { code: 'ENOENT' });
  assert.throws(() => execFileSync('touch', [join(folder, 'fuse', 'x')], { stdio: 'ignore' }));
});

test('the full tree is the image', async (t) => {
  const { tree } = await serve(t, image);
  assert.deepEqual(readdirSync(tree), ['bin', 'empty', 'late', 'link', 'noted', 'pipe']);
  assert.deepEqual(readFileSync(join(tree, 'bin', 'twin')), here.content);
  assert.deepEqual(readFileSync(join(tree, 'bin', 'large')), large);
  assert.equal(readFileSync(join(tree, 'empty')).length, 0);
  assert.equal(readlinkSync(join(tree, 'link')), 'bin/here');
  const pipe = lstatSync(join(tree, 'pipe'), { bigint: true });
  assert.deepEqual([pipe.isFIFO(), pipe.uid, pipe.gid, pipe.mtimeNs], [true, 1n, 2n, 5n]);
  assert.equal(lstatSync(join(tree, 'link'), { bigint: true }).mtimeNs, -1n);
  assert.equal(lstatSync(join(tree, 'bin', 'here')).nlink, 2);
  assert.equal(lstatSync(join(tree, 'bin')).mode, 0o041777);
  const noted = execFileSync('getfattr', ['-d', '--absolute-names', join(tree, 'noted')]);
  assert.match(noted.toString(), /user\.note="hello"\nuser\.other="x"/);
});

test('a stalled read does not delay others, and ends when it is interrupted', async (t) => {
  const { folder, objectPath } = await serve(t, image);
  const stalled = spawn('cat', [objectPath(lateFile)], { stdio: 'ignore' });
  const ended = once(stalled, 'close');
  await isAsked(folder, lateFile);
  for (let round = 0; round < 20; round += 1) {
    execFileSync('dd', [`if=${objectPath(largeFile)}`, 'of=/dev/null', 'bs=1M', 'iflag=direct'], {
      stdio: 'ignore',
      timeout: deadline.timeoutMs,
    });
  }
  assert.equal(stalled.exitCode, null);
  stalled.kill('SIGKILL');
  await ended;
});

test('a reader completes although the server is killed while it waits', async (t) => {
  const { folder, objectPath, tree } = await serve(t, image);
  const reader = execAsync('cat', [objectPath(lateFile)]);
  const other = execAsync('cat', [join(tree, 'late')]);
  await isAsked(folder, lateFile, 2);
  const pid = await serverPid(folder);
  process.kill(pid, 'SIGKILL');
  await serverPid(folder, pid);
  await writeFile(join(folder, 'source', objectIdOf(lateFile)), 'what comes late');
  assert.equal((await reader).stdout, 'what comes late');
  assert.equal((await other).stdout, 'what comes late');
  assert.deepEqual(readFileSync(join(tree, 'bin', 'large')), large);
});

test('content that was damaged here is fetched, not shown', async (t) => {
  const { folder, objectPath } = await serve(t, image);
  const damaged = Buffer.from(large);
  damaged[chunkBytes + 7] = 1;
  await put(folder, largeFile, damaged);
  await writeFile(join(folder, 'source', objectIdOf(largeFile)), large);
  assert.deepEqual(readFileSync(objectPath(largeFile)), large);
  await isAsked(folder, largeFile);
  await rm(join(folder, 'source', objectIdOf(largeFile)));
});

test('where the kernel does not ask again, what a dead server left is failed, then read', async (t) => {
  const { folder, objectPath } = await serve(t, image, { isForgetful: true });
  // The kernel reads ahead; when that fails it reads what is wanted.
  const reader = execAsync('cat', [objectPath(lateFile)], { timeout: deadline.timeoutMs });
  await isAsked(folder, lateFile);
  const pid = await serverPid(folder);
  process.kill(pid, 'SIGKILL');
  await writeFile(join(folder, 'source', objectIdOf(lateFile)), 'what comes late');
  assert.equal((await reader).stdout, 'what comes late');
});
