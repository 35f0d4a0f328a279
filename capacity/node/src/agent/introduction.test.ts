import assert from 'node:assert/strict';
import { test } from 'node:test';

import { examples, fakeId } from '@commongrid/model/testing';
import type { NodeState } from '@commongrid/model';

import { introduction } from './introduction.ts';

const [mine, other] = [fakeId.nonce16(1), fakeId.nonce16(2)];
const record = examples['grid.node.1'];

/** What a node of this boot says, by its newest session and what it said before. */
function saidBy(
  session: readonly [n: number, bootId: string] | undefined,
  saidN: number | undefined,
  change: { readonly adoptedAt?: number; readonly isCloned?: boolean } = {},
) {
  const { adoptedAt, isCloned = false } = change;
  const momentOf = (seq: number) => ({ seq, at: seq }) as NonNullable<NodeState['cloned']>;
  const [n, bootId] = session ?? [];
  const state: NodeState = {
    ...{ kind: 'node', id: record.id, key: 'ed25519:x' as never, farm: record.farm },
    ...(n === undefined || bootId === undefined
      ? {}
      : { session: { n, bootId, moment: momentOf(10) } }),
    ...(adoptedAt === undefined
      ? {}
      : { adoption: { farm: record.farm, standing: 'active', moment: momentOf(adoptedAt) } }),
    ...(isCloned ? { cloned: momentOf(11) } : {}),
  };
  const said = saidN === undefined ? undefined : { node: record.id, n: saidN, bootId: mine };
  const { statements, session: claimed } = introduction(record, mine, {
    ...{ record, state, session: said },
  });
  return { says: statements.map(({ value }) => (value as { n: number }).n), n: claimed.n };
}

test('introduction says a session for each boot, one above the last, once', () => {
  assert.deepEqual(saidBy(undefined, undefined), { says: [1], n: 1 });
  assert.deepEqual(saidBy([1, mine], 1), { says: [], n: 1 });
  assert.deepEqual(saidBy([4, other], undefined, { adoptedAt: 2 }), { says: [5], n: 5 });
});

test('introduction objects to a later boot by its own session, until that is known', () => {
  assert.deepEqual(saidBy([5, other], 4, { adoptedAt: 2 }), { says: [4], n: 4 });
  const known = { adoptedAt: 2, isCloned: true };
  assert.deepEqual(saidBy([5, other], 4, known), { says: [], n: 4 });
  assert.deepEqual(saidBy([5, mine], 5, known), { says: [], n: 5 });
});

test('introduction begins a session anew when the farm took the node again', () => {
  assert.deepEqual(saidBy([5, other], 4, { adoptedAt: 12 }), { says: [6], n: 6 });
  assert.deepEqual(saidBy([5, other], 4, { adoptedAt: 9 }), { says: [4], n: 4 });
});

test('introduction of one of two machines does not undo the record of the other', () => {
  const facts = { ...record, name: 'renamed' };
  const session = { n: 5, bootId: other, moment: { seq: 5, at: 5 } as never };
  const state = { kind: 'node' as const, ...record, key: 'ed25519:x' as never, session };
  const said = { node: record.id, n: 4, bootId: mine };
  const { statements } = introduction(facts, mine, { record, state, session: said });
  assert.deepEqual(
    statements.map(({ url }) => url),
    ['grid.session.1'],
  );
});

test('introduction says the record of the node when anything of it is another', () => {
  const facts = { ...record, name: 'renamed' };
  const known = { record, state: undefined, session: undefined };
  const { statements } = introduction(facts, mine, known);
  assert.deepEqual(
    statements.map(({ url }) => url),
    ['grid.node.1', 'grid.session.1'],
  );
});
