import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeId } from '@commongrid/model/testing';

import { filledIn, lacking } from './store-answers.ts';
import type { BackendEntry } from './store-backends.ts';

type LookedAt = Parameters<typeof lacking>[0];

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

test('a store says what keeps it from being whole, the worst first', () => {
  const entries = [entry('a', ['x/a']), entry('b', [])];
  const names = ['10.0.0.1:9900/a', '10.0.0.1:9900/b'];
  const healthy = names.map((name) => ({ name, state: 'healthy' as const }));
  const whole: LookedAt = {
    ...{ needyChunks: 0, unreadableChunks: 0, pending: 0, needed: names },
    backends: healthy,
  };
  assert.equal(lacking(whole, entries), null);
  const [one, other] = healthy;
  assert.ok(one !== undefined && other !== undefined);
  const suspect = { ...other, state: 'suspect' as const };
  const faults: readonly (readonly [Partial<LookedAt>, RegExp])[] = [
    [{ needed: ['x/a'] }, /^replaced and still needed: x\/a$/],
    [{ backends: [one] }, /^no answer from 10\.0\.0\.1:9900\/b$/],
    [{ backends: [one, suspect] }, /^no answer from 10\.0\.0\.1:9900\/b$/],
    [{ pending: 2 }, /^2 chunks are looked at/],
    [{ needyChunks: 3 }, /^shards of 3 chunks are missing/],
    [{ unreadableChunks: 1 }, /^1 chunks cannot be read now$/],
  ];
  let all = whole;
  for (const [fault, says] of faults) {
    assert.match(lacking({ ...whole, ...fault }, entries) ?? '', says);
    // With all that came before it.
    all = { ...all, ...fault };
    assert.match(lacking(all, entries) ?? '', says);
  }
});
