import { callByte, isJump, leadBits, operandBytes, siteBits, targetLimit } from './code-sites.ts';
import { codeLeadBytes, splitHeaderBytes, tableBytes } from './split-form.ts';
import { takeSteps } from './step-tables.ts';

/** Bytes that are judged together: code, or not. */
const blockBytes = 4096;

/** Operands of a block of code, a third of what is usual. */
const blockOperandsMin = 48;

/**
 * The split form of a chunk of a program, before it is packed; undefined where there is nothing to
 * split. What is absolute repeats where the same is called, and code without it repeats more.
 */
export function splitCode(plaintext: Uint8Array): Buffer<ArrayBuffer> | undefined {
  const { bytes, tables } = takeSteps(plaintext);
  const { from, until } = codeOf(bytes);
  if (from === until && tables.length === 0) return undefined;
  const { code, calls, jumps, addresses } = new CodeSplit(bytes.subarray(from, until));
  const numbers = [
    ...[plaintext.length, from, until, calls.length, addresses.length, jumps.length],
    ...[tables.length, ...tables.flatMap(({ first, words, stride }) => [first, words, stride])],
  ];
  const head = Buffer.alloc(splitHeaderBytes + tables.length * tableBytes);
  for (const [index, number] of numbers.entries()) head.writeUInt32LE(number, index * 4);
  const streams = [calls, addresses, jumps].map((stream) => Uint8Array.from(stream));
  const data = [bytes.subarray(0, from), bytes.subarray(until)];
  const split = Buffer.concat([head, ...streams, ...data, Buffer.alloc(codeLeadBytes), code]);
  // Data that looked like code only.
  return split.length > head.length + codeLeadBytes + plaintext.length ? undefined : split;
}

/** From the first block of code to the last. */
function codeOf(bytes: Buffer): { from: number; until: number } {
  let [from, until] = [0, 0];
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const end = Math.min(at + blockBytes, bytes.length);
    if (new CodeSplit(bytes.subarray(at, end)).operands < blockOperandsMin) continue;
    if (until === 0) from = at;
    until = end;
  }
  return { from, until };
}

/** Code without its operands, and these in the order in which they come. */
class CodeSplit {
  readonly code: Uint8Array;
  /** Targets, 3 bytes each, the highest first. */
  readonly calls: number[] = [];
  readonly addresses: number[] = [];
  /** Each from the target before: a varint, zigzag coded and one more; 0 for none. */
  readonly jumps: number[] = [];
  operands = 0;
  #jumpTarget = 0;

  constructor(bytes: Buffer) {
    this.code = new Uint8Array(bytes.length);
    let [at, length, lead] = [0, 0, 0];
    while (at < bytes.length) {
      const byte = bytes[at++] ?? 0;
      this.code[length++] = byte;
      const isSite = ((siteBits[byte] ?? 0) & (leadBits[lead] ?? 0)) !== 0;
      lead = byte;
      if (!isSite || at + operandBytes > bytes.length) continue;
      const target = bytes.readInt32LE(at) + at + operandBytes;
      const isNear = target > -targetLimit && target < targetLimit;
      this.#put(byte, isNear ? target : undefined);
      if (isNear) at += operandBytes;
    }
    this.code = this.code.subarray(0, length);
  }

  /** @param target undefined where the operand stays in the code */
  #put(byte: number, target: number | undefined): void {
    if (target !== undefined) this.operands++;
    if (byte !== callByte && isJump(byte)) return this.#putJump(target);
    const stream = byte === callByte ? this.calls : this.addresses;
    const number = target ?? -targetLimit;
    stream.push((number >> 16) & 0xff, (number >> 8) & 0xff, number & 0xff);
  }

  #putJump(target: number | undefined): void {
    if (target === undefined) return void this.jumps.push(0);
    const step = target - this.#jumpTarget;
    this.#jumpTarget = target;
    let number = ((step << 1) ^ (step >> 31)) + 1;
    for (; number >= 0x80; number >>>= 7) this.jumps.push((number & 0x7f) | 0x80);
    this.jumps.push(number);
  }
}
