/**
 * Keyed hash of keys: HalfSipHash-1-3 with 64-bit output (J.-P. Aumasson, D. J. Bernstein; the 32-bit
 * sibling of SipHash). The key is secret to a data folder, so nobody outside can aim at collisions.
 * The result is left in `low` and `high`: a 64-bit pair without an allocation.
 */
export class KeyHasher {
  low = 0;
  high = 0;
  readonly #key0: number;
  readonly #key1: number;

  /** @param secret 8 random bytes */
  constructor(secret: Buffer) {
    this.#key0 = secret.readInt32LE(0);
    this.#key1 = secret.readInt32LE(4);
  }

  hash(bytes: Uint8Array, start: number, length: number): void {
    let v0 = this.#key0;
    let v1 = this.#key1 ^ 0xee;
    let v2 = this.#key0 ^ 0x6c796765;
    let v3 = this.#key1 ^ 0x74656462;
    const words = length & ~3;
    let i = start;
    const end = start + words;
    for (; i < end; i += 4) {
      const m =
        (bytes[i] as number) |
        ((bytes[i + 1] as number) << 8) |
        ((bytes[i + 2] as number) << 16) |
        ((bytes[i + 3] as number) << 24);
      v3 ^= m;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= m;
    }
    let tail = length << 24;
    const rest = length & 3;
    if (rest > 2) tail |= (bytes[i + 2] as number) << 16;
    if (rest > 1) tail |= (bytes[i + 1] as number) << 8;
    if (rest > 0) tail |= bytes[i] as number;
    v3 ^= tail;
    // One round for the tail, three to finish the first half, three for the second.
    for (let round = 0; round < 7; round++) {
      if (round === 1) {
        v0 ^= tail;
        v2 ^= 0xee;
      } else if (round === 4) {
        this.low = (v1 ^ v3) >>> 0;
        v1 ^= 0xdd;
      }
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    this.high = (v1 ^ v3) >>> 0;
  }
}
