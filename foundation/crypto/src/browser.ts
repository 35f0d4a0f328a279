export { assertDomain } from './domain.ts';
export type { Domain } from './domain.ts';
export { isAcceptablePoint, signatureBytes } from './ed25519-point.ts';
export { publicKeyBytes, verifyForeignSignature, verifySignature } from './ed25519-verify.ts';
export type { CryptoErrorCode } from './errors.ts';
export { keyFromText, keyToText } from './key-text.ts';
export { foreignMessage, prefixedMessage } from './message.ts';
export { sha256 } from '@noble/hashes/sha2.js';
