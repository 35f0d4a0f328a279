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
      INSERT INTO nonces (nonce, user, until_ms) SELECT 'n' || n, 'u' || n, ? FROM more`,
    oldMs,
  );
  const nonces = new HubNonces(db);
  const key = SigningKey.generate().publicKey;
  const take = (nonce: string, atMs: number): void =>
    nonces.take('ada', { key, nonce, atMs, bodySha256: '' }, atMs);
  take('last', nowMs);
  assert.throws(() => take('more', nowMs), hasCode('HUB_BUSY'));
  const laterMs = oldMs + 60_000;
  take('more', laterMs);
  assert.throws(() => take('last', laterMs), hasCode('HUB_REPLAYED'));
});

test('no user takes the room of all others, over a restart neither', async () => {
  await using folder = await tempFolder('hub-nonces');
  using db = HubDatabase.open(join(folder.path, 'hub.sqlite'));
  const nowMs = 1_000_000;
  const oldMs = nowMs + 1_000;
  const fill = (user: string, count: number): void => {
    db.run(
      `WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < ?)
        INSERT INTO nonces (nonce, user, until_ms) SELECT ? || n, ?, ? FROM more`,
      ...[count, user, user, oldMs],
    );
  };
  const key = SigningKey.generate().publicKey;
  let count = 0;
  const take = (nonces: HubNonces, user: string, atMs: number): void =>
    nonces.take(user, { key, nonce: `${count++}`, atMs, bodySha256: '' }, atMs);
  fill('greedy', 249_999);
  let nonces = new HubNonces(db);
  take(nonces, 'greedy', nowMs);
  assert.throws(() => take(nonces, 'greedy', nowMs), hasCode('HUB_BUSY'));
  for (const user of ['ada', 'bob', 'ada']) take(nonces, user, nowMs);
  fill('second', 124_999);
  nonces = new HubNonces(db);
  for (const user of ['greedy', 'second']) {
    assert.throws(() => take(nonces, user, nowMs), hasCode('HUB_BUSY'), user);
  }
  take(nonces, 'ada', nowMs);
  take(nonces, 'greedy', oldMs + 60_000);
});
