import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowMultiply } from '../testing/scalar-code.ts';
import { invert, multiply } from './galois-field.ts';

test('multiply agrees with polynomials multiplied bit by bit, for all pairs', () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) assert.equal(multiply(a, b), slowMultiply(a, b));
  }
});

test('invert gives what multiplies to one, for all elements but 0', () => {
  for (let a = 1; a < 256; a++) assert.equal(slowMultiply(a, invert(a)), 1);
});
