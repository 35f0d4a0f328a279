import { deriveKey } from '@commongrid/crypto';

/** Bytes of a seed. */
export const seedBytes = 32;

/**
 * Bytes that follow from a secret seed and from how much was drawn before. By them a contract can be
 * built again, to the same id; whoever has the seed knows its salts and its generated secrets.
 */
export function seededDraw(seed: Uint8Array): (count: number) => Uint8Array {
  let block = 0;
  return (count) => {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; at += seedBytes) {
      const next = deriveKey(seed, `commongrid/draft-${block++}/1`);
      bytes.set(next.subarray(0, count - at), at);
    }
    return bytes;
  };
}
