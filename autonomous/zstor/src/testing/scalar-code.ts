/**
 * The code once more, a byte at a time and straight from its definition, to check the fast one
 * against: no tables, no parts shared, the whole k x k matrix inverted with a search for pivots.
 */

/** Peasant's multiplication of polynomials, reduced by 0x11d. */
export function slowMultiply(a: number, b: number): number {
  let product = 0;
  for (let power = a, bits = b; bits > 0; bits >>= 1) {
    if (bits % 2 === 1) product ^= power;
    power = power < 0x80 ? power << 1 : (power << 1) ^ 0x11d;
  }
  return product;
}

/** The inverse by trying all. */
function slowInvert(a: number): number {
  for (let b = 1; b < 256; b++) if (slowMultiply(a, b) === 1) return b;
  throw new RangeError('0 has no inverse');
}

const slowInverses = Array.from({ length: 256 }, (_, a) => (a === 0 ? 0 : slowInvert(a)));

/** Row `index` of the k + m rows: those of the data are the identity. */
function codeRow(dataShards: number, index: number): number[] {
  return Array.from({ length: dataShards }, (_, data) => {
    if (index < dataShards) return index === data ? 1 : 0;
    return slowInverses[index ^ data] ?? 0;
  });
}

export function scalarEncode(data: readonly Uint8Array[], parityShards: number): Uint8Array[] {
  return Array.from({ length: parityShards }, (_, parity) =>
    weightedSum(codeRow(data.length, data.length + parity), data),
  );
}

/** All data shards out of the first k shards that are there. */
export function scalarDecode(
  dataShards: number,
  shards: readonly (Uint8Array | undefined)[],
): Uint8Array[] {
  const present = [...shards.entries()].flatMap(([index, bytes]) =>
    bytes === undefined ? [] : [{ index, bytes }],
  );
  const sources = present.slice(0, dataShards);
  const inverse = scalarInverse(sources.map(({ index }) => codeRow(dataShards, index)));
  return inverse.map((row) =>
    weightedSum(
      row,
      sources.map(({ bytes }) => bytes),
    ),
  );
}

/** @throws RangeError for a matrix without an inverse */
export function scalarInverse(matrix: readonly (readonly number[])[]): number[][] {
  const size = matrix.length;
  let rows = matrix.map((row, at) => [...row, ...codeRow(size, at)]);
  for (let column = 0; column < size; column++) {
    const pivot = rows.findIndex((row, at) => at >= column && row[column] !== 0);
    const found = rows[pivot];
    if (found === undefined) throw new RangeError('the matrix has no inverse');
    const scale = slowInverses[found[column] ?? 0] ?? 0;
    const scaled = found.map((value) => slowMultiply(value, scale));
    const others = rows.filter((_, at) => at !== pivot);
    const cleared = others.map((row) =>
      row.map((value, at) => value ^ slowMultiply(row[column] ?? 0, scaled[at] ?? 0)),
    );
    rows = cleared.toSpliced(column, 0, scaled);
  }
  return rows.map((row) => row.slice(size));
}

function weightedSum(weights: readonly number[], shards: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from({ length: shards[0]?.length ?? 0 }, (_, at) =>
    weights.reduce((sum, weight, shard) => sum ^ slowMultiply(weight, shards[shard]?.[at] ?? 0), 0),
  );
}
