import { crc32 } from '@commongrid/base';
import type { Request } from '@commongrid/resp';
import { readUint53, writeUint53 } from '../engine/log/format.ts';
import type { Namespace } from '../engine/namespace.ts';

/*
 * A cursor names a record for SCAN, RSCAN and KEYCUR. Clients keep it as it is:
 *   u8 version 1, u32 namespace number, u64 sequence, u32 CRC-32 of what stands before
 * The sequence stays good when the record is rewritten, deleted or moved by compaction.
 */

export const CURSOR_BYTES = 17;
const VERSION = 1;

export function encodeCursor(namespace: Namespace, sequence: number): Buffer {
  const bytes = Buffer.allocUnsafe(CURSOR_BYTES);
  bytes[0] = VERSION;
  bytes.writeUInt32LE(namespace.id, 1);
  writeUint53(bytes, sequence, 5);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 13)), 13);
  return bytes;
}

/** The sequence in argument `i`; undefined when that is no cursor of this namespace. */
export function decodeCursor(
  request: Request,
  i: number,
  namespace: Namespace,
): number | undefined {
  if (request.lengthOf(i) !== CURSOR_BYTES) return undefined;
  const bytes = request.view(i);
  if (bytes[0] !== VERSION || bytes.readUInt32LE(13) !== crc32(bytes.subarray(0, 13))) {
    return undefined;
  }
  return bytes.readUInt32LE(1) === namespace.id ? readUint53(bytes, 5) : undefined;
}
