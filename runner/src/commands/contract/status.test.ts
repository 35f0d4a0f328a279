import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeId } from '@commongrid/model/testing';

import { openTerminal } from '../../terminal.ts';
import { describeLook } from './status.ts';
import type { ContractLook } from './status.ts';

const terminal = openTerminal({ allowsColor: false, wantsJson: false });

type Store = NonNullable<NonNullable<ContractLook['controller']>['store']>;

function described(store: Store | null): string {
  const contract = fakeId.contract(1);
  const status: ContractLook['status'] = {
    ...{ id: contract, name: 'archive', isHalted: false, isRejected: false },
    phase: 'running',
    ...{ signatures: [], readyCount: 0, workloads: [] },
  };
  const standing = {
    contract,
    name: 'archive',
    phase: 'running',
    blocked: [],
    silent: [],
    steps: [],
  };
  const controller = { ...standing, store };
  return describeLook({ terminal }, { status, controller, names: new Map(), published: [] });
}

test('status of a contract says what keeps its store from being whole', () => {
  const store = { backends: 'backends.json', data: 'data', shards: null };
  assert.doesNotMatch(described(null), /Store/);
  assert.match(described({ ...store, isWhole: true, lacks: null }), /\n\nStore\n {2}whole$/);
  assert.match(
    described({ ...store, isWhole: false, lacks: 'no answer from 10.0.0.1\u001b[2J/a' }),
    /\n\nStore\n {2}no answer from 10\.0\.0\.1\\u001b\[2J\/a$/,
  );
});
