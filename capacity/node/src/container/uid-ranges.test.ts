import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';

import { idsOfTenant, uidStartOf } from './uid-ranges.ts';

test('a node has user ids for so many tenants, each its own for good', () => {
  const kept = new Map<string, string>();
  const facts = {
    fact: (name: string) => kept.get(name),
    setFact: (name: string, value: string) => void kept.set(name, value),
  };
  const first = uidStartOf(facts, 'ada');
  assert.equal(uidStartOf(facts, 'bob'), first + idsOfTenant);
  for (let n = 2; n < 30_000; n++) uidStartOf(facts, `t${n}`);
  assert.throws(() => uidStartOf(facts, 'more'), hasCode('NODE_TENANTS_TOO_MANY'));
  assert.equal(uidStartOf(facts, 'ada'), first);
  // The kernel has 32 bits for an id, and the highest one means nobody.
  assert.ok(uidStartOf(facts, 't29999') + idsOfTenant < 2 ** 32 - 1);
});
