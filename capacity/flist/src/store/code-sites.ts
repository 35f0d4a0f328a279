/**
 * Where operands of x86-64 that say how far away something is stand in bytes: behind some byte, of
 * which a look at it and at the one before it tells. What only looks like one does no harm.
 *
 * A byte is a site when a bit is set in the site bits of the byte and in the lead bits of the one
 * before it. Both are those of its lower and its upper half, of both, so that a program can look up
 * 16 bytes at once.
 */
export interface HalfBits {
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
}

/** Halves of a byte: those it may have, bit by bit. */
type Group = readonly [bit: number, upper: readonly number[], lower: readonly number[]];

const anyHalf = Array.from({ length: 16 }, (_, half) => half);

/** Behind anything: E8 calls, E9 jumps. */
const always = 1;
/** Behind 0F: 80 to 8F jump on a condition. */
const condition = 2;
/** Behind an instruction that takes an address: 05, 0D up to 3D say that it is relative. */
const addressed = 8 | 16 | 32 | 64 | 128;

const siteGroups: readonly Group[] = [
  [always, [0xe], [8, 9]],
  [condition, [8], anyHalf],
  [addressed, [0, 1, 2, 3], [5, 0xd]],
];

/** Most instructions that are used in programs: moves, sums, comparisons, SSE. */
const leadGroups: readonly Group[] = [
  [always, anyHalf, anyHalf],
  [condition, [0], [0xf]],
  [8, [8], [0, 1, 3, 4, 5, 8, 9, 0xa, 0xb, 0xd]],
  [16, [0, 2, 3], [1, 3, 8, 9, 0xa, 0xb]],
  [32, [0xc, 0xf], [6, 7, 0xe, 0xf]],
  [64, [6, 7, 0xa, 0xb, 0xe], [3, 6, 7, 0xe, 0xf]],
  [128, [1, 2, 5], [0, 1, 4, 7, 8, 9, 0xc, 0xe]],
];

export const siteHalves = halvesOf(siteGroups);
export const leadHalves = halvesOf(leadGroups);

/** The bits of each byte, for who looks at one after the other. */
export const siteBits = bitsOf(siteHalves);
export const leadBits = bitsOf(leadHalves);

/** Bytes of an operand. */
export const operandBytes = 4;

/** Targets are taken from here below zero, which itself means none, to below it above zero. */
export const targetLimit = 2 ** 23;

export const callByte = 0xe8;

/** Of sites other than calls: what jumps, others address data. */
export function isJump(byte: number): boolean {
  return (byte & 0x80) !== 0;
}

function halvesOf(groups: readonly Group[]): HalfBits {
  const halves = { lower: new Uint8Array(16), upper: new Uint8Array(16) };
  for (const [bit, upper, lower] of groups) {
    for (const half of upper) halves.upper[half] = (halves.upper[half] ?? 0) | bit;
    for (const half of lower) halves.lower[half] = (halves.lower[half] ?? 0) | bit;
  }
  return halves;
}

function bitsOf({ lower, upper }: HalfBits): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    return (lower[byte & 15] ?? 0) & (upper[byte >> 4] ?? 0);
  });
}
