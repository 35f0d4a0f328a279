/**
 * GF(2^8), the field in which shards are computed: bytes are polynomials over two elements, reduced
 * by x^8 + x^4 + x^3 + x^2 + 1 (0x11d). Addition is XOR.
 */
const polynomial = 0x11d;

/** powers[i] is x^i. x generates all 255 elements but 0; twice over, so that sums need no modulo. */
const powers = new Uint8Array(510);
/** x^logarithms[a] is a, for a > 0. */
const logarithms = new Uint8Array(256);

for (let exponent = 0, element = 1; exponent < 255; exponent++) {
  powers[exponent] = element;
  powers[exponent + 255] = element;
  logarithms[element] = exponent;
  element <<= 1;
  if (element > 0xff) element ^= polynomial;
}

export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return powers[(logarithms[a] ?? 0) + (logarithms[b] ?? 0)] ?? 0;
}

/** 1 / a, for a > 0. */
export function invert(a: number): number {
  return powers[255 - (logarithms[a] ?? 0)] ?? 0;
}
