import { crc32 as zlibCrc32 } from 'node:zlib';

/**
 * CRC-32 (IEEE 802.3, as in gzip and PNG) as an unsigned number. To hash in pieces, give the
 * result for the bytes so far as `seed`: crc32(b, crc32(a)) = crc32(a followed by b).
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}
