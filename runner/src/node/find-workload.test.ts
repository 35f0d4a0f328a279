import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';

import { onlyWorkload, workloadName, workloadsCalled } from './find-workload.ts';
import type { NamedWorkload } from './find-workload.ts';

function workload(contract: string, name: string | null, role: string, replica = 0): NamedWorkload {
  const id = `contract:${contract}/${role}/${replica}`;
  return { id, contract: `contract:${contract}`, contractName: name, role, replica };
}

const all = [
  workload('a', 'shop', 'web'),
  workload('a', 'shop', 'web', 1),
  workload('a', 'shop', 'shop'),
  workload('b', 'mail', 'web'),
  workload('c', 'mail', 'web'),
  workload('d', null, 'web'),
];

function found(name: string): readonly string[] {
  return workloadsCalled(all, name).map(({ id }) => id.replace('contract:', ''));
}

test('a workload is called by its contract, its role there, and its replica', () => {
  assert.deepEqual(found('shop'), ['a/web/0', 'a/web/1', 'a/shop/0']);
  assert.deepEqual(found('shop/web'), ['a/web/0', 'a/web/1']);
  assert.deepEqual(found('shop/web/1'), ['a/web/1']);
  assert.deepEqual(found('contract:c/web'), ['c/web/0']);
  assert.deepEqual(found('contract:d'), ['d/web/0']);
  for (const name of ['web', 'web/0', 'sho', 'shop/', 'shop/web/2', '']) {
    assert.deepEqual(found(name), [], name);
  }
});

test('a name that several workloads have is refused, with names that only one has', () => {
  const refusalOf = (name: string): string => {
    try {
      return `found ${onlyWorkload(workloadsCalled(all, name), name)?.id}`;
    } catch (error) {
      assert.ok(hasCode('GRID_NAME_AMBIGUOUS')(error));
      return String((error as { hint?: string }).hint);
    }
  };
  assert.equal(refusalOf('shop/web'), 'give one of these: shop/web/0, shop/web/1');
  assert.equal(refusalOf('mail'), 'give one of these: contract:b/web/0, contract:c/web/0');
  assert.equal(refusalOf('shop/web/1'), 'found contract:a/web/1');
  assert.equal(refusalOf('nobody'), 'found undefined');
  assert.equal(workloadName(workload('d', null, 'web')), 'contract:d/web/0');
});
