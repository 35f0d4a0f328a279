import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultServerLimits, resolveLimits } from './config.ts';

test('limits are the defaults where nothing is given', () => {
  assert.deepEqual(resolveLimits(), defaultServerLimits);
  assert.equal(resolveLimits({ stallMs: 5 }).stallMs, 5);
});

test('limits that could not be kept are refused', () => {
  const wrong = [
    { maxArguments: 0 },
    { maxBulkBytes: -1 },
    { stallMs: 1.5 },
    { lingerMs: Number.NaN },
    { maxInlineBytes: 100_000 },
    { maxPartialBytes: 1000 },
  ];
  for (const limits of wrong) {
    assert.throws(() => resolveLimits(limits), { code: 'RESP_OPTION_INVALID' });
  }
});
