import assert from 'node:assert/strict';
import { readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';
import { generateWords } from '@commongrid/crypto';

import { GridHome } from '../src/home.ts';
import { readKeyFile, writeNewSecret } from '../src/key-file.ts';
import { createIdentity } from '../src/owner-identity.ts';

async function openHome(): Promise<AsyncDisposable & { readonly home: GridHome }> {
  const folder = await tempFolder('identity');
  const home = new GridHome(join(folder.path, 'home'));
  await home.create();
  return { home, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

test('many that make an identity at once make one, and one of them learns its words', async () => {
  await using opened = await openHome();
  const { home } = opened;
  const made = await Promise.all([1, 2, 3, 4, 5].map(() => createIdentity(home)));
  assert.equal(new Set(made.map(({ key }) => key)).size, 1);
  const words = made.flatMap(({ newWords }) => (newWords === undefined ? [] : [newWords]));
  assert.deepEqual(words, [(await readFile(home.wordsFile, 'utf8')).trim()]);
  assert.deepEqual((await readdir(home.identity)).toSorted(), [
    'owner-key',
    'owner-token',
    'recovery-words',
    'release-key',
  ]);
});

test('words that somebody put there are used and not shown', async () => {
  await using first = await openHome();
  await using second = await openHome();
  const words = generateWords();
  for (const { home } of [first, second]) await writeFile(home.wordsFile, `${words}\n`);
  const one = await createIdentity(first.home);
  assert.equal(one.newWords, undefined);
  assert.equal((await createIdentity(second.home)).key, one.key);
  await writeFile(second.home.wordsFile, 'twelve words');
  await rm(second.home.ownerKeyFile);
  await assert.rejects(createIdentity(second.home), { code: 'CRYPTO_WORDS_INVALID' });
});

test('a secret goes into a new file for its owner only', async () => {
  await using opened = await openHome();
  const file = join(opened.home.identity, 'some.key');
  await writeNewSecret(file, 'not a key');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await assert.rejects(writeNewSecret(file, 'other'), { code: 'GRID_FILE_EXISTS' });
  await assert.rejects(writeNewSecret(join(file, 'x'), 'other'), { code: 'GRID_FILE_UNWRITABLE' });
  await assert.rejects(readKeyFile(file), { code: 'GRID_KEY_UNREADABLE' });
  await assert.rejects(readKeyFile(`${file}.none`), { code: 'GRID_KEY_UNREADABLE' });
});
