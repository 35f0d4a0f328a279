import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';

import { HubDatabase } from '../src/hub/hub-database.ts';
import { HubNonces } from '../src/hub/hub-nonces.ts';

test('a hub remembers half a million requests, and has room again once they are too old to come twice', async () => {
  await using folder = await tempFolder('hub-nonces');
  using db = HubDatabase.open(join(folder.path, 'hub.sqlite'));
  const nowMs = 1_000_000;
  const oldMs = nowMs + 1_000;
  db.run(
    `WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 499999)
      INSERT INTO nonces SELECT 'n' || n, ? FROM more`,
    oldMs,
  );
  const nonces = new HubNonces(db);
  const key = SigningKey.generate().publicKey;
  const take = (nonce: string, atMs: number): void =>
    nonces.take({ key, nonce, atMs, bodySha256: '' }, atMs);
  take('last', nowMs);
  assert.throws(() => take('more', nowMs), hasCode('HUB_BUSY'));
  const laterMs = oldMs + 60_000;
  take('more', laterMs);
  assert.throws(() => take('last', laterMs), hasCode('HUB_REPLAYED'));
});
