import { GridError } from '@commongrid/base/browser';
import type { BcdbErrorCode } from '../errors.ts';
import { leafBytesMax, payloadBytesMax, saltBytes } from '../record/entry.ts';
import type { Entry } from '../record/entry.ts';
import { fromBase64url, toBase64url } from './base64.ts';
import { hashBytes } from './merkle.ts';
import { pathHashesMax } from './proof.ts';
import type { Succession } from './succession.ts';

/**
 * Shows that a record is in a log, to somebody who has the log's hash and the key of its sequencer, or
 * of its first one.
 */
export interface RecordProof {
  readonly schema: 'grid.bcdb.proof.1';
  /** Hash of the genesis, base64url. */
  readonly log: string;
  /** A signed note, as text. */
  readonly checkpoint: string;
  readonly seq: number;
  /** Envelope and signature, base64url. */
  readonly leaf: string;
  /** Salt and payload, base64url; absent where there is none, or it was erased, or is withheld. */
  readonly body?: string;
  /** Inclusion proof of the leaf in the tree of the checkpoint, base64url, the lowest first. */
  readonly path: readonly string[];
  /** How the log came to the key that signed the checkpoint; absent where that is the first one. */
  readonly succession?: Succession;
}

/** The bytes of a proof; nothing of it was verified. */
export interface DecodedProof extends Entry {
  readonly log: string;
  readonly checkpoint: string;
  readonly seq: number;
  readonly path: readonly Uint8Array[];
  /** Parsed JSON of a `Succession`. */
  readonly succession?: unknown;
}

export function encodeProof({
  log,
  checkpoint,
  seq,
  leaf,
  body,
  path,
  succession,
}: Omit<DecodedProof, 'succession'> & Pick<RecordProof, 'succession'>): RecordProof {
  return {
    schema: 'grid.bcdb.proof.1',
    log,
    checkpoint,
    seq,
    leaf: toBase64url(leaf),
    ...(body === undefined ? {} : { body: toBase64url(body) }),
    path: path.map(toBase64url),
    ...(succession === undefined ? {} : { succession }),
  };
}

/**
 * Reads a proof that came from anywhere: parsed JSON.
 * @throws BCDB_PROOF_INVALID
 */
export function decodeProof(proof: unknown): DecodedProof {
  const { schema, log, checkpoint, seq, leaf, body, path, succession } = membersOf(proof);
  if (schema !== 'grid.bcdb.proof.1') throw invalidProof('schema', 'it is of no known schema');
  if (typeof log !== 'string') throw invalidProof('log', 'it names no log');
  if (typeof checkpoint !== 'string') throw invalidProof('checkpoint', 'it has no checkpoint');
  if (!Number.isSafeInteger(seq)) throw invalidProof('seq', 'it has no sequence');
  return {
    log,
    checkpoint,
    seq: Number(seq),
    leaf: decodeBytes('leaf', leaf, leafBytesMax),
    body: body === undefined ? undefined : decodeBytes('body', body, saltBytes + payloadBytesMax),
    path: decodePath(path),
    ...(succession === undefined ? {} : { succession }),
  };
}

/** Inclusion or consistency proof from its texts. @throws BCDB_PROOF_INVALID */
export function decodePath(path: unknown): Uint8Array[] {
  if (!Array.isArray(path) || path.length > pathHashesMax) {
    throw invalidProof('path', `its path is no list of at most ${pathHashesMax} hashes`);
  }
  return path.map((hash) => decodeBytes('path', hash, hashBytes));
}

/** @param reason part of the proof that is wrong: `details.reason` of the error */
export function invalidProof(reason: string, message: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_PROOF_INVALID', `the proof shows nothing: ${message}`, {
    details: { reason },
  });
}

function decodeBytes(reason: string, text: unknown, bytesMax: number): Uint8Array {
  const isText = typeof text === 'string' && text.length <= Math.ceil((bytesMax * 4) / 3);
  const bytes = isText ? fromBase64url(text) : undefined;
  if (bytes === undefined)
    throw invalidProof(reason, `its ${reason} is no base64url of its length`);
  return bytes;
}

function membersOf(value: unknown): Partial<Record<keyof RecordProof, unknown>> {
  if (typeof value === 'object' && value !== null) return value;
  throw invalidProof('schema', 'it is no object');
}
