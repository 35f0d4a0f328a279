import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ContractId } from '@commongrid/model';
import { Scene } from '@commongrid/model/testing';

import { approvalsOf, requireUnsigned } from './signatures.ts';

test('a signature about a contract that only heals is found, and one about another is not', () => {
  const scene = new Scene({ signers: [1, 2], min: 2 }).begin();
  const { fold } = scene.grid;
  const contracts = new Set([scene.plan.id]);
  const before = approvalsOf(fold, contracts);
  assert.equal(requireUnsigned(fold, contracts, before), before.size);
  assert.equal(scene.approve(scene.bob), undefined);
  assert.throws(() => requireUnsigned(fold, contracts, before), /healing took 1 more: .*provision/);
  const other = new Set(['another' as ContractId]);
  assert.equal(requireUnsigned(fold, other, approvalsOf(fold, other)), 0);
});
