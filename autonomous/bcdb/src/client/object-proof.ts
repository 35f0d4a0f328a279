import { GridError } from '@commongrid/base/browser';
import type { JsonValue } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import { systemUrls } from '../record/system-urls.ts';
import { verifyRecordProof } from '../tree/browser-verifier.ts';
import type { Trust } from '../tree/verifier.ts';
import type { ProvenObject } from './client-types.ts';
import { parseJson } from './wire-error.ts';

/** What a proof has to be about. */
interface ObjectName {
  readonly ns: string;
  readonly url: string;
  readonly obj: string;
}

/**
 * Verifies a proof and that it is about an object: by a record of its own, whose payload is the value;
 * or by a proposal that names it, of which one cannot see whether it took effect.
 * @throws BCDB_PROOF_INVALID and what `verifyRecordProof` throws
 */
export function readProof(proof: unknown, trust: Trust, name: ObjectName): ProvenObject {
  const record = readRecord(proof, trust);
  const { envelope, value } = record;
  if (isAbout(envelope, name)) return record;
  if (envelope.url === systemUrls.proposal && envelope.ns === name.ns) {
    const { url, obj, value: proposed } = proposalOf(value);
    if (url === name.url && obj === name.obj) {
      const { value: _proposal, ...rest } = record;
      return proposed === undefined ? rest : { ...rest, proposed };
    }
  }
  throw new GridError<BcdbErrorCode>('BCDB_PROOF_INVALID', 'the proof is about something else', {
    details: { reason: 'object', ns: envelope.ns, url: envelope.url, obj: envelope.obj },
  });
}

/** Verifies a proof, whatever it is about. @throws BCDB_PROOF_INVALID and what `verifyRecordProof` throws */
export function readRecord(proof: unknown, trust: Trust): ProvenObject {
  const record = verifyRecordProof(proof, trust);
  const { payload } = record;
  const value = payload === undefined ? undefined : valueOf(payload);
  return value === undefined ? record : { ...record, value };
}

/** What the object itself says, as its own record has it. @throws BCDB_PROOF_INVALID */
export function ownValue({ envelope, value }: ProvenObject): JsonValue {
  if (value !== undefined) return value;
  const { ns, url, obj } = envelope;
  throw new GridError<BcdbErrorCode>(
    'BCDB_PROOF_INVALID',
    'the proof does not show what the object says: it has no payload, or is of a proposal',
    { details: { reason: 'value', ns, url, obj } },
  );
}

function isAbout(envelope: ObjectName, { ns, url, obj }: ObjectName): boolean {
  return envelope.ns === ns && envelope.url === url && envelope.obj === obj;
}

/** Undefined for a sealed box, which is no JSON. */
function valueOf(payload: Uint8Array): JsonValue | undefined {
  return parseJson(new TextDecoder().decode(payload)) as JsonValue | undefined;
}

interface Proposed {
  readonly url?: JsonValue;
  readonly obj?: JsonValue;
  readonly value?: JsonValue;
}

function proposalOf(value: JsonValue | undefined): Proposed {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Proposed) : {};
}
