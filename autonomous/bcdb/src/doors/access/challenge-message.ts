import type { Domain } from '@commongrid/crypto/browser';

/** What the signature that answers a challenge is for. */
export const authDomain: Domain = 'commongrid/bcdb-auth/1';

/** Which door the answer is for: at the other one it is worth nothing. */
export type DoorName = 'http' | 'redis';

export interface ChallengeAnswer {
  /** As the server gave it. */
  readonly challenge: string;
  readonly door: DoorName;
  /** Text of the key that signs. */
  readonly key: string;
  /** Hash of the genesis, base64url. */
  readonly log: string;
}

/**
 * The bytes that are signed for `authDomain`: canonical JSON. None of the texts holds a character
 * that JSON escapes, and the members are written in their order.
 */
export function challengeMessage({ challenge, door, key, log }: ChallengeAnswer): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ challenge, door, key, log }));
}
