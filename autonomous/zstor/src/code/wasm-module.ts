/**
 * As much of the WebAssembly binary format as the kernel needs: functions over one imported memory.
 * Source: WebAssembly Core Specification, chapter 5, and its proposal of relaxed SIMD.
 */

/** Machine code: instructions in order, as bytes. */
export type Code = readonly number[];

export const i32 = 0x7f;
export const v128 = 0x7b;
export type ValueType = typeof i32 | typeof v128;

export interface WasmFunction {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  /** Locals are numbered behind the parameters. They are zero at the start. */
  readonly locals: readonly ValueType[];
  readonly body: Code;
}

/** A module that imports `host.memory` and exports its functions, which return nothing. */
export function wasmModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters }) => [0x60, ...vector(parameters.map(byte)), 0]);
  const typeIndexes = functions.map((_, index) => unsigned(index));
  const memory = [...text('host'), ...text('memory'), 0x02, 0x00, ...unsigned(0)];
  const names = functions.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]);
  return Uint8Array.from(
    sequence(
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      section(1, types),
      section(2, [memory]),
      section(3, typeIndexes),
      section(7, names),
      section(10, functions.map(functionBody)),
    ),
  );
}

export const localGet = (index: number): Code => [0x20, ...unsigned(index)];
export const localSet = (index: number): Code => [0x21, ...unsigned(index)];
export const localTee = (index: number): Code => [0x22, ...unsigned(index)];
export const i32Const = (value: number): Code => [0x41, ...signed(value)];
export const i32Add: Code = [0x6a];
export const i32Sub: Code = [0x6b];
export const i32LessUnsigned: Code = [0x49];
export const v128Xor: Code = simd(0x51);
export const v128And: Code = simd(0x4e);
export const i16x8ShiftRightUnsigned: Code = simd(0x8d);
export const i8x16Splat: Code = simd(0x0f);
export const i8x16Swizzle: Code = simd(0x0e);
/** Same as the swizzle for indexes below 16; for others each processor has its own result. */
export const i8x16RelaxedSwizzle: Code = simd(0x100);
export const v128Load = (offset: number): Code => [...simd(0x00), 4, ...unsigned(offset)];
export const v128Store = (offset: number): Code => [...simd(0x0b), 4, ...unsigned(offset)];

export const v128Zero: Code = [...simd(0x0c), ...new Uint8Array(16)];

/** Instructions one after the other. (`concat` is three times as fast as `flat`.) */
export function sequence(...parts: readonly Code[]): Code {
  const none: Code = [];
  return none.concat(...parts);
}

/** Runs `body`, which leaves an i32, again until that is zero. */
export function repeatWhile(...body: readonly Code[]): Code {
  return sequence([0x03, 0x40], ...body, [0x0d, ...unsigned(0), 0x0b]);
}

function functionBody({ locals, body }: WasmFunction): Code {
  const code = sequence(vector(locals.map((type) => [1, type])), body, [0x0b]);
  return sequence(unsigned(code.length), code);
}

function simd(opcode: number): number[] {
  return [0xfd, ...unsigned(opcode)];
}

function section(id: number, items: readonly Code[]): Code {
  const content = vector(items);
  return sequence([id], unsigned(content.length), content);
}

function vector(items: readonly Code[]): Code {
  return sequence(unsigned(items.length), ...items);
}

function text(value: string): Code {
  return vector([...Buffer.from(value)].map(byte));
}

function byte(value: number): Code {
  return [value];
}

/** LEB128: 7 bits a byte, the low ones first; the top bit says that more follow. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  return value >= -0x40 && value < 0x40
    ? [value & 0x7f]
    : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}
