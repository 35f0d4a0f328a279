import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendClass } from './backend-view.ts';
import { needOf } from './chunk-need.ts';
import type { PlaceView } from './chunk-need.ts';

const shape = { kind: 'coded', dataShards: 4, parityShards: 2 } as const;

/** Backend n is on node n, or as is said; those that are not named are good. */
function viewOf(
  classes: Readonly<Record<number, BackendClass>>,
  nodes: readonly number[],
): PlaceView {
  return {
    classOf: (no) => classes[no] ?? 'good',
    nodeOf: (no) => (no === 0 ? undefined : `node-${no % 10}`),
    writableNodes: () => new Set(nodes.map((no) => `node-${no}`)),
  };
}

test('who is away for a while is waited for, unless the next loss would be one too many', () => {
  const locations = [1, 2, 3, 4, 5, 6];
  const one = needOf({ ...shape, locations }, viewOf({ 2: 'overdue' }, [1]));
  assert.deepEqual([one.missing, one.spareShards], [[], 1]);
  const two = needOf({ ...shape, locations }, viewOf({ 2: 'overdue', 5: 'away' }, [1]));
  assert.deepEqual([two.missing, two.spareShards], [[1], 0]);
  const lost = needOf({ ...shape, locations: [1, 2, 3, 4, 5, 0] }, viewOf({ 1: 'lost' }, [1]));
  assert.deepEqual([lost.missing, lost.spareShards], [[0, 5], 0]);
});

test('what is on a node that has another shard is moved when some node has none', () => {
  // Backends 1 and 11 are on one node.
  const locations = [1, 2, 11, 4, 5, 6];
  const good = viewOf({}, [1, 2, 4, 5, 6]);
  assert.deepEqual(needOf({ ...shape, locations }, good).misplaced, []);
  assert.deepEqual(needOf({ ...shape, locations }, viewOf({}, [7])).misplaced, [2]);
});

test('what is on a backend that is to be emptied is moved, and counts until then', () => {
  const locations = [1, 2, 3, 4, 5, 6];
  const need = needOf({ ...shape, locations }, viewOf({ 4: 'draining' }, [1]));
  assert.deepEqual([need.missing, need.misplaced, need.spareShards], [[], [3], 2]);
});
