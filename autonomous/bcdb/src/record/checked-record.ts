import { hash } from 'node:crypto';
import { GridError } from '@commongrid/base';
import { parseCanonical } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import { bodyPrefix, payloadBytesMax, payloadOf, saltBytes, splitLeaf } from './entry.ts';
import type { Entry } from './entry.ts';
import { parseEnvelope } from './envelope.ts';
import type { Envelope } from './envelope.ts';

/** A record whose form and payload hash were checked; its signature was not. */
export interface CheckedRecord {
  readonly envelope: Envelope;
  readonly entry: Entry;
  readonly leafHash: Uint8Array;
  /** The leaf hash as base64url: the version of the object that it makes. */
  readonly version: string;
  readonly payload: Uint8Array | undefined;
  /** The payload as a value; undefined where it is not canonical JSON. */
  readonly value: JsonValue | undefined;
}

export interface CheckRecordOptions {
  /** Whether a payload may be missing because it was erased: in what a log gives back. */
  readonly mayBeErased?: boolean;
}

/**
 * Reads an entry and holds its parts to each other.
 * @throws BCDB_ENVELOPE_INVALID, BCDB_BODY_MISSING, BCDB_BODY_MISMATCH, BCDB_TOO_LARGE
 */
export function checkRecord(entry: Entry, options: CheckRecordOptions = {}): CheckedRecord {
  const { leaf, body } = entry;
  const envelope = parseEnvelope(ascii(splitLeaf(leaf).envelope));
  requireBody(envelope, body, options.mayBeErased === true);
  const payload = body === undefined ? undefined : payloadOf(body);
  // The bytes by way of the text: a buffer from node:crypto takes longer than both.
  const version = hash('sha256', prefixed(leafPrefix, leaf), 'base64url');
  const leafHash = Buffer.from(version, 'base64url');
  return new Checked({ envelope, entry, leafHash, version, payload });
}

/** Its value is worked out when it is asked for: who replays a log needs few. */
class Checked implements CheckedRecord {
  readonly envelope: Envelope;
  readonly entry: Entry;
  readonly leafHash: Uint8Array;
  readonly version: string;
  readonly payload: Uint8Array | undefined;
  #value: JsonValue | undefined;
  #isRead = false;

  constructor({ envelope, entry, leafHash, version, payload }: Omit<CheckedRecord, 'value'>) {
    this.envelope = envelope;
    this.entry = entry;
    this.leafHash = leafHash;
    this.version = version;
    this.payload = payload;
  }

  get value(): JsonValue | undefined {
    if (!this.#isRead && this.payload !== undefined) this.#value = valueOf(this.payload);
    this.#isRead = true;
    return this.#value;
  }
}

const leafPrefix = Buffer.of(0);

/** In memory of the pool: a buffer of its own for each record is work for the collector. */
function prefixed(prefix: Uint8Array, bytes: Uint8Array): Uint8Array {
  const whole = Buffer.allocUnsafe(prefix.length + bytes.length);
  whole.set(prefix);
  whole.set(bytes, prefix.length);
  return whole;
}

function requireBody(
  { op, body: signed }: Envelope,
  body: Uint8Array | undefined,
  mayBeErased: boolean,
): void {
  if ((signed !== undefined) !== (op === 'put')) {
    throw fault('BCDB_BODY_MISSING', `${op} ${op === 'put' ? 'needs' : 'carries no'} payload`);
  }
  if (body === undefined) {
    if (signed === undefined || mayBeErased) return;
    throw fault('BCDB_BODY_MISSING', 'the payload that was signed is not here');
  }
  if (body.length > saltBytes + payloadBytesMax) {
    throw fault('BCDB_TOO_LARGE', `a payload has ${payloadBytesMax} bytes at most`);
  }
  const isSame =
    body.length >= saltBytes && hash('sha256', prefixed(bodyPrefix, body), 'base64url') === signed;
  if (!isSame) throw fault('BCDB_BODY_MISMATCH', 'the payload is not the one that was signed');
}

function valueOf(payload: Uint8Array): JsonValue | undefined {
  try {
    return parseCanonical(payload);
  } catch {
    // Sealed payloads are no JSON; the rules say where they may be.
    return undefined;
  }
}

/** Bytes above 127 give characters that the grammar of an envelope does not know. */
function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function fault(code: BcdbErrorCode, message: string): GridError<BcdbErrorCode> {
  return new GridError(code, message);
}
