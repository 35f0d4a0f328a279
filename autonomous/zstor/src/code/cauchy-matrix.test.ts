import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { scalarInverse } from '../testing/scalar-code.ts';
import { invertMatrix, parityRow, recoveryRows } from './cauchy-matrix.ts';

test('parityRow gives the coefficients of ISA-L', () => {
  // gf_gen_cauchy1_matrix(a, 6, 4), also worked out by hand: 1/4 = 0x47, 1/5 = 0xa7, ...
  assert.deepEqual([...parityRow(4, 4)], [0x47, 0xa7, 0x7a, 0xba]);
  assert.deepEqual([...parityRow(4, 5)], [0xa7, 0x47, 0xba, 0x7a]);
});

test('invertMatrix gives the inverse of every square part of a Cauchy matrix', () => {
  const parts = fc.integer({ min: 1, max: 20 }).chain((size) =>
    fc.record({
      size: fc.constant(size),
      rows: fc.uniqueArray(fc.nat(99), { minLength: size, maxLength: size }),
      columns: fc.uniqueArray(fc.nat(154), { minLength: size, maxLength: size }),
    }),
  );
  fc.assert(
    fc.property(parts, ({ rows, columns }) => {
      const matrix = rows.map((row) => {
        const all = parityRow(155, 155 + row);
        return columns.map((column) => all[column] ?? 0);
      });
      const inverse = invertMatrix(matrix).map((row) => [...row]);
      assert.deepEqual(inverse, scalarInverse(matrix));
    }),
    { numRuns: 50 },
  );
});

test('recoveryRows takes a shard that is read as it is', () => {
  // Data 0 and parity 3 are read, data 1 is asked for and parity 2: data 0 alone cannot give them.
  const [data, parity] = recoveryRows(2, [0, 3], [1, 2]);
  const [a, b] = parityRow(2, 3);
  const inverse = scalarInverse([
    [1, 0],
    [a ?? 0, b ?? 0],
  ]);
  assert.deepEqual([...(data ?? [])], inverse[1]);
  assert.equal(parity?.length, 2);
});
