import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeId } from '@commongrid/model/testing';
import type { HeardNode } from '../controller/ports.ts';
import { NodeWatch } from './node-watch.ts';

const node = fakeId.node(1);
const patience = { suspectAfterMs: 3_000, replaceAfterMs: 10_000 };
const wanted = new Map([[node, patience]]);

/** It was heard at once. */
function at(nowMs: number) {
  return { nowMs, heardMs: nowMs, at: nowMs };
}

function silent(silentMs: number): ReadonlyMap<typeof node, HeardNode> {
  return new Map([[node, { standing: 'gone', silentMs }]]);
}

function watchAt(startMs: number, canProbe = false): NodeWatch {
  return new NodeWatch(startMs, { canProbe });
}

test('a node is suspected, then lost, by its silence', () => {
  const watch = watchAt(0);
  const seen = [2_999, 3_000, 9_999, 10_000].map((silentMs) => {
    watch.note(at(100_000), wanted, silent(silentMs));
    return watch.outlook(node, patience);
  });
  assert.deepEqual(seen, ['alive', 'suspect', 'suspect', 'lost']);
});

test('what was silent before the start counts from the start, unless a move was begun', () => {
  const watch = watchAt(100_000);
  watch.note(at(102_000), wanted, silent(3_600_000));
  assert.equal(watch.outlook(node, patience), 'alive');
  assert.equal(watch.outlook(node, patience, true), 'lost');
  watch.note(at(110_000), wanted, new Map());
  assert.equal(watch.outlook(node, patience), 'lost', 'a node that was never heard is silent');
});

test('a node that may answer is not lost before it was asked, nor while it answers', () => {
  const watch = watchAt(0, true);
  watch.note(at(100_000), wanted, silent(10_000));
  assert.equal(watch.outlook(node, patience), 'suspect');
  assert.deepEqual([...watch.toProbe()], [node]);
  assert.deepEqual([...watch.toProbe()], [], 'one probe at a time');
  watch.noteProbe(node, 100_000, true);
  assert.equal(watch.outlook(node, patience), 'cutOff');
  watch.note(at(100_500), wanted, silent(10_500));
  assert.deepEqual([...watch.toProbe()], [], 'not again at once');
  watch.note(at(101_000), wanted, silent(11_000));
  assert.deepEqual([...watch.toProbe()], [node]);
  watch.noteProbe(node, 101_000, false);
  assert.equal(watch.outlook(node, patience), 'cutOff', 'it answered lately');
  watch.note(at(110_000), wanted, silent(20_000));
  assert.equal(watch.outlook(node, patience), 'lost');
});

test('an answer says nothing of the next silence', () => {
  const watch = watchAt(0, true);
  watch.note(at(100_000), wanted, silent(5_000));
  for (const one of watch.toProbe()) watch.noteProbe(one, 100_000, true);
  watch.note(at(100_500), wanted, silent(0));
  watch.note(at(103_600), wanted, silent(3_100));
  assert.equal(watch.outlook(node, patience), 'suspect');
});

test('a replica is moved away by what was heard just now, and by nothing older', () => {
  const watch = new NodeWatch(0, { canProbe: false });
  const isLost = (nowMs: number): boolean => watch.isStillLost(node, patience, nowMs);
  watch.note({ nowMs: 101_000, heardMs: 100_000, at: 7_000_000 }, wanted, silent(12_000));
  assert.equal(watch.movesBeforeMs, 7_005_000, 'by log time as well');
  assert.equal(isLost(105_000), true);
  assert.equal(isLost(105_001), false);
  watch.note(at(106_000), wanted, silent(500));
  assert.equal(isLost(106_000), false);
});
