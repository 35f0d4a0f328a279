import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLinearisable } from './check-register.ts';
import type { RegisterOperation } from './check-register.ts';

function op(
  kind: 'read' | 'write',
  value: number | undefined,
  calledMs: number,
  answeredMs: number,
): RegisterOperation {
  return { kind, value, calledMs, answeredMs };
}

test('a read may give either value while a write is under way', () => {
  for (const value of [undefined, 1]) {
    assert.ok(isLinearisable([op('write', 1, 0, 10), op('read', value, 5, 6)]));
  }
});

test('a read of what was overwritten before it began is found', () => {
  const writes = [op('write', 1, 0, 1), op('write', 2, 2, 3)];
  assert.ok(!isLinearisable([...writes, op('read', 1, 4, 5)]));
  assert.ok(isLinearisable([...writes, op('read', 2, 4, 5)]));
});

test('two reads that go back are found', () => {
  const write = op('write', 1, 0, 100);
  assert.ok(!isLinearisable([write, op('read', 1, 1, 2), op('read', undefined, 3, 4)]));
});

test('a write with an unknown result may have happened late, or never', () => {
  const unknown = op('write', 1, 0, Infinity);
  assert.ok(isLinearisable([unknown, op('read', undefined, 50, 60)]));
  assert.ok(isLinearisable([unknown, op('read', undefined, 50, 60), op('read', 1, 70, 80)]));
});

test('a lost write that was answered is found', () => {
  assert.ok(!isLinearisable([op('write', 1, 0, 1), op('read', undefined, 2, 3)]));
});
