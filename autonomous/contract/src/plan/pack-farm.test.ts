import assert from 'node:assert/strict';
import { test } from 'node:test';

import { packFarm } from './pack-farm.ts';

const role = { perNode: Infinity, perFarm: Infinity, perOwner: Infinity, perCountry: Infinity };

/** Two nodes with room for six, and kinds that need so much each. */
function problemOf(...needs: readonly number[]) {
  const suits = [true, true];
  return {
    kinds: needs.map((need, at) => {
      return { count: 9, need: [need], addresses: 0, roles: [at], costs: [0n], suits };
    }),
    roles: needs.map(() => role),
    nodes: suits.map(() => ({ farm: 0, free: [6] })),
    farms: [{ owner: 0, country: 0, freeAddresses: 0 }],
  };
}

test('units are spread over the nodes of a farm where there is room for that', () => {
  const packing = packFarm(problemOf(2), [0, 1], [4]);
  assert.deepEqual(packing, { is: 'packed', nodes: [[0, 1, 0, 1]] });
});

test('where spreading leaves no room the only way is found', () => {
  const packing = packFarm(problemOf(3, 2), [0, 1], [2, 3]);
  assert.deepEqual(packing, {
    is: 'packed',
    nodes: [
      [0, 0],
      [1, 1, 1],
    ],
  });
});

test('what cannot be packed is known to be so', () => {
  const tooFull = { is: 'tooFull', isProven: true };
  assert.deepEqual(packFarm(problemOf(3, 2), [0, 1], [3, 2]), tooFull);
  assert.deepEqual(packFarm(problemOf(4), [0, 1], [3]), tooFull);
});
