import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import {
  byteTextFrom,
  encodeFlist,
  findPath,
  flistDigestOf,
  FlistRepository,
} from '@commongrid/flist';
import type { Flist } from '@commongrid/flist';

import { createProgramFlist } from '../src/solutions/program-image.ts';

const signal = new AbortController().signal;
/** In place of that of Debian: brings what is in a folder, by either of the two ways in which it is asked. */
const aptGet = `#!/bin/sh
case "$*" in
  *" download "*) cp "\${0%/*}"/debs/*.deb . ;;
  *--download-only*) ;;
  *) exit 1 ;;
esac
`;

function fileAt(flist: Flist, path: string): boolean {
  return findPath(flist.root, byteTextFrom(path), { followLinks: true })?.kind === 'file';
}

async function newPlace() {
  const folder = await tempFolder('programs');
  const repository = await FlistRepository.open({ folder: join(folder.path, 'flists') });
  return {
    path: folder.path,
    repository,
    async [Symbol.asyncDispose]() {
      await repository.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test('programs of this machine make an image with their libraries and a shell, always the same', async () => {
  await using place = await newPlace();
  const wanted = { packages: ['coreutils'], programs: ['/usr/bin/env'] };
  const make = async (): Promise<Flist> =>
    (await createProgramFlist(wanted, place.repository, signal)).flist;
  const [one, other] = [await make(), await make()];
  assert.equal(flistDigestOf(encodeFlist(one)), flistDigestOf(encodeFlist(other)));
  const listed = await runProgram('ldd', ['/usr/bin/env']);
  const libraries = listed.match(/\/\S+(?= \(0x)/g) ?? [];
  assert.ok(libraries.length > 1);
  for (const path of ['/usr/bin/env', '/bin/sh', '/etc/passwd', ...libraries]) {
    assert.ok(fileAt(one, path), path);
  }
});

test('a program that the machine lacks comes out of its package, and is not installed', async (t) => {
  await using place = await newPlace();
  const tree = join(place.path, 'package');
  const program = '/usr/bin/commongrid-never-installed';
  await mkdir(join(tree, 'usr/bin'), { recursive: true });
  await mkdir(join(tree, 'DEBIAN'));
  // One that is linked with libraries of this machine.
  await copyFile('/usr/bin/env', join(tree, program));
  const control =
    'Package: never\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n';
  await writeFile(join(tree, 'DEBIAN/control'), control);
  await chmod(join(tree, 'DEBIAN'), 0o755);
  await mkdir(join(place.path, 'bin/debs'), { recursive: true });
  await runProgram('dpkg-deb', ['--build', tree, join(place.path, 'bin/debs/never.deb')]);
  await writeFile(join(place.path, 'bin/apt-get'), aptGet, { mode: 0o755 });
  const { PATH = '' } = process.env;
  t.after(() => (process.env['PATH'] = PATH));
  process.env['PATH'] = `${join(place.path, 'bin')}:${PATH}`;
  const wanted = { packages: ['never'], programs: [program] };
  const { flist } = await createProgramFlist(wanted, place.repository, signal);
  assert.ok(fileAt(flist, program));
  assert.ok(!existsSync(program));
  // Of packages without the program nothing is made.
  const other = { packages: ['never'], programs: ['/usr/bin/commongrid-nowhere'] };
  const unmade = createProgramFlist(other, place.repository, signal);
  await assert.rejects(unmade, hasCode('SOLUTION_IMAGE_UNMADE'));
  await writeFile(join(place.path, 'bin/apt-get'), '#!/bin/sh\necho no network >&2; exit 100\n');
  const refused = createProgramFlist(wanted, place.repository, signal);
  await assert.rejects(refused, /apt does not bring never: .*no network/);
});
