import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeId } from '@commongrid/model/testing';

import { filledIn } from './store-answers.ts';
import type { BackendEntry } from './store-backends.ts';

function entry(namespace: string, replaces: readonly string[]): BackendEntry {
  return {
    ...{ address: '10.0.0.1:9900', namespace, passwordFile: 'passwords/admin', replaces },
    ...{ tlsFingerprint: '00', node: `node of ${namespace}`, farm: fakeId.farm(1), country: 'BE' },
  };
}

test('a namespace is filled once nothing that it replaces is needed any more', () => {
  const entries = [entry('a', ['x/a', 'y/a']), entry('b', ['z/b']), entry('c', [])];
  assert.deepEqual([...filledIn({ needed: ['y/a', 'w/d'] }, entries).keys()], ['b', 'c']);
  assert.equal(filledIn({ needed: [] }, entries).get('a'), 'node of a');
});
