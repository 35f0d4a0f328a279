import { deepEqual, equal, ok } from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { fakeId } from '@commongrid/model/testing';
import { addEnd, addSample, beginMeter, count, cut } from './meter.ts';
import type { Meter, MeteredReceipt } from './meter.ts';

const contract = `contract:${'A'.repeat(43)}` as ReturnType<typeof fakeId.contract>;
const workload = fakeId.workload(contract, 'web', 0);

function begin(isHealthy: boolean): Meter {
  return beginMeter({
    ...{ workload, lock: fakeId.lock(1), session: 3, isHealthy },
    ...{ fromMs: 1_000, atMs: 50_000 },
  });
}

suite('a meter', () => {
  test('counts healthy time by the monotonic clock, and tells no more of it than the log saw pass', () => {
    const slowLog = count(begin(true), { logMs: 3_000, nowMs: 53_000, elapsedMs: 60_000 });
    const { meter: rest, receipt } = cut(slowLog);
    equal(receipt?.healthySeconds, 2);
    const next = count(rest, { logMs: 63_000, nowMs: 113_000, elapsedMs: 1_000 });
    // Some of it is made up for; clocks that differ for good are not.
    equal(cut(next).receipt?.healthySeconds, 11);
    const fastLog = count(begin(true), { logMs: 9_000, nowMs: 53_000, elapsedMs: 2_000 });
    deepEqual([fastLog.healthyMs, fastLog.toMs], [2_000, 9_000]);
    const back = count(fastLog, { logMs: 4_000, nowMs: 54_000, elapsedMs: 1_000 });
    deepEqual([back.toMs, back.healthyMs], [9_000, 3_000]);
    const other = count(begin(true), { logMs: 5_000, nowMs: 54_000, elapsedMs: undefined });
    equal(other.healthyMs, 4_000);
    equal(count(begin(false), { logMs: 5_000, nowMs: 0, elapsedMs: 4_000 }).healthyMs, 0);
  });

  test('gives receipts that touch, whose seconds are those that were healthy, however it is cut', () => {
    const step = fc.record({
      ms: fc.integer({ min: 0, max: 5_000 }),
      isHealthy: fc.boolean(),
      isCut: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let meter = begin(true);
        let [logMs, healthyMs] = [1_000, 0];
        const receipts: MeteredReceipt[] = [];
        for (const { ms, isHealthy, isCut } of steps) {
          logMs += ms;
          if (meter.isHealthy) healthyMs += ms;
          meter = { ...count(meter, { logMs, nowMs: 0, elapsedMs: ms }), isHealthy };
          if (!isCut) continue;
          const { meter: rest, receipt } = cut(meter);
          meter = rest;
          if (receipt !== undefined) receipts.push(receipt);
        }
        let atMs = 1_000;
        for (const { fromMs, toMs, healthySeconds } of receipts) {
          equal(fromMs, atMs);
          ok(toMs > fromMs && healthySeconds * 1000 <= toMs - fromMs);
          atMs = toMs;
        }
        ok(logMs - atMs < 1_000 || meter.fromMs === atMs);
        const told = receipts.reduce((sum, one) => sum + one.healthySeconds * 1000, 0);
        equal(told + meter.healthyMs, healthyMs);
      }),
    );
  });

  test('tells a run that ended from the next one, however much that used', () => {
    const counters = { cpuUs: 5e6, receivedBytes: 30, sentBytes: 40 };
    const memory = { memoryBytes: 100, diskBytes: 7 };
    const begun = addSample(begin(true), { ...counters, ...memory, cpuUs: 4e6 }, 1_000);
    const ended = addEnd(begun, counters, 2_000);
    // It is looked at again before another run begins, also by another agent.
    const again = addSample(
      addEnd(ended, counters, 500),
      { ...counters, ...memory, memoryBytes: 0 },
      500,
    );
    const next = addSample(again, { ...counters, ...memory, cpuUs: 9e6 }, 1_000);
    const meter = count(next, { logMs: 6_000, nowMs: 0, elapsedMs: 5_000 });
    deepEqual(cut(meter).receipt?.usage, {
      ...{ cpuSeconds: 14, memoryByteSeconds: '400', diskBytes: 7 },
      ...{ receivedBytes: 30, sentBytes: 40 },
    });
  });

  test('adds up use over runs that count from 0 again', () => {
    const sample = { cpuUs: 5e6, memoryBytes: 100, diskBytes: 7, receivedBytes: 30, sentBytes: 40 };
    const first = addSample(begin(true), sample, 2_000);
    const again = { ...sample, cpuUs: 2e6, receivedBytes: 31, memoryBytes: 50, diskBytes: 9 };
    const meter = count(addSample(first, again, 1_000), {
      ...{ logMs: 4_000, nowMs: 0, elapsedMs: 3_000 },
    });
    deepEqual(cut(meter).receipt?.usage, {
      ...{ cpuSeconds: 7, memoryByteSeconds: '250', diskBytes: 9 },
      ...{ receivedBytes: 31, sentBytes: 40 },
    });
  });
});
