import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';
import { GridError } from '@commongrid/base';
import type { NodeId, Presence, RecordOf, Session } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import { inspectNodes, uptimeWindowMs, withInspections } from './inspect-nodes.ts';
import type { InspectionSource } from './inspect-nodes.ts';
import { fakeDirectory } from '../../test/support/fake-directory.ts';

const node = fakeId.node(1);
const hourMs = 3_600_000;

interface Logged<T> {
  readonly seq: number;
  readonly value: T;
}

/** A database with the records of one node, in the order of the log. */
function sourceOf(log: {
  readonly presence?: readonly Presence[];
  readonly sessions?: readonly Logged<Session>[];
  readonly adoptedSeq?: number;
}): InspectionSource {
  const adoption: RecordOf<'grid.adoption.1'> = { ...examples['grid.adoption.1'], node };
  const versions: Readonly<Record<string, readonly Logged<object>[]>> = {
    'grid.presence.1': (log.presence ?? []).map((value, seq) => ({ seq, value })).toReversed(),
    'grid.adoption.1':
      log.adoptedSeq === undefined ? [] : [{ seq: log.adoptedSeq, value: adoption }],
  };
  return {
    history: async (_ns, url, _obj, options) => {
      const all = versions[url] ?? [];
      if (all.length === 0) throw new GridError('BCDB_NOT_FOUND', 'there is none');
      return all.slice(0, options?.limit) as never;
    },
    find: async () => ({ objects: (log.sessions ?? []).toReversed() }) as never,
  };
}

async function inspected(
  log: Parameters<typeof sourceOf>[0],
  at = 0,
  presence: 'alive' | 'gone' = 'alive',
) {
  const found = await inspectNodes(sourceOf(log), [{ id: node, presence }], at);
  const one = found.get(node);
  assert.ok(one);
  return one;
}

function summary(
  fromMs: number,
  toMs: number,
  ...gaps: readonly (readonly [number, number])[]
): Presence {
  const listed = gaps.map(([from, to]) => ({ fromMs: from, toMs: to }));
  return { ...examples['grid.presence.1'], node, fromMs, toMs, gaps: listed };
}

test('uptime is the part of the last week that summaries tell of, and gaps and silence are away', async () => {
  assert.equal((await inspected({})).uptime, undefined);
  const day = 24 * hourMs;
  const atMs = 30 * day;
  // Half of the week is before the window, a day is told by none, and a day is a gap.
  const presence = [
    summary(20 * day, 25 * day),
    summary(26 * day, 28 * day, [26.5 * day, 27.5 * day]),
    summary(28 * day, 30 * day),
  ];
  const alive = await inspected({ presence }, atMs + 0.02 * day);
  assert.equal(alive.uptime, (2 + 1 + 2) / 7);
  // Whoever is away is away since the newest of them.
  const gone = await inspected({ presence }, atMs + day, 'gone');
  assert.equal(gone.uptime, (1 + 1 + 2) / 7);
  // One that is new is counted since its first summary.
  const fresh = [summary(29 * day, 30 * day, [29.25 * day, 29.5 * day])];
  assert.equal((await inspected({ presence: fresh }, atMs)).uptime, 0.75);
  assert.equal(uptimeWindowMs, 7 * day);
});

test('two machines with one key are told from boots that follow each other, until it is adopted again', async () => {
  const session = (seq: number, n: number) => ({
    ...{ seq, value: { node, n, bootId: fakeId.nonce16(seq) } satisfies Session },
  });
  const isCloned = async (...given: Parameters<typeof inspected>) =>
    (await inspected(...given)).isCloned;
  const boots = [session(2, 1), session(5, 2), session(9, 3)];
  assert.equal(await isCloned({ sessions: boots, adoptedSeq: 1 }), false);
  const twice = [...boots, session(12, 2)];
  assert.equal(await isCloned({ sessions: twice, adoptedSeq: 1 }), true);
  assert.equal(await isCloned({ sessions: [...boots, session(12, 3)] }), true);
  assert.equal(await isCloned({ sessions: twice, adoptedSeq: 13 }), false);
  assert.equal(await isCloned({ sessions: [...twice, session(15, 4)], adoptedSeq: 13 }), false);
  assert.equal(await isCloned({ sessions: [...twice, session(15, 3)], adoptedSeq: 13 }), true);
});

test('a directory takes what was found out, and a clone is not in service', async () => {
  const directory = fakeDirectory([{ nodes: 3 }]);
  const found = new Map<NodeId, { uptime: number | undefined; isCloned: boolean }>([
    [fakeId.node(1), { uptime: 0.5, isCloned: true }],
    [fakeId.node(2), { uptime: undefined, isCloned: false }],
  ]);
  const { nodes } = withInspections(directory, found);
  assert.deepEqual(
    nodes.map(({ isInService, uptime }) => [isInService, uptime]),
    [
      [false, 0.5],
      [true, undefined],
      [true, 1],
    ],
  );
});

test('uptime stays between nothing and all of the time', async () => {
  const hours = fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { minLength: 4, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(hours, fc.boolean(), async (given, isThere) => {
      const times = given.toSorted((a, b) => a - b).map((hour) => hour * hourMs);
      const presence = times.flatMap((fromMs, at) => {
        const [gapMs, backMs, toMs] = times.slice(at + 1);
        if (at % 4 !== 0 || gapMs === undefined || backMs === undefined) return [];
        return toMs === undefined ? [] : [summary(fromMs, toMs, [gapMs, backMs])];
      });
      const at = times.at(-1) ?? 0;
      const { uptime } = await inspected({ presence }, at, isThere ? 'alive' : 'gone');
      assert.ok(uptime !== undefined && uptime >= 0 && uptime <= 1, String(uptime));
    }),
    { numRuns: 100 },
  );
});
