import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { bigSizes, chooseFiles, fileBytes, prepareData, sumOfFile } from './real-files.ts';

const { signal } = new AbortController();
const sum = (sizes: readonly number[]): number => sizes.reduce((all, one) => all + one, 0);

test('files are chosen within bytes and count, by the seed alone', () => {
  const found = Array.from({ length: 50 }, (_, at) => ({ path: `/f${at}`, bytes: 1_000 + at }));
  const most = { bytes: 10_000, count: 20 };
  const chosen = chooseFiles(found, most, seededRandom(1));
  assert.equal(chosen.length, 9);
  assert.deepEqual(chooseFiles(found, most, seededRandom(1)), chosen);
  assert.notDeepEqual(chooseFiles(found, most, seededRandom(2)), chosen);
  assert.equal(chooseFiles(found, { bytes: 1_000_000, count: 20 }, seededRandom(1)).length, 20);
  assert.equal(chooseFiles(found, { bytes: 1_000_000, count: 99 }, seededRandom(1)).length, 50);
  // One that is too big is passed over.
  const sizes = [{ path: '/big', bytes: 9_999 }, ...found.slice(0, 1)];
  assert.deepEqual(
    chooseFiles(sizes, { bytes: 2_000, count: 9 }, seededRandom(1)),
    found.slice(0, 1),
  );
});

test('big files are of several sizes, and of just so many bytes', () => {
  const { max } = fileBytes;
  assert.deepEqual(bigSizes(0), []);
  assert.deepEqual(bigSizes(100), [100]);
  assert.deepEqual(bigSizes(3 * max), [max, max / 2, max / 4, max / 8, max, max / 8]);
});

test('a folder has files of a tree and big ones, each with its sum', async () => {
  await using temp = await tempFolder('real-files');
  const [tree, folder] = [join(temp.path, 'tree'), join(temp.path, 'data')];
  await mkdir(join(tree, 'below'), { recursive: true });
  const [kept, tiny] = [randomBytes(2_000), randomBytes(fileBytes.min - 1)];
  await writeFile(join(tree, 'below', 'kept'), kept);
  await writeFile(join(tree, 'tiny'), tiny);
  await symlink(join(tree, 'below', 'kept'), join(tree, 'linked'));
  const bytes = 3_000_000;
  const objects = await prepareData(folder, { bytes, tree, random: seededRandom(1), signal });
  assert.equal(sum(objects.map((one) => one.bytes)), bytes);
  assert.deepEqual(
    objects.map(({ key }) => key),
    ['real/00000', 'big/000'],
  );
  assert.deepEqual(await readFile(join(folder, 'real/00000')), kept);
  for (const { key, ...told } of objects) {
    assert.deepEqual(await sumOfFile(join(folder, key), signal), told);
  }
});
