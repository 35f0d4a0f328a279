import {
  publicKeyBytes,
  sha256,
  verifyForeignSignature,
  verifySignature,
} from '@commongrid/crypto/browser';
import { TreeHasher } from './merkle.ts';
import type { Primitives } from './primitives.ts';

/** Verification where there is no Node. */
export const browserPrimitives: Primitives = {
  hasher: new TreeHasher(sha256),
  sha256,
  keyBytes: publicKeyBytes,
  verify: verifySignature,
  verifyForeign: verifyForeignSignature,
};
