import type { Entry } from '../record/entry.ts';
import type { TreeHead } from '../record/envelope.ts';
import { browserPrimitives } from './browser-primitives.ts';
import type { Primitives } from './primitives.ts';
import { Verifier } from './verifier.ts';
import type { Trust, VerifiedEnvelope, VerifiedHead, VerifiedRecord } from './verifier.ts';

let verifier = new Verifier(browserPrimitives);

/** From now on all is verified by these. They decide alike; what is there of Node takes a tenth of the time. */
export function verifyBy(primitives: Primitives): void {
  verifier = new Verifier(primitives);
}

/** @see Verifier.verifyRecordProof */
export function verifyRecordProof(proof: unknown, trust: Trust): VerifiedRecord {
  return verifier.verifyRecordProof(proof, trust);
}

/** @see Verifier.verifyEnvelope */
export function verifyEnvelope(entry: Entry, trust: Pick<Trust, 'log'>): VerifiedEnvelope {
  return verifier.verifyEnvelope(entry, trust);
}

/** @see Verifier.verifyCheckpoint */
export function verifyCheckpoint(note: string, trust: Trust): VerifiedHead {
  return verifier.verifyCheckpoint(note, trust);
}

/** @see Verifier.verifyConsistency */
export function verifyConsistency(older: TreeHead, newer: TreeHead, path: readonly string[]): void {
  verifier.verifyConsistency(older, newer, path);
}

/** @see Verifier.extendTrust */
export function extendTrust(trust: Trust, succession: unknown): Trust {
  return verifier.extendTrust(trust, succession);
}
