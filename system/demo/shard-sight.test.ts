import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ShardSight } from './shard-sight.ts';

test('a shard is lost with its machine, and refilled on the next one until all is whole', () => {
  const sight = new ShardSight();
  const lost = new Set<string>();
  const states = (): readonly string[] => sight.states((machine) => !lost.has(machine));
  sight.place([]);
  assert.deepEqual(states(), []);
  sight.place(['a', 'b']);
  assert.deepEqual(states(), ['healthy', 'healthy']);
  lost.add('b');
  assert.deepEqual(states(), ['healthy', 'lost']);
  sight.place(['a', 'c']);
  assert.deepEqual(states(), ['healthy', 'refilling']);
  sight.noteWhole();
  assert.deepEqual(states(), ['healthy', 'healthy']);
  sight.place(['a', undefined]);
  assert.deepEqual(states(), ['healthy', 'lost']);
});
