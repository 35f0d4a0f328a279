const table = makeTable();

/**
 * CRC-32C (Castagnoli) as the original 0-db computes it: it begins with 0 and its result is not
 * inverted, unlike what other programs call by that name.
 */
export function originalCrc32c(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum = (table[(sum ^ byte) & 0xff] ?? 0) ^ (sum >>> 8);
  return sum >>> 0;
}

function makeTable(): Uint32Array {
  const made = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let sum = byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
    made[byte] = sum;
  }
  return made;
}
