import { crc32cPolynomial, crc32Polynomial, crc64NvmePolynomial } from './crc.ts';
import type { Crc64 } from './crc.ts';

/** CRCs that can be put together. Those of 32 bits have their halves in `low` alone. */
export type CombinableCrc = keyof typeof rings;

/** Polynomials of a width, highest power in the lowest bit, modulo one of them. */
interface Ring {
  readonly bits: 32 | 64;
  readonly polynomial: Crc64;
  /** `powers[i][d]` is x to the power of the bits of d * 256^i bytes. Grows with what is asked for. */
  readonly powers: Crc64[][];
}

const rings = {
  CRC32: ringOf(32, crc32Polynomial),
  CRC32C: ringOf(32, crc32cPolynomial),
  CRC64NVME: ringOf(64, crc64NvmePolynomial),
} as const;

/**
 * The CRC of A followed by B, from those of A and B and B's length: A's is multiplied by x to the
 * power of B's bits, and B's is added. It takes a multiplication for each byte of the length that is
 * not 0: those of 10,000 parts are a matter of milliseconds.
 */
export function combineCrcs(
  name: CombinableCrc,
  first: Crc64,
  second: Crc64,
  secondSizeBytes: number,
): Crc64 {
  const ring = rings[name];
  let shifted = first;
  let left = secondSizeBytes;
  for (let digit = 0; left > 0; digit += 1) {
    const value = left % 256;
    if (value > 0) shifted = multiply(shifted, powerOf(ring, digit, value), ring);
    left = (left - value) / 256;
  }
  return { high: shifted.high ^ second.high, low: shifted.low ^ second.low };
}

function ringOf(bits: Ring['bits'], polynomial: bigint): Ring {
  const high = Number(BigInt.asIntN(32, polynomial >> 32n));
  return { bits, polynomial: { high, low: Number(BigInt.asIntN(32, polynomial)) }, powers: [] };
}

function powerOf(ring: Ring, digit: number, value: number): Crc64 {
  for (let row = ring.powers.length; row <= digit; row += 1) ring.powers.push(rowOf(ring, row));
  return ring.powers[digit]?.[value] ?? polynomialOne(ring);
}

/** The powers of 0 to 255 times 256^digit bytes. */
function rowOf(ring: Ring, digit: number): Crc64[] {
  const before = ring.powers[digit - 1];
  const [one, last] = [before?.[1], before?.[255]];
  const step = one && last ? multiply(one, last, ring) : byteShift(ring);
  const row = [polynomialOne(ring)];
  for (let power = step; row.length < 256; power = multiply(power, step, ring)) row.push(power);
  return row;
}

/** x^0 */
function polynomialOne({ bits }: Ring): Crc64 {
  const top = -0x80000000;
  return bits === 64 ? { high: top, low: 0 } : { high: 0, low: top };
}

/** x^8 */
function byteShift({ bits }: Ring): Crc64 {
  const eighth = 1 << 23;
  return bits === 64 ? { high: eighth, low: 0 } : { high: 0, low: eighth };
}

function multiply(left: Crc64, right: Crc64, { bits, polynomial }: Ring): Crc64 {
  let { high, low } = right;
  let sumHigh = 0;
  let sumLow = 0;
  for (let bit = bits - 1; bit >= 0; bit -= 1) {
    // All ones where the bit is one: no branch that cannot be foreseen.
    const isSet = -(((bit < 32 ? left.low : left.high) >>> (bit & 31)) & 1);
    sumHigh ^= high & isSet;
    sumLow ^= low & isSet;
    const carries = -(low & 1);
    low = ((low >>> 1) | (high << 31)) ^ (polynomial.low & carries);
    high = (high >>> 1) ^ (polynomial.high & carries);
  }
  return { high: sumHigh, low: sumLow };
}
