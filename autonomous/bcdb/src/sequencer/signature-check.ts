import { createRequire } from 'node:module';
import { PublicKey } from '@commongrid/crypto';
import type { Domain } from '@commongrid/crypto';
import { isAcceptablePoint, prefixedMessage } from '@commongrid/crypto/browser';
import { recordDomain } from '../record/entry.ts';

/** Checks one signature of a payload: that of an envelope, unless a domain is given. */
export type SignatureCheck = (
  key: string,
  payload: Uint8Array,
  signature: Uint8Array,
  domain?: Domain,
) => boolean;

/** Keys that are kept parsed; beyond it all are forgotten. */
const parsedKeysMax = 10_000;

interface Sodium {
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean;
}

/**
 * The quickest check that this machine has: libsodium needs half the time of OpenSSL. Both decide
 * alike on every edge case once keys and R have passed `isAcceptablePoint`, which a test holds.
 */
export function openSignatureCheck(): SignatureCheck {
  const sodium = loadSodium();
  const keys = new Map<string, PublicKey>();
  return (text, payload, signature, domain = recordDomain) => {
    const key = parse(keys, text);
    if (key === undefined) return false;
    if (sodium === undefined) return key.verify(domain, payload, signature);
    if (signature.length !== 64 || !isAcceptablePoint(signature.subarray(0, 32))) return false;
    const message = prefixedMessage(domain, payload);
    return sodium.crypto_sign_verify_detached(signature, message, key.bytes);
  };
}

function parse(keys: Map<string, PublicKey>, text: string): PublicKey | undefined {
  const known = keys.get(text);
  if (known !== undefined) return known;
  if (keys.size >= parsedKeysMax) keys.clear();
  try {
    const key = PublicKey.fromText(text);
    keys.set(text, key);
    return key;
  } catch {
    // A text that is no key signs nothing.
    return undefined;
  }
}

function loadSodium(): Sodium | undefined {
  try {
    return createRequire(import.meta.url)('sodium-native') as Sodium;
  } catch {
    // Optional: there is no build of it for every machine.
    return undefined;
  }
}
