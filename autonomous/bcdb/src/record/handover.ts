import { GridError } from '@commongrid/base/browser';
import type { SigningKey } from '@commongrid/crypto';
import { canonicalBytes } from '@commongrid/crypto/browser';
import type { Domain } from '@commongrid/crypto/browser';
import type { BcdbErrorCode } from '../errors.ts';
import { fromBase64url, toBase64url } from '../tree/base64.ts';
import type { TreeHead } from './envelope.ts';

/** What admins sign: from `size` records on, the log is that of another key. */
export interface HandoverStatement {
  /** When it was made, milliseconds since 1970: of two that contradict each other the later counts. */
  readonly at: number;
  /** Hash of the genesis, base64url. */
  readonly log: string;
  /** The highest head that is known of a branch that is given up with this. */
  readonly lost?: TreeHead;
  /** Merkle root over the records that stay, base64url. */
  readonly root: string;
  /** The next key: one that never was a sequencer's before. */
  readonly sequencer: string;
  /** Number of the records that stay. */
  readonly size: number;
}

/** A statement with the signatures of admins. */
export interface HandoverCertificate {
  readonly signatures: readonly {
    readonly key: string;
    /** 64 bytes, base64url. */
    readonly signature: string;
  }[];
  readonly statement: HandoverStatement;
}

/** What an admin's signature on a handover is for. */
export const handoverDomain: Domain = 'commongrid/handover/1';

/** Most signatures of one certificate: as many as a quorum has signers. */
const handoverSignaturesMax = 256;

/** The bytes that admins sign: the canonical JSON text. */
export function handoverBytes(statement: HandoverStatement): Uint8Array {
  return canonicalBytes(statement);
}

/** The payload of the record: canonical JSON. */
export function certificatePayload({ signatures, statement }: HandoverCertificate): Uint8Array {
  return canonicalBytes({ signatures, statement });
}

/** The certificate with one more signature; that of a key which signed before is replaced. */
export function signHandover(
  { statement, signatures }: HandoverCertificate,
  admin: SigningKey,
): HandoverCertificate {
  const key = admin.publicKey.text;
  const signature = toBase64url(admin.sign(handoverDomain, handoverBytes(statement)));
  const others = signatures.filter((one) => one.key !== key);
  return { statement, signatures: [...others, { key, signature }] };
}

/**
 * Reads a certificate that came from anywhere: parsed JSON. No signature was verified.
 * @throws BCDB_HANDOVER_INVALID
 */
export function decodeCertificate(value: unknown): HandoverCertificate {
  const { statement, signatures } = membersOf(value, ['signatures', 'statement']);
  if (!Array.isArray(signatures) || signatures.length > handoverSignaturesMax) {
    throw invalidHandover('form', `it has no list of at most ${handoverSignaturesMax} signatures`);
  }
  return {
    signatures: signatures.map((one: unknown) => {
      const { key, signature } = membersOf(one, ['key', 'signature']);
      return { key: textOf(keyPattern, key), signature: bytesText(signature, signatureBytes) };
    }),
    statement: decodeStatement(statement),
  };
}

/** @param reason what is wrong: `details.reason` of the error */
export function invalidHandover(reason: string, message: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_HANDOVER_INVALID', `this hands no log over: ${message}`, {
    hint: 'state it anew and have that signed: grid bcdb handover --data FOLDER --statement FILE',
    details: { reason },
  });
}

function decodeStatement(value: unknown): HandoverStatement {
  const names = ['at', 'log', 'root', 'sequencer', 'size'] as const;
  const { lost, ...rest } = membersOf(value, names, 'lost');
  return {
    at: numberOf(rest.at),
    log: bytesText(rest.log, hashBytes),
    ...(lost === undefined ? {} : { lost: decodeHead(lost) }),
    root: bytesText(rest.root, hashBytes),
    sequencer: textOf(keyPattern, rest.sequencer),
    size: numberOf(rest.size),
  };
}

function decodeHead(value: unknown): TreeHead {
  const { root, size } = membersOf(value, ['root', 'size']);
  return { root: bytesText(root, hashBytes), size: numberOf(size) };
}

const hashBytes = 32;
const signatureBytes = 64;
const keyPattern = /^ed25519:[A-Za-z0-9_-]{43}$/;

/** Exactly these members, and perhaps the optional one. */
function membersOf<Name extends string>(
  value: unknown,
  names: readonly Name[],
  optional?: Name | 'lost',
): Partial<Record<Name | 'lost', unknown>> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const found = isObject ? Object.keys(value).filter((name) => name !== optional) : [];
  const isExact = found.length === names.length && names.every((name) => found.includes(name));
  if (isExact) return value as Partial<Record<Name | 'lost', unknown>>;
  throw invalidHandover('form', `it must have the members ${names.join(', ')} and no others`);
}

function numberOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidHandover('form', 'a number of it is none');
}

function textOf(pattern: RegExp, value: unknown): string {
  if (typeof value === 'string' && pattern.test(value)) return value;
  throw invalidHandover('form', 'a key of it is none');
}

/** Base64url of so many bytes in its one spelling. */
function bytesText(value: unknown, length: number): string {
  if (typeof value === 'string' && fromBase64url(value)?.length === length) return value;
  throw invalidHandover('form', 'a hash or signature of it is none');
}
