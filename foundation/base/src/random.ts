import { createHash, randomBytes } from 'node:crypto';
import { GridError } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';

/** Randomness as an argument, so that a simulation can replay. */
export interface Random {
  /** 0 <= n < 2^32 */
  uint32(): number;
  /** 0 <= x < 1, 53 random bits */
  float(): number;
  /** min <= n < max, without bias; integers with max - min <= 2^32. */
  int(min: number, max: number): number;
  bytes(count: number): Uint8Array;
}

/** The operating system's generator: the only one that may make keys and secrets. */
export const systemRandom: Random = fromUint32(
  () => randomBytes(4).readUInt32LE(0),
  (count) => new Uint8Array(randomBytes(count)),
);

/**
 * A stream that depends on the seed alone: xoshiro128** (Blackman, Vigna), its four words of state
 * being the first 16 bytes of SHA-256(seed as text), little endian. Not for secrets.
 */
export function seededRandom(seed: number | string): Random {
  const digest = createHash('sha256').update(String(seed)).digest();
  const word = (index: number): number => digest.readUInt32LE(index * 4);
  return xoshiro128(word(0), word(1), word(2), word(3));
}

/** xoshiro128** from a given state that is not all zero. */
export function xoshiro128(s0: number, s1: number, s2: number, s3: number): Random {
  let [a, b, c, d] = [s0, s1, s2, s3];
  const next = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  };
  return fromUint32(next, (count) => bytesOf(next, count));
}

function fromUint32(uint32: () => number, bytes: (count: number) => Uint8Array): Random {
  return {
    uint32,
    float: () => ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53,
    int: (min, max) => min + below(uint32, rangeOf(min, max)),
    bytes,
  };
}

function rangeOf(min: number, max: number): number {
  const range = max - min;
  if (Number.isSafeInteger(min) && Number.isSafeInteger(max) && range >= 1 && range <= 2 ** 32) {
    return range;
  }
  throw new GridError<BaseErrorCode>('BASE_OPTION_INVALID', `no integer in [${min}, ${max})`, {
    details: { min, max },
  });
}

/** Draws that fall into the last, incomplete multiple of `range` would favour small numbers. */
function below(uint32: () => number, range: number): number {
  const limit = 2 ** 32 - (2 ** 32 % range);
  let drawn = uint32();
  while (drawn >= limit) drawn = uint32();
  return drawn % range;
}

function bytesOf(uint32: () => number, count: number): Uint8Array {
  const out = new Uint8Array(count);
  let word = 0;
  for (let index = 0; index < count; index++) {
    if (index % 4 === 0) word = uint32();
    out[index] = word >>> ((index % 4) * 8);
  }
  return out;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
