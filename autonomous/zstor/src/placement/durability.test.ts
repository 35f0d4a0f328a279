import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { unavailability, yearlyChunkLoss } from './durability.ts';

const codes = {
  '16+4': { dataShards: 16, parityShards: 4 },
  '4+2': { dataShards: 4, parityShards: 2 },
  '10+5': { dataShards: 10, parityShards: 5 },
  '3 copies': { dataShards: 1, parityShards: 2 },
  '10+10': { dataShards: 10, parityShards: 10 },
};

/** Two digits, as the table has them. */
function rounded(value: number): string {
  return value.toExponential(1);
}

test('yearlyChunkLoss gives the table that was worked out apart', () => {
  const rows = [
    [0.02, 6, 1.4e-15, 2.6e-12, 4.6e-10, 3.7e-20, 2.3e-11],
    [0.02, 24, 3.5e-13, 1.6e-10, 7.4e-9, 3.8e-17, 3.7e-10],
    [0.05, 24, 3.7e-11, 6.7e-9, 1.2e-7, 1.0e-14, 6.1e-9],
    [0.05, 168, 8.2e-8, 2.2e-6, 5.9e-6, 1.6e-10, 3.0e-7],
    [0.2, 24, 5.5e-8, 2.3e-6, 9.9e-6, 6.5e-11, 5.0e-7],
    [0.2, 168, 9.6e-5, 6.5e-4, 4.6e-4, 8.4e-7, 2.4e-5],
  ] as const;
  for (const [yearlyLoss, repairHours, ...expected] of rows) {
    const figures = { yearlyLoss, repairHours, uptime: 1 };
    const ours = [
      yearlyChunkLoss(codes['16+4'], figures),
      yearlyChunkLoss(codes['16+4'], { ...figures, repairFromLost: 2 }),
      yearlyChunkLoss(codes['4+2'], figures),
      yearlyChunkLoss(codes['10+5'], figures),
      yearlyChunkLoss(codes['3 copies'], figures),
    ];
    for (const [at, loss] of ours.entries()) {
      // It has two digits, and was worked out with a year of another length.
      const wanted = expected[at] ?? 0;
      assert.ok(Math.abs(loss / wanted - 1) < 0.06, `${loss} is not ${wanted}`);
    }
  }
});

test('unavailability gives the table', () => {
  const at = (code: keyof typeof codes, uptime: number): string =>
    rounded(unavailability(codes[code], { uptime }));
  assert.equal(at('16+4', 0.99), '1.4e-6');
  assert.equal(at('16+4', 0.95), '2.6e-3');
  assert.equal(at('16+4', 0.9), '4.3e-2');
  assert.equal(at('10+10', 0.9), '7.1e-7');
});

test('more parity and quicker repair never make a loss more likely', () => {
  const cases = fc.record({
    dataShards: fc.integer({ min: 1, max: 20 }),
    parityShards: fc.integer({ min: 1, max: 8 }),
    yearlyLoss: fc.double({ min: 0.001, max: 0.9, noNaN: true }),
    repairHours: fc.double({ min: 1, max: 2000, noNaN: true }),
  });
  fc.assert(
    fc.property(cases, ({ dataShards, parityShards, yearlyLoss, repairHours }) => {
      const figures = { yearlyLoss, repairHours, uptime: 1 };
      const loss = yearlyChunkLoss({ dataShards, parityShards }, figures);
      assert.ok(loss > 0 && loss <= 1);
      const slack = loss * (1 + 1e-9);
      assert.ok(yearlyChunkLoss({ dataShards, parityShards: parityShards + 1 }, figures) <= slack);
      const quicker = { ...figures, repairHours: repairHours / 2 };
      assert.ok(yearlyChunkLoss({ dataShards, parityShards }, quicker) <= slack);
    }),
    { numRuns: 40 },
  );
});
