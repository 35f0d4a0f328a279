import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import type { RecordOf } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import type { Identities } from './identities.ts';
import { judgePresence } from './presence-rules.ts';

const sequencer = fakeId.key(9);
const genesis = { sequencer, at: 1000 };
const node = fakeId.node(1);
type Summary = RecordOf<'grid.presence.1'>;
const sound: Summary = {
  node,
  session: 2,
  fromMs: 2000,
  toMs: 5000,
  gaps: [
    { fromMs: 2500, toMs: 3000 },
    { fromMs: 3001, toMs: 4999 },
  ],
};

/** The rule that a summary breaks; undefined when it is let in. */
function broken(
  change: Partial<Summary>,
  { author = sequencer, obj = node, former = undefined as Summary | undefined } = {},
): unknown {
  const view: Pick<Identities, 'node' | 'current'> = {
    node: (id) =>
      id === node
        ? {
            ...{ kind: 'node', id: node, key: fakeId.key(1), farm: fakeId.farm(1) },
            session: { n: 2, bootId: fakeId.nonce16(1), moment: { seq: 1, at: 1 } },
          }
        : undefined,
    current: () => former as never,
  };
  try {
    judgePresence(view, genesis, {
      ...{ ns: 'grid', url: 'grid.presence.1', op: 'put', seq: 7, at: 5000, obj, author },
      value: { ...sound, ...change },
    });
    return undefined;
  } catch (error) {
    assert.ok(isGridError(error), String(error));
    return error.details['rule'] ?? error.code;
  }
}

test('judgePresence lets in what the sequencer saw, after what it told before', () => {
  assert.equal(broken({}), undefined);
  assert.equal(broken({ gaps: [] }), undefined);
  assert.equal(broken({}, { former: { ...sound, fromMs: 1500, toMs: 2000, gaps: [] } }), undefined);
});

test('judgePresence refuses all others, and times that are not so', () => {
  assert.equal(broken({}, { author: fakeId.key(1) }), 'PRESENCE_NOT_SEQUENCER');
  assert.equal(broken({}, { obj: fakeId.node(2) }), 'PRESENCE_OBJECT_MISMATCH');
  const other = fakeId.node(2);
  assert.equal(broken({ node: other }, { obj: other }), 'PRESENCE_NODE_UNKNOWN');
  assert.equal(broken({ session: 3 }), 'PRESENCE_NODE_UNKNOWN');
  assert.equal(broken({ session: 0 }), 'PRESENCE_NODE_UNKNOWN');
  assert.equal(broken({ toMs: 5001 }), 'PRESENCE_AHEAD');
  assert.equal(broken({ fromMs: 999 }), 'PRESENCE_AHEAD');
  const former = { ...sound, fromMs: 1500, toMs: 2001, gaps: [] };
  assert.equal(broken({}, { former }), 'PRESENCE_OVERLAPS');
  assert.equal(broken({ gaps: undefined as never }), 'MODEL_RECORD_INVALID');
});

test('judgePresence refuses intervals that are empty, overlap, or leave the summary', () => {
  const bad: Partial<Summary>[] = [
    { fromMs: 5000, gaps: [] },
    { gaps: [{ fromMs: 2000, toMs: 3000 }] },
    { gaps: [{ fromMs: 4000, toMs: 5000 }] },
    { gaps: [{ fromMs: 3000, toMs: 3000 }] },
    { gaps: sound.gaps.toReversed() },
    {
      gaps: [
        { fromMs: 2500, toMs: 3000 },
        { fromMs: 3000, toMs: 3500 },
      ],
    },
  ];
  for (const change of bad) assert.equal(broken(change), 'PRESENCE_INTERVALS');
});
