import { invert, multiply } from './galois-field.ts';

/**
 * The code: shards 0 to k - 1 are the data, shard i >= k is the sum over the data j of
 * data[j] / (i + j), in GF(2^8), where + is XOR. Every square part of such a Cauchy matrix has an
 * inverse, so any k shards give back all others. ISA-L calls it `gf_gen_cauchy1_matrix`.
 *
 * Source: J. Blömer et al., An XOR-Based Erasure-Resilient Coding Scheme, 1995.
 */

/** What each data shard is multiplied by in parity shard `index` (k <= index < 256). */
export function parityRow(dataShards: number, index: number): Uint8Array {
  return Uint8Array.from({ length: dataShards }, (_, data) => invert(index ^ data));
}

/**
 * For each lost shard, what each source is multiplied by to give it.
 *
 * Only e data shards are missing among the sources, and e parity shards stand in for them, so what
 * has to be inverted is e x e and not k x k. With P the rows of these parity shards:
 *
 *     parity = P[data read] * data read + P[data missing] * data missing      and so
 *     data missing = P[data missing]^-1 * (parity + P[data read] * data read)
 *
 * @param sources k indexes, ascending: any shards that are there
 * @param lost indexes that are not among them
 */
export function recoveryRows(
  dataShards: number,
  sources: readonly number[],
  lost: readonly number[],
): Uint8Array[] {
  const parities = sources.filter((index) => index >= dataShards);
  const coding = parities.map((index) => parityRow(dataShards, index));
  const missing = missingData(dataShards, sources);
  const inverse = invertMatrix(coding.map((row) => missing.map((data) => row[data] ?? 0)));
  const missingRow = (solved: Uint8Array): Uint8Array =>
    Uint8Array.from(sources, (source) => {
      if (source >= dataShards) return solved[parities.indexOf(source)] ?? 0;
      return sumOfProducts(solved, (parity) => coding[parity]?.[source] ?? 0);
    });
  const rows = new Map(
    inverse.map((solved, at) => [missing[at] ?? 0, missingRow(solved)] as const),
  );
  return lost.map((index) => {
    if (index < dataShards) return rows.get(index) ?? new Uint8Array();
    return throughMissing(parityRow(dataShards, index), sources, rows);
  });
}

/** A parity shard is made of all data; what was not read of it is made of the sources in turn. */
function throughMissing(
  row: Uint8Array,
  sources: readonly number[],
  missingRows: ReadonlyMap<number, Uint8Array>,
): Uint8Array {
  const result = Uint8Array.from(sources, (source) => row[source] ?? 0);
  for (const [data, missingRow] of missingRows) addProduct(result, missingRow, row[data] ?? 0);
  return result;
}

/**
 * Gauss-Jordan. No search for a pivot: the elimination of a Cauchy matrix meets none that is zero,
 * since all its leading square parts have an inverse.
 */
export function invertMatrix(matrix: readonly (readonly number[])[]): Uint8Array[] {
  const size = matrix.length;
  const rows = matrix.map((row, at) => {
    const wide = new Uint8Array(2 * size);
    wide.set(row);
    wide[size + at] = 1;
    return wide;
  });
  for (const [column, pivotRow] of rows.entries()) {
    const scale = invert(pivotRow[column] ?? 0);
    for (const [at, value] of pivotRow.entries()) pivotRow[at] = multiply(value, scale);
    for (const [at, row] of rows.entries()) {
      const factor = row[column] ?? 0;
      if (at !== column && factor !== 0) addProduct(row, pivotRow, factor);
    }
  }
  return rows.map((row) => row.slice(size));
}

function addProduct(target: Uint8Array, row: Uint8Array, factor: number): void {
  for (const [at, value] of row.entries()) {
    target[at] = (target[at] ?? 0) ^ multiply(factor, value);
  }
}

function sumOfProducts(row: Uint8Array, factorOf: (at: number) => number): number {
  return row.reduce((sum, value, at) => sum ^ multiply(value, factorOf(at)), 0);
}

function missingData(dataShards: number, sources: readonly number[]): number[] {
  const read = new Set(sources);
  const all = Array.from({ length: dataShards }, (_, data) => data);
  return all.filter((data) => !read.has(data));
}
