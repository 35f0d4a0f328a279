export { canonicalHash } from './canonical-hash.ts';
export {
  canonicalBytes,
  canonicalText,
  maxCanonicalBytes,
  maxJsonDepth,
  parseCanonical,
} from './canonical-json.ts';
export type { JsonValue, ParseCanonicalOptions } from './canonical-json.ts';
export { deriveKey } from './derive-key.ts';
export { assertDomain } from './domain.ts';
export type { Domain } from './domain.ts';
export { signatureBytes } from './ed25519-point.ts';
export type { CryptoErrorCode } from './errors.ts';
export {
  assertQuorum,
  checkQuorum,
  maxSignatures,
  maxSigners,
  verifyThreshold,
} from './multisig.ts';
export type { KeySignature, Quorum, QuorumState } from './multisig.ts';
export {
  boxFromText,
  boxOverheadBytes,
  boxToText,
  maxPlaintextBytes,
  openBox,
  sealBox,
} from './sealed-box.ts';
export type { BoxOptions } from './sealed-box.ts';
export { SealingKey, SealingPublicKey } from './sealing-key.ts';
export { PublicKey, rootKeyFromWords, SigningKey } from './signing-key.ts';
export { entropyToWords, generateWords, wordsToEntropy } from './words.ts';
