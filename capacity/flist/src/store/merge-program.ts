import { callByte, leadHalves, operandBytes, siteHalves, targetLimit } from './code-sites.ts';
import type { HalfBits } from './code-sites.ts';
import {
  addTo,
  branch,
  branchIf,
  constant,
  get,
  keep,
  op,
  set,
  vectorConstant,
  wasmModule,
} from './wasm-words.ts';
import type { Code } from './wasm-words.ts';

/** Bytes that are looked at together. */
const step = 16;

// Parameters: places in the memory. The code ends at `codeEnd`, the plaintext at `outEnd`.
const [at, codeEnd, calls, addresses, jumps, out, outEnd] = [0, 1, 2, 3, 4, 5, 6];
// Further numbers.
const [start, sites, byte, target, jumpTarget] = [7, 8, 9, 10, 11];
const [isCall, isAddress, isJump, isLong] = [12, 13, 14, 15];
const [place, number, shift, site] = [16, 17, 18, 19];
// Vectors: bytes of the code, and those one before each.
const [here, before] = [20, 21];

const one = constant(1);
const size = constant(operandBytes);

/**
 * Puts operands back into code, in WebAssembly: in JavaScript it takes three times as long. Gives
 * the end of what it wrote. It writes less than `step` bytes beyond, and reads nowhere but in its
 * memory, whatever it is given.
 *
 * 1. 16 bytes of code are copied, and looked through for sites: where they are does not depend on
 *    operands, so a processor looks through the next bytes at the same time.
 * 2. Behind each site the operand is written, and what follows is copied again behind that; unless
 *    there is no room for one, or its stream says that there is none.
 */
export function mergeProgram(memoryPages: number): Uint8Array<ArrayBuffer> {
  const body: Code = [
    ...[get(out), set(start)],
    ...[op.block, op.loop],
    ...[get(at), get(codeEnd), op.geUnsigned, branchIf(1)],
    ...[get(at), one, op.sub, op.loadVector, set(before)],
    ...[get(out), get(at), op.loadVector, keep(here), op.storeVector],
    ...[bitsOf(here, siteHalves), bitsOf(before, leadHalves), op.andVector],
    ...[vectorConstant(repeated(0)), op.differ, op.topBits, set(sites)],
    // Sites beyond the end of the code are none.
    ...[get(codeEnd), get(at), op.sub, keep(number), constant(step), op.geUnsigned, op.eqz],
    ...[op.if, get(sites), one, get(number), op.shiftLeft, one, op.sub, op.and, set(sites), op.end],
    ...[op.block, op.loop, get(sites), op.eqz, branchIf(1), fillSite, branch(0), op.end, op.end],
    ...[addTo(at, constant(step)), addTo(out, constant(step)), branch(0)],
    ...[op.end, op.end],
    // What was copied beyond the end of the code does not count.
    ...[get(out), get(at), get(codeEnd), op.sub, op.sub],
  ];
  return wasmModule({ parameters: 7, numbers: 13, vectors: 2, body }, memoryPages);
}

/** The bits of each byte of a vector. */
function bitsOf(bytes: number, { lower, upper }: HalfBits): Code {
  return [
    ...[vectorConstant(lower), get(bytes), vectorConstant(repeated(15)), op.andVector, op.lookUp],
    ...[vectorConstant(upper), get(bytes), constant(4), op.shiftBytesRight, op.lookUp],
    op.andVector,
  ];
}

/** The next target of 3 bytes, of a call or an address. For a jump it is of no use. */
const readTarget: Code = [
  ...[get(calls), get(addresses), get(isCall), op.select, keep(place)],
  ...[op.loadByte, constant(24), op.shiftLeft, constant(8), op.shiftRight],
  ...[get(place), one, op.add, op.loadByte, constant(8), op.shiftLeft, op.or],
  ...[get(place), constant(2), op.add, op.loadByte, op.or, set(target)],
  addTo(calls, [get(isCall), constant(3), op.multiply]),
  addTo(addresses, [get(isAddress), constant(3), op.multiply]),
];

/** The next varint of a jump; up to two bytes of it without a branch. Else it is of no use. */
const readJump: Code = [
  ...[get(jumps), op.loadPair, keep(place), constant(0x7f), op.and],
  ...[get(place), one, op.shiftRightUnsigned, constant(0x3f80), op.and],
  ...[constant(0), get(place), constant(0x80), op.and, keep(isLong), op.select, op.or, set(number)],
  ...[get(isJump), get(isLong), constant(7), op.shiftRightUnsigned, op.add],
  ...[constant(0), get(isJump), op.select, get(jumps), op.add, set(jumps)],
  ...[get(isJump), get(place), constant(0x8080), op.and, constant(0x8080), op.eq, op.and],
  ...[op.if, constant(14), set(shift), op.loop],
  ...[get(jumps), op.loadByte, keep(place), constant(0x7f), op.and, get(shift), op.shiftLeft],
  ...[get(number), op.or, set(number), addTo(jumps, one), addTo(shift, constant(7))],
  ...[get(place), constant(0x80), op.and, branchIf(0)],
  ...[op.end, op.end],
];

/** The step that a number of a varint means. */
function stepOf(local: number): Code {
  return [
    ...[get(local), one, op.sub, keep(local), one, op.shiftRightUnsigned],
    ...[constant(0), get(local), one, op.and, op.sub, op.xor],
  ];
}

/** Takes the first of the sites, and goes on with the loop around it. */
const fillSite: Code = [
  ...[get(sites), op.trailingZeros, one, op.add, set(site)],
  ...[get(sites), get(sites), one, op.sub, op.and, set(sites)],
  ...[get(out), get(site), op.add, size, op.add, get(outEnd), op.gtUnsigned, branchIf(0)],
  ...[get(at), get(site), op.add, one, op.sub, op.loadByte, keep(byte)],
  ...[constant(callByte), op.eq, set(isCall)],
  ...[get(byte), constant(0x80), op.and, op.eqz, set(isAddress)],
  ...[get(isCall), get(isAddress), op.or, op.eqz, set(isJump)],
  readTarget,
  readJump,
  // Zero, and the lowest target, mean that there is none.
  ...[get(number), get(target), constant(targetLimit), op.add, get(isJump), op.select],
  ...[op.eqz, branchIf(0)],
  ...[get(jumpTarget), stepOf(number), op.add, get(jumpTarget), get(isJump), op.select],
  ...[keep(jumpTarget), get(target), get(isJump), op.select, set(target)],
  // From the end of the operand on.
  ...[get(out), get(site), op.add, keep(place), get(target)],
  ...[get(place), get(start), op.sub, op.sub, size, op.sub, op.storeWord],
  addTo(out, size),
  ...[get(out), get(site), op.add, get(at), get(site), op.add, op.loadVector, op.storeVector],
];

function repeated(value: number): number[] {
  return Array.from({ length: step }, () => value);
}
