import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnsentTotal } from './unsent-total.ts';

test('unsent total admits drained connections above the limit, nobody above twice of it', () => {
  const total = new UnsentTotal(100);
  const connection = { resume: () => {} };
  total.add(100);
  assert.equal(total.admits(connection, true), true);
  total.add(1);
  assert.equal(total.admits(connection, true), false);
  assert.equal(total.admits(connection, false), true);
  total.add(100);
  assert.equal(total.admits(connection, false), false);
});

test('unsent total resumes those who wait once it has fallen, but not beyond the limit', () => {
  const total = new UnsentTotal(100);
  const resumed: string[] = [];
  const waiting = (name: string): { resume(): void } => ({
    resume: () => {
      resumed.push(name);
      total.add(80);
    },
  });
  total.add(150);
  const gone = waiting('gone');
  for (const connection of [gone, waiting('a'), waiting('b'), waiting('c')]) {
    assert.equal(total.admits(connection, true), false);
  }
  total.forget(gone);
  total.add(-40);
  assert.deepEqual(resumed, []);
  total.add(-90);
  assert.deepEqual(resumed, ['a', 'b']);
  total.add(-150);
  assert.deepEqual(resumed, ['a', 'b', 'c']);
});
