import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { NodeId } from '@commongrid/model';

import { StormBrake } from './storm-brake.ts';

function nodes(count: number, from = 0): Set<NodeId> {
  return new Set(Array.from({ length: count }, (_node, index) => `node:${from + index}` as NodeId));
}

/** All that the brakes below may hear of. */
const all = nodes(200);

/** A brake that has seen so many nodes for a while. */
function seen(count: number): StormBrake {
  const brake = new StormBrake();
  brake.note(0, nodes(count), all);
  brake.note(100_000, nodes(count), all);
  return brake;
}

test('a brake is off while single nodes are lost', () => {
  const brake = seen(24);
  brake.note(101_000, nodes(16), all);
  assert.equal(brake.isOn, false, '8 of 24 are a third');
});

test('a brake is on when more than a third vanishes within a minute', () => {
  const brake = seen(24);
  brake.note(101_000, nodes(20), all);
  brake.note(150_000, nodes(15), all);
  assert.equal(brake.isOn, true);
});

test('a brake does not add up what vanishes slowly', () => {
  const brake = seen(24);
  brake.note(101_000, nodes(18), all);
  brake.note(162_000, nodes(13), all);
  assert.equal(brake.isOn, false, '5 of 18 within the minute');
});

test('a brake lets two go of any grid', () => {
  const brake = seen(3);
  brake.note(101_000, nodes(1), all);
  assert.equal(brake.isOn, false);
  brake.note(102_000, nodes(0), all);
  assert.equal(brake.isOn, true);
});

test('a brake is off again when two thirds are back, also after long', () => {
  const brake = seen(24);
  brake.note(101_000, nodes(10), all);
  brake.note(500_000, nodes(15), all);
  assert.equal(brake.isOn, true);
  brake.note(501_000, new Set([...nodes(15), ...nodes(9, 100)]), all);
  assert.equal(brake.isOn, true, 'others do not count');
  brake.note(502_000, nodes(16), all);
  assert.equal(brake.isOn, false);
});

test('a brake that the owner released stays off for what is gone, not for what goes next', () => {
  const brake = seen(24);
  brake.note(101_000, nodes(10), all);
  brake.release();
  brake.note(102_000, nodes(10), all);
  assert.equal(brake.isOn, false);
  brake.note(103_000, nodes(6), all);
  assert.equal(brake.isOn, true, '4 of 10');
});

test('a brake counts nodes that were gone at its first look as gone', () => {
  const brake = new StormBrake();
  brake.note(0, nodes(4), all);
  brake.note(1_000, nodes(2), all);
  assert.equal(brake.isOn, false);
});

test('a brake does not take for vanished what nobody looks at any more', () => {
  const brake = seen(24);
  brake.note(101_000, nodes(10), nodes(10));
  assert.equal(brake.isOn, false);
  brake.note(102_000, nodes(6), nodes(10));
  assert.equal(brake.isOn, true, '4 of 10');
  brake.note(103_000, nodes(6), nodes(6));
  assert.equal(brake.isOn, true, 'what vanished counts, though it was replaced');
});

test('a brake is off while a few nodes of a grid that just began are lost', () => {
  const brake = new StormBrake();
  brake.note(0, nodes(1), all);
  brake.note(1_000, nodes(150), all);
  brake.note(20_000, nodes(135), all);
  assert.equal(brake.isOn, false, '15 of 150');
  brake.note(21_000, nodes(90), all);
  assert.equal(brake.isOn, true, '60 of 150');
});

test('a brake hears of nodes that are back, though nothing runs on them any more', () => {
  const brake = seen(6);
  brake.note(101_000, nodes(2), all);
  assert.equal(brake.isOn, true);
  const moved = nodes(2);
  brake.note(102_000, nodes(2), moved);
  assert.deepEqual(brake.nodes, nodes(6));
  brake.note(103_000, nodes(4), moved);
  assert.equal(brake.isOn, false, '4 of 6 are back');
});
