import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reply } from '@commongrid/resp';
import { encodeLogId, encodeNextIds, parseFrames, parseWelcome } from './handshake.ts';

function welcome(changes: Record<number, string> = {}): Reply[] {
  const texts = ['continue', '00000000000000ff', '3', '0:1,3:9', '0', '7', '2:15,7:3'];
  return texts.map((text, i) => Buffer.from(changes[i] ?? text));
}

test('welcome is read from its seven texts', () => {
  assert.deepEqual(parseWelcome(welcome()), {
    verdict: 'continue',
    logId: 255n,
    term: 3,
    history: [
      { term: 0, firstSequence: 1 },
      { term: 3, firstSequence: 9 },
    ],
    common: 0,
    deletionsDroppedThrough: 7,
    nextIds: new Map([
      [2, 15],
      [7, 3],
    ]),
  });
  assert.equal(parseWelcome(welcome({ 6: '' })).nextIds.size, 0);
  assert.equal(encodeLogId(255n), '00000000000000ff');
  assert.equal(encodeNextIds(parseWelcome(welcome()).nextIds), '2:15,7:3');
});

test('welcome that makes no sense is refused', () => {
  const wrong = [
    welcome({ 0: 'perhaps' }),
    welcome({ 1: 'ff' }),
    welcome({ 2: '-1' }),
    welcome({ 3: '' }),
    welcome({ 4: '1.5' }),
    welcome({ 5: '' }),
    welcome({ 6: '2' }),
    welcome().slice(0, 6).slice(0, 3),
    'OK',
    null,
  ];
  for (const reply of wrong) {
    assert.throws(() => parseWelcome(reply), { code: 'ZDB_REPLICA_STREAM_BROKEN' });
  }
});

test('frames message is read, anything else is refused', () => {
  const bytes = Buffer.from('frames');
  const message = ['frames', 4, 64, 0, 0, bytes];
  assert.deepEqual(parseFrames(message), {
    segmentId: 4,
    offset: 64,
    compactedThrough: 0,
    deletionsDroppedThrough: 0,
    bytes,
  });
  for (const wrong of [
    [],
    ['frames'],
    ['other', 4, 64, 0, 0, bytes],
    ['frames', 4, 64, 0, 0, 'x'],
  ]) {
    assert.throws(() => parseFrames(wrong), { code: 'ZDB_REPLICA_STREAM_BROKEN' });
  }
  assert.throws(() => parseFrames(['frames', -4, 64, 0, 0, bytes]), {
    code: 'ZDB_REPLICA_STREAM_BROKEN',
  });
});
