import assert from 'node:assert/strict';
import { test } from 'node:test';
import { presenceGapsMax } from '@commongrid/model';
import * as fc from 'fast-check';
import { runsMax, SeenRuns } from './seen-runs.ts';

const gapMs = 3000;

/** Takes all that there is up to a time, as the writer does. */
function drain(seen: SeenRuns, untilMs: number): [session: number, fromMs: number, toMs: number][] {
  const told: [number, number, number][] = [];
  for (let span = seen.next(untilMs); span !== undefined; span = seen.next(untilMs)) {
    assert.ok(span.runs.length <= presenceGapsMax + 1);
    for (const { fromMs, toMs } of span.runs) told.push([span.session, fromMs, toMs]);
    seen.cut(span.runs.at(-1)?.toMs ?? untilMs);
  }
  seen.cut(untilMs);
  return told;
}

/** Joins what ends where the next begins. */
function joined(told: readonly (readonly [number, number, number])[]): unknown {
  const all: [number, number, number][] = [];
  for (const [session, fromMs, toMs] of told) {
    const last = all.at(-1);
    if (last !== undefined && last[0] === session && last[2] === fromMs) last[2] = toMs;
    else all.push([session, fromMs, toMs]);
  }
  return all;
}

test('SeenRuns tells the same time however often it is asked in between', () => {
  const steps = fc.array(
    fc.record({
      afterMs: fc.integer({ min: 1, max: 5000 }),
      isBoot: fc.boolean(),
      isAsked: fc.boolean(),
      lagMs: fc.integer({ min: 0, max: 4000 }),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const [often, once] = [new SeenRuns(gapMs), new SeenRuns(gapMs)];
      let [nowMs, session] = [0, 1];
      const told: [number, number, number][] = [];
      for (const { afterMs, isBoot, isAsked, lagMs } of all) {
        nowMs += afterMs;
        if (isBoot && afterMs % 7 === 0) session++;
        often.see(session, nowMs);
        once.see(session, nowMs);
        if (isAsked) told.push(...drain(often, nowMs - lagMs));
      }
      told.push(...drain(often, nowMs));
      assert.deepEqual(joined(told), joined(drain(once, nowMs)));
    }),
  );
});

test('SeenRuns counts a silence longer than the gap as absence, and a lone heartbeat as nothing', () => {
  const seen = new SeenRuns(gapMs);
  for (const atMs of [0, 3000, 6001, 9001, 20_000, 30_000, 33_000]) seen.see(1, atMs);
  assert.deepEqual(drain(seen, 40_000), [
    [1, 0, 3000],
    [1, 6001, 9001],
    [1, 30_000, 33_000],
  ]);
  assert.equal(seen.isOver(36_000), false);
  assert.equal(seen.isOver(36_001), true);
});

test('SeenRuns splits what one summary cannot tell', () => {
  const seen = new SeenRuns(gapMs);
  for (let index = 0; index < presenceGapsMax + 5; index++) {
    seen.see(1, index * 10_000);
    seen.see(1, index * 10_000 + 1000);
  }
  assert.equal(seen.isMany, true);
  const first = seen.next(Number.MAX_SAFE_INTEGER);
  assert.equal(first?.runs.length, presenceGapsMax + 1);
  assert.equal(drain(seen, 1e9).length, presenceGapsMax + 5);
});

test('SeenRuns remembers no more runs than its limit', () => {
  const seen = new SeenRuns(gapMs);
  for (let index = 0; index < runsMax + 50; index++) {
    seen.see(1, index * 10_000);
    seen.see(1, index * 10_000 + 1000);
  }
  assert.equal(drain(seen, 1e9).length, runsMax);
});
