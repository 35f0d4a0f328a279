/** Bytes of an Ed25519 signature: the point R, then the number S. */
export const signatureBytes = 64;

/** p = 2^255 - 19, little endian. */
const p = littleEndian(2n ** 255n - 19n);

/**
 * The y coordinates of the eight points of small order (some share a y): 0, 1, -1 and the two of
 * order 8. With such a public key a signature can be made that fits many messages, by anybody.
 */
const smallOrderY: ReadonlySet<string> = new Set(
  [
    littleEndian(0n),
    littleEndian(1n),
    littleEndian(2n ** 255n - 20n),
    Uint8Array.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'),
    Uint8Array.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'),
  ].map((y) => y.toHex()),
);

/**
 * Whether an encoded point may be a public key or the R of a signature: y below p, so that a key
 * has one encoding and cannot count twice, and not of small order.
 *
 * OpenSSL checks neither for keys; Node refuses small order from 26 on, and older ones accept it.
 * All replicas must decide alike, so it is checked here. Whether a point has this y at all is left
 * to OpenSSL, which fails to verify if not.
 */
export function isAcceptablePoint(bytes: Uint8Array): boolean {
  const y = new Uint8Array(bytes);
  y[31] = (y[31] ?? 0) & 0x7f;
  return isBelow(y, p) && !smallOrderY.has(y.toHex());
}

/** Compares little endian numbers of equal length; public values, so time may vary. */
function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  const differs = a.findLastIndex((byte, index) => byte !== b[index]);
  return differs >= 0 && (a[differs] ?? 0) < (b[differs] ?? 0);
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.fromHex(value.toString(16).padStart(64, '0')).toReversed();
}
