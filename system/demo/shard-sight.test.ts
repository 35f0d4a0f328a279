import assert from 'node:assert/strict';
import { test } from 'node:test';

import { shardPlacesIn, ShardSight } from './shard-sight.ts';

test('a shard is lost with its machine, and refilled on the next one until all is whole', () => {
  const sight = new ShardSight();
  const lost = new Set<string>();
  const states = (): readonly string[] => sight.states((machine) => !lost.has(machine));
  sight.look([], false);
  assert.deepEqual(states(), []);
  sight.look(['a', 'b'], false);
  assert.deepEqual(states(), ['healthy', 'healthy']);
  lost.add('b');
  assert.deepEqual(states(), ['healthy', 'lost']);
  sight.look(['a', 'c'], true);
  assert.deepEqual(states(), ['healthy', 'refilling'], 'the store has not heard of it');
  for (let looks = 0; looks < 5; looks++) sight.look(['a', 'c'], false);
  assert.deepEqual(states(), ['healthy', 'refilling']);
  sight.look(['a', 'c'], true);
  assert.deepEqual(states(), ['healthy', 'healthy']);
  sight.look(['a', undefined], false);
  assert.deepEqual(states(), ['healthy', 'lost']);
});

test('shards keep their numbers while one of them is placed nowhere', () => {
  const item = (role: string, replica: number, node: string) => ({ role, replica, node });
  const items = [item('shards', 2, 'c'), item('log', 1, 'x'), item('shards', 0, 'a')];
  assert.deepEqual(shardPlacesIn(items), ['a', undefined, 'c']);
  assert.deepEqual(shardPlacesIn([]), []);
});
