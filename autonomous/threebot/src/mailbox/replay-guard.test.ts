import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { inTransaction, isGridError } from '@commongrid/base';
import fc from 'fast-check';
import { ReplayGuard, replayTables } from './replay-guard.ts';

const lifeMsMax = 1_000;

interface Take {
  readonly kind: 'take';
  readonly from: number;
  readonly id: number;
  readonly expMs: number;
}

type Step =
  | Take
  | { readonly kind: 'clock'; readonly toMs: number }
  | { readonly kind: 'forget' }
  | { readonly kind: 'restart' };

/** A sender gives each message one end for good. */
const anyTake = fc
  .record({ from: fc.nat(1), id: fc.nat(3) })
  .map(({ from, id }): Step => ({ kind: 'take', from, id, expMs: 300 * (id + 1) + from }));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: anyTake },
  { weight: 4, arbitrary: fc.nat(1_500).map((toMs): Step => ({ kind: 'clock', toMs })) },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ kind: 'forget' }, { kind: 'restart' }) },
);

/** What became of a message: it was taken, or the code that it was refused with. */
function outcome(db: DatabaseSync, guard: ReplayGuard, take: Take, nowMs: number): string {
  const message = { from: `bot:${take.from}`, id: String(take.id), expMs: take.expMs };
  try {
    inTransaction(db, () => guard.take(message, nowMs));
    return 'taken';
  } catch (error) {
    assert.ok(isGridError(error));
    return error.code;
  }
}

test('no message is taken twice, wherever the clock is put and whenever it forgets', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      using db = new DatabaseSync(':memory:');
      db.exec(replayTables);
      let guard = new ReplayGuard(db, lifeMsMax);
      const taken = new Map<string, number>();
      let nowMs = 0;
      for (const one of steps) {
        if (one.kind === 'clock') nowMs = one.toMs;
        else if (one.kind === 'forget') inTransaction(db, () => guard.forget(nowMs));
        else if (one.kind === 'restart') guard = new ReplayGuard(db, lifeMsMax);
        else {
          const name = `${one.from} ${one.id} ${one.expMs}`;
          const result = outcome(db, guard, one, nowMs);
          if (result === 'taken') {
            assert.equal(taken.has(name), false, `${name} was taken twice`);
            taken.set(name, nowMs);
            assert.ok(one.expMs > nowMs && one.expMs <= nowMs + lifeMsMax);
          } else assert.match(result, /^BOT_MESSAGE_(EXPIRED|REPLAYED)$/);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('a message that is alive and was not taken is taken', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 10_000 }),
      fc.integer({ min: 1, max: lifeMsMax }),
      (nowMs, lifeMs) => {
        using db = new DatabaseSync(':memory:');
        db.exec(replayTables);
        const guard = new ReplayGuard(db, lifeMsMax);
        inTransaction(db, () => guard.forget(nowMs));
        const take = { kind: 'take', from: 1, id: 1, expMs: nowMs + lifeMs } as const;
        assert.equal(outcome(db, guard, take, nowMs), 'taken');
        assert.equal(outcome(db, guard, take, nowMs), 'BOT_MESSAGE_REPLAYED');
      },
    ),
    { numRuns: 100 },
  );
});

test('what was forgotten is not kept', () => {
  using db = new DatabaseSync(':memory:');
  db.exec(replayTables);
  const guard = new ReplayGuard(db, lifeMsMax);
  for (let id = 0; id < 10; id++) {
    outcome(db, guard, { kind: 'take', from: 1, id, expMs: 100 + id }, 0);
  }
  inTransaction(db, () => guard.forget(104));
  assert.equal(db.prepare('SELECT count(*) AS n FROM taken').get()?.['n'], 5);
});
