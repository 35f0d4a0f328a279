import * as wasm from './wasm-module.ts';
import type { Code, ValueType, WasmFunction } from './wasm-module.ts';
import { webAssembly } from './web-assembly.ts';
import type { WasmMemory } from './web-assembly.ts';

/**
 * The inner loop of the code, as a WebAssembly module that is made here: up to four output shards at
 * once, each the sum over all source shards of the source times a coefficient.
 *
 * The product with a constant is linear over XOR, so the product of a byte is that of its low four
 * bits plus that of its high four bits: two tables of 16 bytes, which a swizzle looks up for 16 bytes
 * of a shard at a time. (J. Plank, K. Greenan, E. Miller: Screaming Fast Galois Field Arithmetic
 * Using Intel SIMD Instructions, 2013.)
 *
 * A source is read once for all outputs, and their sums stay in registers from the first source to
 * the last. Four outputs of two vectors fill the 16 registers of x86: 8 sums, the halves of 2
 * vectors, the mask, and the tables under way. Five would spill, and cost more than four and one.
 */

/** Most outputs of one call of the kernel. */
export const groupRowsMax = 4;
/** The kernel works on multiples of it: four vectors, also a line of the cache. */
export const kernelStepBytes = 64;
/** The tables of a coefficient: its products with 0, 1, ... 15, then with 0, 16, ... 240. */
export const coefficientTableBytes = 32;

const vectorBytes = 16;
const groupSizes = Array.from({ length: groupRowsMax }, (_, index) => index + 1);

/**
 * A relaxed swizzle is one instruction of the processor. A plain one is two on x86, since it gives 0
 * for each index above 15; as there are none here, both give the same.
 */
export type SwizzleKind = 'relaxed' | 'plain';

/**
 * Computes as many outputs as its group has rows. `tables`, `sources` and `outputs` are addresses;
 * sources are `strideBytes` apart, and so are outputs. The tables of source s and row r are number
 * s * rows + r.
 */
export type Kernel = (
  tables: number,
  sources: number,
  outputs: number,
  strideBytes: number,
  sourceCount: number,
  lengthBytes: number,
) => void;

/** The module of a kind: the same bytes each time. */
export function kernelModule(kind: SwizzleKind): Uint8Array<ArrayBuffer> {
  return wasm.wasmModule(groupSizes.map((rows) => groupFunction(rows, kind)));
}

/** The module of the faster kind that this engine knows. */
export function bestKernelModule(): Uint8Array<ArrayBuffer> {
  const relaxed = kernelModule('relaxed');
  return webAssembly.validate(relaxed) ? relaxed : kernelModule('plain');
}

/** The kernels of a module, to work in `memory`, in the order of their rows: 1, 2, 3, 4. */
export function instantiateKernels(module: Uint8Array, memory: WasmMemory): Kernel[] {
  const compiled = new webAssembly.Module(module);
  const { exports } = new webAssembly.Instance(compiled, { host: { memory } });
  return groupSizes.map((rows) => exports[functionName(rows)] as Kernel);
}

/** Locals by number. The first six are the parameters of `Kernel`; vectors begin at `lowBits`. */
const tables = 0;
const sources = 1;
const outputs = 2;
const stride = 3;
const sourceCount = 4;
const length = 5;
const table = 6;
const source = 7;
const output = 8;
const sourcesLeft = 9;
const end = 10;
const lowBits = 11;

/** 16 bytes of the source under way, as indexes into tables. */
interface Vector {
  readonly at: number;
  readonly low: number;
  readonly high: number;
}

/** An output, and the tables of its coefficient for the source under way. */
interface Row {
  readonly at: number;
  readonly lowTable: number;
  readonly highTable: number;
}

/** What one row has summed up for one vector. */
interface Sum {
  readonly row: Row;
  readonly vector: Vector;
  readonly local: number;
}

function functionName(rows: number): string {
  return `rows${rows}`;
}

function groupFunction(rowCount: number, kind: SwizzleKind): WasmFunction {
  const vectorCount = rowCount <= 2 ? 4 : 2;
  let local = lowBits;
  const vectors = Array.from({ length: vectorCount }, (_, at) => {
    return { at: at * vectorBytes, low: ++local, high: ++local };
  });
  const rows = Array.from({ length: rowCount }, (_, at) => {
    return { at: at * coefficientTableBytes, lowTable: ++local, highTable: ++local };
  });
  const sums = rows.flatMap((row) => vectors.map((vector) => ({ row, vector, local: ++local })));
  return {
    name: functionName(rowCount),
    parameters: valuesOf(wasm.i32, table),
    locals: [...valuesOf(wasm.i32, lowBits - table), ...valuesOf(wasm.v128, local + 1 - lowBits)],
    body: groupBody(rows, vectors, sums, kind),
  };
}

