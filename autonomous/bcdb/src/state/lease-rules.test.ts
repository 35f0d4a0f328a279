import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import type { LeaseName, RecordOf } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import { judgeLease } from './lease-rules.ts';
import type { Lease } from './lease-rules.ts';

const [ada, bob, eve] = [fakeId.key(1), fakeId.key(2), fakeId.key(3)];
const contract = fakeId.contract(1);
const name = `${contract}/store` as LeaseName;
const taken: Lease = { name, holder: ada, fence: 4, ttlMs: 5000 };

/** The rule that a lease breaks after another; undefined when it is let in. */
function broken(lease: Lease, former?: Lease, author: string = lease.holder, obj: string = name) {
  const header = { ...examples['grid.contract.1'], controllers: [ada, bob] };
  const view = {
    current: (url: string, id: string) => {
      if (url === 'grid.lease.1') return former as never;
      return (id === contract ? header : undefined) as never;
    },
  };
  const value: RecordOf<'grid.lease.1'> = lease;
  try {
    judgeLease(view, {
      ...{ ns: 'grid', url: 'grid.lease.1', op: 'put', seq: 1, at: 1 },
      ...{ obj, author, value },
    });
    return undefined;
  } catch (error) {
    assert.ok(isGridError(error), String(error));
    return error.details['rule'] ?? error.code;
  }
}

test('judgeLease lets the next fence in, whoever of the controllers takes it', () => {
  assert.equal(broken({ ...taken, fence: 1 }), undefined);
  assert.equal(broken({ ...taken, fence: 5, holder: bob }, taken), undefined);
  assert.equal(broken({ ...taken, fence: 5 }, taken), undefined);
  assert.equal(broken({ ...taken, fence: 5 }, { ...taken, isReleased: true }), undefined);
});

test('judgeLease refuses any other fence', () => {
  assert.equal(broken({ ...taken, fence: 2 }), 'LEASE_FENCE');
  for (const fence of [3, 4, 6]) assert.equal(broken({ ...taken, fence }, taken), 'LEASE_FENCE');
});

test('judgeLease lets only the holder go, once, and with what it took', () => {
  const release: Lease = { ...taken, isReleased: true };
  assert.equal(broken(release, taken), undefined);
  assert.equal(broken(release, release), 'LEASE_RELEASED');
  assert.equal(broken({ ...release, fence: 1 }), 'LEASE_NOT_HOLDER');
  assert.equal(broken({ ...release, holder: bob }, taken), 'LEASE_NOT_HOLDER');
  assert.equal(broken({ ...release, fence: 5 }, taken), 'LEASE_NOT_HOLDER');
  assert.equal(broken({ ...release, ttlMs: 1000 }, taken), 'LEASE_NOT_HOLDER');
});

test('judgeLease refuses who is no controller, signs for another, or uses another name', () => {
  assert.equal(broken({ ...taken, fence: 1, holder: eve }), 'LEASE_NOT_CONTROLLER');
  assert.equal(broken({ ...taken, fence: 1 }, undefined, bob), 'LEASE_NOT_HOLDER');
  assert.equal(broken({ ...taken, fence: 1 }, undefined, ada, contract), 'LEASE_OBJECT_MISMATCH');
  const other = fakeId.contract(2) as string as LeaseName;
  const lease = { ...taken, name: other, fence: 1 };
  assert.equal(broken(lease, undefined, ada, other), 'LEASE_CONTRACT_UNKNOWN');
  assert.equal(broken({ ...taken, ttlMs: 0 }), 'MODEL_RECORD_INVALID');
});
