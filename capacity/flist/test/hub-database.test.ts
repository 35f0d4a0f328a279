import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';

import { HubDatabase } from '../src/hub/hub-database.ts';
import { HubNonces } from '../src/hub/hub-nonces.ts';
import { HubQuota } from '../src/hub/hub-quota.ts';

test('tables of a hub of before there were quotas of single users, or nonces of them, are taken over', async () => {
  await using folder = await tempFolder('hub-database');
  const file = join(folder.path, 'hub.sqlite');
  const key = SigningKey.generate().publicKey;
  {
    using made = HubDatabase.open(file);
    new HubQuota(made, 1_000, 0).bring('ada', 10, 0);
  }
  {
    // As layout 1 was.
    using db = new DatabaseSync(file);
    db.exec(`DROP TABLE quotas; ALTER TABLE nonces DROP COLUMN user;
      INSERT INTO nonces VALUES ('${key.text} one', 400000); PRAGMA user_version = 1`);
  }
  {
    using taken = HubDatabase.open(file);
    const nonces = new HubNonces(taken);
    const claim = { key, atMs: 1, bodySha256: '' };
    nonces.take('ada', { ...claim, nonce: 'other' }, 1);
    assert.throws(() => nonces.take('ada', { ...claim, nonce: 'one' }, 1), hasCode('HUB_REPLAYED'));
  }
  for (const quotaBytes of [1_000, 5]) {
    using taken = HubDatabase.open(file);
    const quota = new HubQuota(taken, 1_000, 0);
    assert.equal(quota.quotaBytes('ada'), quotaBytes);
    quota.set('ada', 5);
    assert.throws(() => quota.bring('ada', 1, 0), hasCode('HUB_QUOTA_REACHED'));
  }
  using db = new DatabaseSync(file);
  db.exec('PRAGMA user_version = 4');
  assert.throws(() => HubDatabase.open(file), hasCode('FLIST_VERSION_UNKNOWN'));
});
