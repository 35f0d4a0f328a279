/*
 * C2SP tlog-cosignature with Ed25519: a signature over a checkpoint and the time at which its head
 * was the newest known.
 */

const signatureBytes = 64;
const timestampBytes = 8;

/** What is signed: two lines, then the text of the checkpoint. The first keeps it apart from notes. */
export function cosignatureMessage(timestamp: number, checkpointText: string): Uint8Array {
  return new TextEncoder().encode(`cosignature/v1\ntime ${timestamp}\n${checkpointText}`);
}

/** The bytes that stand in a note: the time (big-endian, seconds since 1970), then the signature. */
export function encodeCosignature(timestamp: number, signature: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(timestampBytes + signature.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(timestamp));
  bytes.set(signature, timestampBytes);
  return bytes;
}

/** Undefined where they are no such bytes, or of a time that no clock shows. */
export function decodeCosignature(
  bytes: Uint8Array,
): { readonly timestamp: number; readonly signature: Uint8Array } | undefined {
  if (bytes.length !== timestampBytes + signatureBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const timestamp = Number(view.getBigUint64(0));
  if (!Number.isSafeInteger(timestamp)) return undefined;
  return { timestamp, signature: bytes.subarray(timestampBytes) };
}
