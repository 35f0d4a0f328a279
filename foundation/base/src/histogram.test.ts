import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { defaultBoundsUs, LatencyHistogram } from './histogram.ts';

const durations = fc.array(
  fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 5000 })),
  { minLength: 1, maxLength: 300 },
);

function histogramOf(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

test('histogram percentiles lie at most 1/32 above the true ones', () => {
  fc.assert(
    fc.property(durations, fc.integer({ min: 0, max: 100 }), (values, percent) => {
      const sorted = values.toSorted((a, b) => a - b);
      const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
      const exact = sorted[rank - 1] ?? NaN;
      const found = histogramOf(values).percentile(percent);
      assert.ok(found >= exact && found <= exact + Math.max(1, exact / 32), `${found} ${exact}`);
    }),
  );
});

test('histogram sums, counts and maximum are exact', () => {
  fc.assert(
    fc.property(durations, (values) => {
      const histogram = histogramOf(values);
      const sum = values.reduce((total, value) => total + value, 0);
      assert.equal(histogram.count, values.length);
      assert.equal(histogram.sumUs, sum);
      assert.equal(histogram.maxUs, Math.max(...values));
      assert.equal(histogram.meanUs, sum / values.length);
    }),
  );
});

test('histogram bounds count the values below them', () => {
  fc.assert(
    fc.property(durations, (values) => {
      for (const { boundUs, count } of histogramOf(values).cumulative()) {
        assert.equal(count, values.filter((value) => value < boundUs).length);
      }
    }),
  );
  assert.deepEqual([defaultBoundsUs[0], defaultBoundsUs.at(-1)], [64, 2 ** 26]);
});

test('histogram merged from two equals the histogram of both', () => {
  fc.assert(
    fc.property(durations, durations, (a, b) => {
      const merged = histogramOf(a);
      merged.merge(histogramOf(b));
      const both = histogramOf([...a, ...b]);
      assert.deepEqual(merged.cumulative(), both.cumulative());
      for (const percent of [0, 50, 99, 100]) {
        assert.equal(merged.percentile(percent), both.percentile(percent));
      }
      assert.deepEqual([merged.count, merged.maxUs], [both.count, both.maxUs]);
    }),
  );
});

test('histogram takes odd values and is empty after reset', () => {
  const histogram = histogramOf([NaN, -5, 0.9, Infinity, 2 ** 40]);
  assert.equal(histogram.count, 5);
  assert.equal(histogram.percentile(50), 1);
  assert.equal(histogram.maxUs, 2 ** 32 - 1);
  histogram.reset();
  assert.deepEqual(
    [histogram.count, histogram.percentile(99), histogram.maxUs, histogram.meanUs],
    [0, 0, 0, 0],
  );
});
