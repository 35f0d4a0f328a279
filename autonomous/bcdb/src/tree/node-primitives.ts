import { PublicKey } from '@commongrid/crypto';
import { sha256, treeHasher } from './node-hasher.ts';
import type { Primitives } from './primitives.ts';

/** Verification by node:crypto. */
export const nodePrimitives: Primitives = {
  hasher: treeHasher,
  sha256,
  keyBytes: (key) => PublicKey.fromText(key).bytes,
  verify: (key, domain, payload, signature) =>
    PublicKey.fromText(key).verify(domain, payload, signature),
  verifyForeign: (key, message, signature) =>
    PublicKey.fromText(key).verifyForeign(message, signature),
};