function valuesOf(type: ValueType, count: number): ValueType[] {
  return Array.from({ length: count }, () => type);
}

function groupBody(
  rows: readonly Row[],
  vectors: readonly Vector[],
  sums: readonly Sum[],
  kind: SwizzleKind,
): Code {
  const { localGet, localSet, localTee, i32Const, sequence } = wasm;
  const stepBytes = vectors.length * vectorBytes;
  return sequence(
    sequence(i32Const(0x0f), wasm.i8x16Splat, localSet(lowBits)),
    sequence(localGet(sources), localGet(length), wasm.i32Add, localSet(end)),
    wasm.repeatWhile(
      ...sums.map((sum) => sequence(wasm.v128Zero, localSet(sum.local))),
      sequence(localGet(tables), localSet(table)),
      sequence(localGet(sources), localSet(source)),
      sequence(localGet(sourceCount), localSet(sourcesLeft)),
      wasm.repeatWhile(
        addSource(rows, vectors, sums, kind),
        advance(table, i32Const(rows.length * coefficientTableBytes)),
        advance(source, localGet(stride)),
        sequence(localGet(sourcesLeft), i32Const(1), wasm.i32Sub, localTee(sourcesLeft)),
      ),
      sequence(localGet(outputs), localSet(output)),
      ...rows.map((row) =>
        sequence(
          ...sums.filter((sum) => sum.row === row).map(storeSum),
          advance(output, localGet(stride)),
        ),
      ),
      advance(outputs, i32Const(stepBytes)),
      advance(sources, i32Const(stepBytes)),
      sequence(localGet(sources), localGet(end), wasm.i32LessUnsigned),
    ),
  );
}

/**
 * The engine keeps the order of the code, and so the order decides what stays in registers. Two rows
 * keep their tables while the vectors pass; else the vectors stay while the tables pass.
 */
function addSource(
  rows: readonly Row[],
  vectors: readonly Vector[],
  sums: readonly Sum[],
  kind: SwizzleKind,
): Code {
  const addAll = (those: readonly Sum[]): Code =>
    wasm.sequence(...those.map((sum) => addProduct(sum, kind)));
  if (rows.length === 2) {
    return wasm.sequence(
      ...rows.map(loadTables),
      ...vectors.flatMap((vector) => [
        loadVector(vector),
        addAll(sums.filter((sum) => sum.vector === vector)),
      ]),
    );
  }
  return wasm.sequence(
    ...vectors.map(loadVector),
    ...rows.flatMap((row) => [loadTables(row), addAll(sums.filter((sum) => sum.row === row))]),
  );
}

function loadTables({ at, lowTable, highTable }: Row): Code {
  const { localGet, localSet, v128Load, sequence } = wasm;
  return sequence(
    sequence(localGet(table), v128Load(at), localSet(lowTable)),
    sequence(localGet(table), v128Load(at + vectorBytes), localSet(highTable)),
  );
}

/** WebAssembly shifts no bytes: the mask drops what comes over from the other byte of 16 bits. */
function loadVector({ at, low, high }: Vector): Code {
  const { localGet, localSet, localTee, sequence } = wasm;
  const shifted = sequence(localGet(high), wasm.i32Const(4), wasm.i16x8ShiftRightUnsigned);
  return sequence(
    sequence(localGet(source), wasm.v128Load(at), localTee(high)),
    sequence(localGet(lowBits), wasm.v128And, localSet(low)),
    sequence(shifted, localGet(lowBits), wasm.v128And, localSet(high)),
  );
}

function addProduct({ row, vector, local }: Sum, kind: SwizzleKind): Code {
  const { localGet, localSet, v128Xor, sequence } = wasm;
  const swizzle = kind === 'relaxed' ? wasm.i8x16RelaxedSwizzle : wasm.i8x16Swizzle;
  return sequence(
    localGet(local),
    sequence(localGet(row.lowTable), localGet(vector.low), swizzle, v128Xor),
    sequence(localGet(row.highTable), localGet(vector.high), swizzle, v128Xor),
    localSet(local),
  );
}

function storeSum({ vector, local }: Sum): Code {
  const { localGet, sequence } = wasm;
  return sequence(localGet(output), localGet(local), wasm.v128Store(vector.at));
}

function advance(pointer: number, by: Code): Code {
  const { localGet, localSet, sequence } = wasm;
  return sequence(localGet(pointer), by, wasm.i32Add, localSet(pointer));
}
