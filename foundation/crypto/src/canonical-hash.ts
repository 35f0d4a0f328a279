import { createHash } from 'node:crypto';
import { canonicalText } from './canonical-json.ts';

/** SHA-256 of the canonical bytes: the name of a value. */
export function canonicalHash(value: unknown): Uint8Array {
  return createHash('sha256').update(canonicalText(value), 'utf8').digest();
}
