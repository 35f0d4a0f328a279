import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';

import { findWorkload } from './find-workload.ts';

const all = [
  { id: 'contract:a/web/0', key: '000000000001', role: 'web', replica: 0 },
  { id: 'contract:a/web/1', key: '000000000002', role: 'web', replica: 1 },
  { id: 'contract:a/db/0', key: '000000000003', role: 'db', replica: 0 },
  { id: 'contract:b/web/1', key: '000000000004', role: 'web', replica: 1 },
];

test('a workload is found by id, short id, and role where that is one', () => {
  const keyOf = (name: string): string | undefined => findWorkload(all, name)?.key;
  assert.equal(keyOf('contract:b/web/1'), '000000000004');
  assert.equal(keyOf('000000000002'), '000000000002');
  assert.equal(keyOf('web/0'), '000000000001');
  assert.equal(keyOf('db'), '000000000003');
  assert.equal(keyOf('mail'), undefined);
});

test('a name that several workloads have is refused', () => {
  for (const name of ['web', 'web/1']) {
    assert.throws(() => findWorkload(all, name), hasCode('GRID_NAME_AMBIGUOUS'));
  }
});
