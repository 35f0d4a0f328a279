/** The few words of WebAssembly that a small function needs, as the bytes that they are. */
export type Code = readonly (number | Code)[];

const vector = 0xfd;

export const op = {
  ...{ block: [0x02, 0x40], loop: [0x03, 0x40], if: [0x04, 0x40], else: 0x05, end: 0x0b },
  ...{ eqz: 0x45, eq: 0x46, gtUnsigned: 0x4b, geUnsigned: 0x4f, trailingZeros: 0x68 },
  /** The first of two values when a third is not zero, else the second. */
  select: 0x1b,
  ...{ add: 0x6a, sub: 0x6b, multiply: 0x6c, and: 0x71, or: 0x72, xor: 0x73 },
  ...{ shiftLeft: 0x74, shiftRight: 0x75, shiftRightUnsigned: 0x76 },
  /** Without an offset, aligned anyhow. */
  ...{ loadByte: [0x2d, 0, 0], loadPair: [0x2f, 0, 0], storeWord: [0x36, 0, 0] },
  ...{ loadVector: [vector, 0, 0, 0], storeVector: [vector, 11, 0, 0] },
  /** Of 16 bytes each; `lookUp` gives 0 for an index above 15. */
  ...{ lookUp: [vector, 14], differ: [vector, 36], topBits: [vector, 0xe4, 0] },
  ...{ andVector: [vector, 0xce, 0], shiftBytesRight: [vector, 0xed, 0] },
} as const;

export function get(local: number): Code {
  return [0x20, local];
}

export function set(local: number): Code {
  return [0x21, local];
}

/** `set`, and the value stays. */
export function keep(local: number): Code {
  return [0x22, local];
}

/** Leaves, or for a loop begins again, so many blocks up. */
export function branch(depth: number): Code {
  return [0x0c, depth];
}

export function branchIf(depth: number): Code {
  return [0x0d, depth];
}

export function constant(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const isLast = rest >= -64 && rest < 64;
    bytes.push((rest & 0x7f) | (isLast ? 0 : 0x80));
    if (isLast) return [0x41, bytes];
  }
}

export function vectorConstant(bytes: Iterable<number>): Code {
  return [vector, 12, [...bytes]];
}

export function addTo(local: number, value: Code): Code {
  return [get(local), value, op.add, set(local)];
}

export interface WasmFunction {
  /** Numbers of 32 bits, the first locals. It gives one, too. */
  readonly parameters: number;
  /** Further locals: numbers of 32 bits, then vectors. */
  readonly numbers: number;
  readonly vectors: number;
  readonly body: Code;
}

/** A module of one function, `run`, and its memory, `memory`. */
export function wasmModule(made: WasmFunction, memoryPages: number): Uint8Array<ArrayBuffer> {
  const { parameters, numbers, vectors, body } = made;
  const [i32, v128] = [0x7f, 0x7b];
  const type = [0x60, parameters, Array.from({ length: parameters }, () => i32), 1, i32];
  const locals = [2, numbers, i32, vectors, v128];
  const bytes = flat([
    ...[0, Buffer.from('asm').toJSON().data, 1, 0, 0, 0],
    ...[section(1, [1, type]), section(3, [1, 0]), section(5, [1, 0, length(memoryPages)])],
    section(7, [2, name('memory'), 2, 0, name('run'), 0, 0]),
    section(10, [1, sized([locals, body, op.end])]),
  ]);
  return Uint8Array.from(bytes);
}

function section(number: number, content: Code): Code {
  return [number, sized(content)];
}

function sized(content: Code): Code {
  const bytes = flat(content);
  return [length(bytes.length), bytes];
}

function name(text: string): Code {
  return sized([...Buffer.from(text)]);
}

function length(value: number): Code {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

function flat(code: Code): number[] {
  return code.flatMap((part) => (typeof part === 'number' ? [part] : flat(part)));
}
