import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { chunkBytes, createFromFolder, FlistRepository, hashBytes } from '@commongrid/flist';
import type { ByteText, Flist, Inode } from '@commongrid/flist';
import { fakeId } from '@commongrid/model/testing';

import { installRelease } from '../src/release/install-release.ts';
import { removeOldReleases } from '../src/release/old-releases.ts';
import type { KeptRelease } from '../src/release/release-choice.ts';
import type { ReleaseImages } from '../src/release/release-images.ts';

const release = { version: '0.2.0', digest: fakeId.digest(1) };
const name = `${release.version}-${release.digest}`;
const config = { config: { Entrypoint: ['/bin/grid', '--flag', '/main.ts', '/absent'] } };

/** A program of several files, its list, and images that show what is in a folder as that program. */
class Place implements AsyncDisposable {
  readonly folder: string;
  readonly shown: string;
  readonly flist: Flist;
  readonly #temp: AsyncDisposable;
  mounts = 0;

  private constructor(temp: AsyncDisposable & { readonly path: string }, flist: Flist) {
    this.#temp = temp;
    this.folder = join(temp.path, 'node');
    this.shown = join(temp.path, 'shown');
    this.flist = flist;
  }

  static async open(): Promise<Place> {
    const temp = await tempFolder('release');
    const shown = join(temp.path, 'shown');
    await mkdir(join(shown, 'bin'), { recursive: true });
    await writeFile(join(shown, 'bin/grid'), 'a program');
    await chmod(join(shown, 'bin/grid'), 0o6777);
    await writeFile(join(shown, 'main.ts'), Buffer.alloc(chunkBytes + 5, 'x'));
    await link(join(shown, 'main.ts'), join(shown, 'twin.ts'));
    await symlink('main.ts', join(shown, 'link.ts'));
    await using repository = await FlistRepository.open({ folder: join(temp.path, 'flists') });
    const { flist } = await createFromFolder(shown, repository);
    const place = new Place(temp, { ...flist, config });
    await mkdir(place.folder);
    return place;
  }

  install(flist: Flist = this.flist, signal = new AbortController().signal): Promise<KeptRelease> {
    const images: ReleaseImages = {
      flist: async () => flist,
      mount: async ({ target }) => {
        this.mounts += 1;
        await runProgram('cp', ['-a', `${this.shown}/.`, target]);
      },
      unmount: async () => {},
    };
    return installRelease(release, { folder: this.folder, images, signal });
  }

  /** What is in the folder of releases. */
  left(): Promise<readonly string[]> {
    return readdir(join(this.folder, 'releases')).catch(() => []);
  }

  /** The list with something more in it. */
  with(path: string, inode: Inode): Flist {
    const { root } = this.flist;
    const entries = new Map([...root.entries, [path as ByteText, inode] as const]);
    return { ...this.flist, root: { ...root, entries } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#temp[Symbol.asyncDispose]();
  }
}

test('a release is copied with its links, and belongs to root alone', async () => {
  await using place = await Place.open();
  const { command } = await place.install();
  const root = `releases/${name}/root`;
  assert.deepEqual(command, [`${root}/bin/grid`, '--flag', `${root}/main.ts`, '/absent']);
  const at = (path: string): string => join(place.folder, root, path);
  assert.equal(await readFile(at('bin/grid'), 'utf8'), 'a program');
  assert.equal((await stat(at('bin/grid'))).mode & 0o7777, 0o755);
  assert.deepEqual(await readFile(at('link.ts')), Buffer.alloc(chunkBytes + 5, 'x'));
  assert.equal((await stat(at('twin.ts'))).ino, (await stat(at('main.ts'))).ino);
  assert.deepEqual(await place.left(), [name]);
});

test('a release that is there is not fetched again', async () => {
  await using place = await Place.open();
  const first = await place.install();
  await rm(place.shown, { recursive: true });
  assert.deepEqual(await place.install(), first);
  assert.equal(place.mounts, 1);
});

test('a release whose content is not that of its list leaves nothing, and can be had later', async () => {
  await using place = await Place.open();
  const main = join(place.shown, 'main.ts');
  const sound = await readFile(main);
  for (const bytes of [Buffer.from(sound).fill('y', chunkBytes), sound.subarray(0, -1)]) {
    await writeFile(main, bytes);
    await assert.rejects(place.install(), hasCode('NODE_RELEASE_UNAVAILABLE'));
    assert.deepEqual(await place.left(), []);
  }
  await writeFile(main, sound);
  await place.install();
});

test('what a kill left of a copy is no release', async () => {
  await using place = await Place.open();
  const draft = join(place.folder, 'releases', `.new-${name}`, 'root', 'bin');
  await mkdir(draft, { recursive: true });
  await writeFile(join(draft, 'grid'), 'half');
  await place.install();
  assert.deepEqual(await place.left(), [name]);
});

test('an image without a program of its own, or with a device, is no release', async () => {
  await using place = await Place.open();
  const { config: _config, ...none } = place.flist;
  const foreign = { ...place.flist, config: { config: { Entrypoint: ['/usr/bin/env', 'grid'] } } };
  const { mode, uid, gid, mtimeNs, xattrs } = place.flist.root;
  const device = { kind: 'character-device', major: 1, minor: 3 } as const;
  const withDevice = place.with('null', { ...{ mode, uid, gid, mtimeNs, xattrs }, ...device });
  for (const flist of [none, foreign, withDevice]) {
    await assert.rejects(place.install(flist), hasCode('NODE_RELEASE_BROKEN'));
    assert.deepEqual(await place.left(), []);
  }
});

test('a release that does not fit on the disk is refused before it is fetched', async () => {
  await using place = await Place.open();
  const { bavail, bsize } = await statfs(place.folder);
  const chunks = Math.ceil((bavail * bsize) / chunkBytes);
  const { mode, uid, gid, mtimeNs, xattrs } = place.flist.root;
  const file = { kind: 'file', sizeBytes: chunks * chunkBytes } as const;
  const chunkHashes = new Uint8Array(chunks * hashBytes);
  const huge = place.with('z', { ...{ mode, uid, gid, mtimeNs, xattrs }, ...file, chunkHashes });
  await assert.rejects(place.install(huge), /the disk has/);
  assert.equal(place.mounts, 0);
});

test('old releases go, but those named and those that a process runs from', async () => {
  await using place = await Place.open();
  const names = [1, 2, 3, 4].map((n) => `0.${n}.0-${fakeId.digest(n)}`);
  const [kept = '', used = '', read = '', old = ''] = names;
  for (const one of names) {
    const root = join(place.folder, 'releases', one, 'root');
    await mkdir(root, { recursive: true });
    await copyFile('/bin/sleep', join(root, 'sleep'));
    await writeFile(join(root, 'script'), 'exec sleep 1000');
  }
  const inside = (one: string, file: string) => join(place.folder, 'releases', one, 'root', file);
  const processes = [
    spawn(inside(used, 'sleep'), ['1000']),
    spawn('/bin/sh', ['-c', 'read line', inside(read, 'script')]),
  ];
  try {
    await Promise.all(processes.map((one) => once(one, 'spawn')));
    assert.deepEqual(await removeOldReleases(place.folder, new Set([kept])), [old]);
  } finally {
    for (const one of processes) one.kill('SIGKILL');
  }
  assert.deepEqual((await place.left()).toSorted(), [kept, used, read].toSorted());
});
