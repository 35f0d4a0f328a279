import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { GridError } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { GridHome } from '../src/home.ts';
import { SeenHeads } from '../src/seen-heads.ts';

const trust = { log: 'L'.repeat(43), sequencerKey: `ed25519:${'K'.repeat(43)}` };

function folderOf(home: GridHome): string {
  return join(home.heads, `${trust.log}.${'K'.repeat(43)}`);
}

function contradiction(size: number, isProven = true): GridError {
  return new GridError('BCDB_LOG_ROLLED_BACK', 'less than before', {
    details: { seen: `log\n${size}\nroot\n\n- a`, shown: 'log\n1\nroot\n\n- b', isProven },
  });
}

test('of heads that are kept at the same time the largest is the newest, for its owner only', async () => {
  await using folder = await tempFolder();
  const home = new GridHome(join(folder.path, 'home'));
  const sizes = Array.from({ length: 40 }, (_, n) => ((n * 17) % 40) + 1);
  await Promise.all(
    sizes.map((size) => new SeenHeads(home, trust).keep({ size, note: `note ${size}` })),
  );
  const heads = new SeenHeads(home, trust);
  assert.equal((await heads.newest())?.note, 'note 40');
  await heads.keep({ size: 39, note: 'late' });
  assert.equal((await heads.newest())?.size, 40);
  await heads.keep({ size: 41, note: 'next' });
  assert.deepEqual(await readdir(folderOf(home)), ['41.head']);
  assert.equal((await stat(join(folderOf(home), '41.head'))).mode & 0o777, 0o600);
  const other = { ...trust, log: 'M'.repeat(43) };
  assert.equal(await new SeenHeads(home, other).newest(), undefined);
  await heads.forget();
  assert.equal(await heads.newest(), undefined);
});

test('a home can be made where heads of databases elsewhere are kept, and a wipe takes them', async () => {
  await using folder = await tempFolder();
  const home = new GridHome(join(folder.path, 'home'));
  const heads = new SeenHeads(home, trust);
  await heads.keep({ size: 1, note: 'note' });
  await home.create();
  assert.equal((await heads.newest())?.note, 'note');
  await home.wipe();
  assert.deepEqual(await readdir(folder.path), []);
});

test('a head that cannot be read is not taken for none', async () => {
  await using folder = await tempFolder();
  const home = new GridHome(folder.path);
  const heads = new SeenHeads(home, trust);
  await heads.keep({ size: 7, note: 'note' });
  await writeFile(join(folderOf(home), '7.head'), '{"note"');
  await assert.rejects(heads.newest(), { code: 'GRID_FILE_UNREADABLE' });
});

test('a contradiction is kept once, and of very many only the first', async () => {
  await using folder = await tempFolder();
  const home = new GridHome(folder.path);
  const heads = new SeenHeads(home, trust);
  const first = await heads.keepEvidence(contradiction(0));
  assert.ok(first !== undefined);
  assert.equal((await stat(first)).mode & 0o777, 0o600);
  assert.equal(await heads.keepEvidence(contradiction(0)), first);
  for (let size = 1; size < 100; size++) await heads.keepEvidence(contradiction(size));
  assert.equal(await heads.keepEvidence(contradiction(100)), undefined);
  await heads.forget();
  assert.equal((await readdir(folderOf(home))).length, 100);
});

test('contradictions that a server may have made up leave room for those that are proven', async () => {
  await using folder = await tempFolder();
  const heads = new SeenHeads(new GridHome(join(folder.path, 'home')), trust);
  for (let size = 0; size < 10; size++) {
    assert.ok((await heads.keepEvidence(contradiction(size, false))) !== undefined);
  }
  assert.equal(await heads.keepEvidence(contradiction(10, false)), undefined);
  assert.ok((await heads.keepEvidence(contradiction(10))) !== undefined);
});
