import { canonicalHash } from '@commongrid/crypto';
import type { ContractId, Hash } from '../fields.ts';

/** What a box for a node holds, as canonical JSON: the salt keeps short values from being guessed. */
export interface SecretOpening {
  /** 16 random bytes, base64url. */
  readonly salt: string;
  readonly value: string;
}

/** Longest value of a secret, characters. */
export const secretCharactersMax = 4096;

const domain = 'commongrid/secret/1';

/** What a contract says of a secret: SHA-256 of the canonical text of {domain, salt, value}. */
export function secretCommit({ salt, value }: SecretOpening): Hash {
  const hash = canonicalHash({ domain, salt, value });
  return hash.toBase64({ alphabet: 'base64url', omitPadding: true }) as Hash;
}

/** Where a sealed secret belongs: a box that was made for one place opens at no other. */
export function secretBoxInfo(log: string, contract: ContractId, name: string): Uint8Array {
  return new TextEncoder().encode(`${domain} ${log} ${contract} ${name}`);
}

/**
 * Where a secret that is sealed to a keeper belongs. The box is part of the header, so what it names is
 * the header's nonce, not the id that follows from it.
 */
export function keeperBoxInfo(log: string, nonce: string, name: string): Uint8Array {
  return new TextEncoder().encode(`${domain} keeper ${log} ${nonce} ${name}`);
}
