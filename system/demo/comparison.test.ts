import assert from 'node:assert/strict';
import { test } from 'node:test';

import { comparisonOf } from './archive/comparison.ts';
import type { Measures, StepResult } from './steps.ts';

test('only what was measured is held against the original, and of several the largest', () => {
  const results = [
    step({ shardReplacedSeconds: 11.04, others: 3 }),
    step({}),
    step({ shardReplacedSeconds: 14.26, paidForNothing: 0 }),
  ];
  assert.deepEqual(
    comparisonOf(results).map(({ what, here }) => [what, here]),
    [
      ['a shard is lost and placed elsewhere', '14.3 s'],
      ['places paid for and not had', '0'],
    ],
  );
  assert.deepEqual(comparisonOf([]), []);
});

function step(measures: Measures): StepResult {
  return { name: 'a step', passed: true, seconds: 1, figure: '', measures };
}
