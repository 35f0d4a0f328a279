import assert from 'node:assert/strict';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { backupFiles } from '../src/recovery/backup-files.ts';

/** The folder of a bot with one paper, and what a backup of it has. */
async function botFolder(t: TestContext) {
  const folder = await tempFolder('backup-files');
  t.after(() => folder[Symbol.asyncDispose]());
  const papers = join(folder.path, 'papers');
  await mkdir(papers);
  await writeFile(join(papers, 'farmer.json'), '{}');
  const read = async (): Promise<readonly string[]> => {
    using db = new DatabaseSync(join(folder.path, 'bot.sqlite'));
    const files = await backupFiles(papers, db, join(folder.path, 'scratch'));
    return files.map(({ path }) => path);
  };
  return { papers, read };
}

test('a backup of more than 64 MiB is refused before it is read', async (t) => {
  const { papers, read } = await botFolder(t);
  const large = join(papers, 'large');
  await writeFile(large, '');
  // More than memory has, so that it is not read first.
  await truncate(large, 2 ** 40);
  await assert.rejects(read(), hasCode('BOT_TOO_LARGE'));
  await truncate(large, 63 * 2 ** 20);
  assert.deepEqual(await read(), ['farmer.json', 'large', 'data/bot.sqlite']);
});

test('a backup has all folders of a bot, or says that they are too deep', async (t) => {
  const { papers, read } = await botFolder(t);
  const deep = join(papers, 'a', 'b', 'c', 'd');
  await mkdir(deep, { recursive: true });
  await writeFile(join(deep, 'paper'), 'x');
  assert.ok((await read()).includes('a/b/c/d/paper'));
  await mkdir(join(deep, 'e'));
  await assert.rejects(read(), hasCode('BOT_TOO_LARGE'));
});
