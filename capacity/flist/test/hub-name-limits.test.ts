import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';

import { flistDigestOf } from '../src/format/flist.ts';
import { HubDatabase } from '../src/hub/hub-database.ts';
import { HubNames } from '../src/hub/hub-names.ts';

const version = { digest: flistDigestOf(Buffer.from('a')), atMs: 1, key: 'k' };

test('a user has ten thousand repositories at most, and a repository a thousand tags', async () => {
  await using folder = await tempFolder('hub-names');
  using db = HubDatabase.open(join(folder.path, 'hub.sqlite'));
  const names = new HubNames(db);
  const put = (user: string, name: string, tag = ''): void =>
    db.transaction(() => names.put({ user, name, tag }, version));

  db.run(`WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 9999)
    INSERT INTO repositories SELECT 'ada', 'n' || n, '', '{}', '', 1 FROM more`);
  put('ada', 'last');
  assert.throws(() => put('ada', 'more'), hasCode('HUB_TOO_LARGE'));
  assert.throws(
    () => db.transaction(() => names.describe({ user: 'ada', name: 'more', tag: '' }, '', {}, 1)),
    hasCode('HUB_TOO_LARGE'),
  );
  put('ada', 'n5');
  put('bob', 'first');
  assert.equal(
    db.transaction(() => names.remove({ user: 'ada', name: 'last', tag: '' })),
    true,
  );
  put('ada', 'more');

  db.transaction(() => {
    for (let n = 1; n < 1_000; n++) names.put({ user: 'bob', name: 'app', tag: `t${n}` }, version);
  });
  put('bob', 'app');
  assert.throws(() => put('bob', 'app', 'more'), hasCode('HUB_TOO_LARGE'));
  put('bob', 'app', 't5');
  assert.equal(names.resolve({ user: 'bob', name: 'app', tag: 't5' }).digest, version.digest);
});

test('a name remembers a hundred of its versions, the newest ones', async () => {
  await using folder = await tempFolder('hub-names');
  using db = HubDatabase.open(join(folder.path, 'hub.sqlite'));
  const names = new HubNames(db);
  const reference = { user: 'ada', name: 'app', tag: '' };
  db.transaction(() => {
    for (let atMs = 1; atMs <= 120; atMs++) names.put(reference, { ...version, atMs });
  });
  const times = names.versions(reference).map(({ atMs }) => atMs);
  assert.deepEqual([times.length, times[0], times.at(-1)], [100, 120, 21]);
});
