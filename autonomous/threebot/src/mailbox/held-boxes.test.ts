import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { hasCode } from '@commongrid/base/testing';
import { HeldBoxes, heldTable } from './held-boxes.ts';

function boxes(heldMax: number, heldBytesMax: number) {
  const db = new DatabaseSync(':memory:');
  db.exec(heldTable);
  const held = new HeldBoxes(db, { heldMax, heldBytesMax });
  const add = (to: string, id: string, bytes = 1, from = 'bot:ada'): void =>
    held.add({ to, from, id, expMs: 1_000, box: new Uint8Array(bytes) });
  return { held, add };
}

test('a relay keeps so many boxes for each bot, and the same one again is one', () => {
  const { held, add } = boxes(3, 100);
  for (const id of ['a', 'b', 'c']) add('bot:bob', id);
  assert.throws(() => add('bot:bob', 'd'), hasCode('BOT_MAILBOX_FULL'));
  assert.throws(() => add('bot:bob', 'a', 1, 'bot:eve'), hasCode('BOT_MAILBOX_FULL'));
  add('bot:bob', 'a', 2);
  add('bot:carol', 'd');
  assert.equal(held.list('bot:bob', 10).length, 3);
  held.drop(
    'bot:bob',
    held.list('bot:bob', 1).map(({ seq }) => seq),
  );
  add('bot:bob', 'd');
});

test('a relay keeps so many bytes for each bot, and has room again once they are over', () => {
  const { held, add } = boxes(10, 100);
  add('bot:bob', 'a', 60);
  assert.throws(() => add('bot:bob', 'b', 41), hasCode('BOT_MAILBOX_FULL'));
  add('bot:bob', 'a', 100);
  assert.throws(() => add('bot:bob', 'b'), hasCode('BOT_MAILBOX_FULL'));
  held.forget(1_000);
  add('bot:bob', 'b', 100);
});
