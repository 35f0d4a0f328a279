/** Reflected polynomials. Sources: IEEE 802.3; RFC 3720 B.4; NVM Express 2.0, 64-bit CRC. */
export const crc32Polynomial = 0xedb88320n;
export const crc32cPolynomial = 0x82f63b78n;
export const crc64NvmePolynomial = 0x9a6c9329ac4bc9b5n;

/** A CRC of 64 bits in two signed halves: a bigint would cost many times as much. */
export interface Crc64 {
  readonly high: number;
  readonly low: number;
}

export const crc64Start: Crc64 = { high: 0, low: 0 };

/** Bytes of one table: 256 entries of 4 bytes. */
const tableBytes = 1024;
const crc32cTables = tablesOf(crc32cPolynomial, 16, 0n);
const crc64LowTables = tablesOf(crc64NvmePolynomial, 8, 0n);
const crc64HighTables = tablesOf(crc64NvmePolynomial, 8, 32n);

/** CRC-32C as an unsigned number; `seed` is the result for the bytes so far. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tables = crc32cTables;
  const { byteLength } = view;
  let crc = ~seed;
  let at = 0;
  for (; at + 16 <= byteLength; at += 16) {
    // Sixteen look-ups that do not wait for each other ("slicing by 16").
    crc =
      slice(tables, 15, view.getInt32(at, true) ^ crc) ^
      slice(tables, 11, view.getInt32(at + 4, true)) ^
      slice(tables, 7, view.getInt32(at + 8, true)) ^
      slice(tables, 3, view.getInt32(at + 12, true));
  }
  for (; at < byteLength; at += 1) {
    crc = (crc >>> 8) ^ tables.getInt32(((crc ^ view.getUint8(at)) & 255) << 2, true);
  }
  return ~crc >>> 0;
}

/** CRC-64/NVME; `seed` is the result for the bytes so far. */
export function crc64nvme(bytes: Uint8Array, seed: Crc64 = crc64Start): Crc64 {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lows = crc64LowTables;
  const highs = crc64HighTables;
  const { byteLength } = view;
  let high = ~seed.high;
  let low = ~seed.low;
  let at = 0;
  for (; at + 8 <= byteLength; at += 8) {
    const first = view.getInt32(at, true) ^ low;
    const second = view.getInt32(at + 4, true) ^ high;
    low = slice(lows, 7, first) ^ slice(lows, 3, second);
    high = slice(highs, 7, first) ^ slice(highs, 3, second);
  }
  for (; at < byteLength; at += 1) {
    const entry = ((low ^ view.getUint8(at)) & 255) << 2;
    low = ((low >>> 8) | (high << 24)) ^ lows.getInt32(entry, true);
    high = (high >>> 8) ^ highs.getInt32(entry, true);
  }
  return { high: ~high, low: ~low };
}

/** What four bytes add to a CRC that has as many table steps to go as `table` says. */
function slice(tables: DataView, table: number, word: number): number {
  const base = table * tableBytes;
  return (
    tables.getInt32(base + ((word & 255) << 2), true) ^
    tables.getInt32(base - tableBytes + (((word >>> 8) & 255) << 2), true) ^
    tables.getInt32(base - 2 * tableBytes + (((word >>> 16) & 255) << 2), true) ^
    tables.getInt32(base - 3 * tableBytes + ((word >>> 24) << 2), true)
  );
}

/** Table `k` has the CRC of each byte with `k` zero bytes behind it, 32 bits from `shift` on. */
function tablesOf(polynomial: bigint, count: number, shift: bigint): DataView {
  const tables = new DataView(new ArrayBuffer(count * tableBytes));
  const crcs = Array.from({ length: 256 }, (_none, byte) => BigInt(byte));
  for (let table = 0; table < count; table += 1) {
    for (const [byte, before] of crcs.entries()) {
      const crc = zeroByte(before, polynomial);
      crcs[byte] = crc;
      tables.setInt32(table * tableBytes + byte * 4, Number(BigInt.asIntN(32, crc >> shift)), true);
    }
  }
  return tables;
}

function zeroByte(crc: bigint, polynomial: bigint): bigint {
  let value = crc;
  for (let bit = 0; bit < 8; bit += 1) {
    value = (value & 1n) === 1n ? (value >> 1n) ^ polynomial : value >> 1n;
  }
  return value;
}
