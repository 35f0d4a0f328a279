import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { hasCode } from '@commongrid/base/testing';
import { Outbox, outboxTable } from './outbox.ts';

test('an outbox takes so many messages, of so long a life, and says when it is full', () => {
  const db = new DatabaseSync(':memory:');
  db.exec(outboxTable);
  const outbox = new Outbox(db, { outboxMax: 3, messageMsMax: 1_000 });
  const add = (lifeMs: number): string =>
    outbox.add({ to: 'bot:bob', kind: 'text', body: 'a', lifeMs }, 0);
  for (const lifeMs of [0, -1, 1_001, Number.NaN]) {
    assert.throws(() => add(lifeMs), hasCode('BOT_MESSAGE_EXPIRED'));
  }
  for (let n = 0; n < 3; n++) add(1_000);
  assert.throws(() => add(1_000), hasCode('BOT_MAILBOX_FULL'));
  assert.equal(outbox.size, 3);
});
