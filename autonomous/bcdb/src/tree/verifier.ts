import { GridError } from '@commongrid/base/browser';
import type { BcdbErrorCode } from '../errors.ts';
import {
  bodyPreimage,
  payloadBytesMax,
  payloadOf,
  recordDomain,
  saltBytes,
  splitLeaf,
} from '../record/entry.ts';
import type { Entry } from '../record/entry.ts';
import { parseEnvelope } from '../record/envelope.ts';
import type { Envelope, TreeHead } from '../record/envelope.ts';
import type { HandoverStatement } from '../record/handover.ts';
import { fromBase64url, toBase64url } from './base64.ts';
import { checkpointOrigin, parseCheckpoint } from './checkpoint.ts';
import { cosignatureMessage, decodeCosignature } from './cosignature.ts';
import type { Primitives } from './primitives.ts';
import { isConsistent, isIncluded } from './proof.ts';
import { decodePath, decodeProof, invalidProof } from './record-proof.ts';
import { noteKey, noteTypes, parseNote, signaturesBy } from './signed-note.ts';
import type { SignedNote } from './signed-note.ts';
import { extendTrust, sequencerAt } from './succession.ts';

/** What somebody who verifies has from elsewhere: from a join token or a recovery card. */
export interface Trust {
  /** Hash of the genesis, base64url. */
  readonly log: string;
  /** Key that signs the checkpoints of the log, `ed25519:…`: until the first of `handovers`. */
  readonly sequencerKey: string;
  /** Handovers that were verified, in the order of the log: see `extendTrust`. */
  readonly handovers?: readonly HandoverStatement[];
}

/** A head that the sequencer signed. */
export interface VerifiedHead extends TreeHead {
  /** When the sequencer last said that it is the newest: seconds since 1970; absent if it did not. */
  readonly timestamp?: number;
}

/**
 * Whether two heads that contradict each other show by themselves that the sequencer did it; else
 * whoever brought them may have.
 * @param newer the one that was shown later
 */
export function isSequencersDoing(older: VerifiedHead, newer: VerifiedHead): boolean {
  if (newer.size === older.size) return newer.root !== older.root;
  return newer.size < older.size && (newer.timestamp ?? 0) > (older.timestamp ?? 0);
}

/** A record as its author signed it. */
export interface VerifiedEnvelope {
  readonly envelope: Envelope;
  /** Leaf hash, base64url: the version of the object that the record makes. */
  readonly version: string;
  /** Absent where the record has none, or its body was not given. */
  readonly payload?: Uint8Array;
}

/** A record that is in the log. */
export interface VerifiedRecord extends VerifiedEnvelope {
  readonly seq: number;
  readonly head: VerifiedHead;
}

/**
 * Verifies what a log, a server or a file claims, with nothing but the trust. It cannot tell whether
 * the author had the right to say it: that is for the fold over the whole log.
 */
export class Verifier {
  readonly #primitives: Primitives;

  constructor(primitives: Primitives) {
    this.#primitives = primitives;
  }

  /** @see extendTrust */
  extendTrust(trust: Trust, succession: unknown): Trust {
    return extendTrust(this.#primitives, trust, succession);
  }

  /**
   * Phases: read the proof, and the handovers that it brings; verify the checkpoint; verify the record; show that the tree of the
   * checkpoint has it.
   * @param proof parsed JSON of a `RecordProof`
   * @throws BCDB_PROOF_INVALID and what the other methods throw
   */
  verifyRecordProof(proof: unknown, known: Trust): VerifiedRecord {
    const { log, checkpoint, seq, path, succession, ...entry } = decodeProof(proof);
    if (log !== known.log) throw otherLog('the proof', known.log);
    const trust = succession === undefined ? known : this.extendTrust(known, succession);
    const head = this.verifyCheckpoint(checkpoint, trust);
    const record = this.verifyEnvelope(entry, trust);
    const { hasher } = this.#primitives;
    const leafHash = hasher.leafHash(entry.leaf);
    const claim = { leafHash, seq, size: head.size, root: hashOf(head), path };
    if (!isIncluded(hasher, claim)) {
      throw invalidProof('path', 'the record is not at its place in the tree of the checkpoint');
    }
    return { ...record, seq, head };
  }

  /**
   * The signature of the author, the log, and the body where there is one.
   * @throws BCDB_ENVELOPE_INVALID, BCDB_OTHER_LOG, BCDB_SIGNATURE_INVALID, BCDB_BODY_MISSING,
   * BCDB_BODY_MISMATCH
   */
  verifyEnvelope({ leaf, body }: Entry, { log }: Pick<Trust, 'log'>): VerifiedEnvelope {
    const { envelope: bytes, signature } = splitLeaf(leaf);
    const envelope = parseEnvelope(ascii(bytes));
    if (envelope.log !== log) throw otherLog('the record', log);
    if (!this.#isSigned(envelope.author, bytes, signature)) {
      throw fault('BCDB_SIGNATURE_INVALID', 'the author did not sign this record');
    }
    if ((envelope.op === 'put') !== (envelope.body !== undefined)) {
      throw fault('BCDB_BODY_MISSING', 'a put has a payload, and nothing else has one');
    }
    const version = toBase64url(this.#primitives.hasher.leafHash(leaf));
    if (body === undefined) return { envelope, version };
    if (!this.#isBody(envelope, body)) {
      throw fault('BCDB_BODY_MISMATCH', 'the payload is not the one that was signed');
    }
    return { envelope, version, payload: payloadOf(body) };
  }

  /**
   * A checkpoint of the log, signed by who was its sequencer at that size. Signatures of others do not
   * count. A signature that says it is the sequencer's and is not spoils the whole note.
   * @throws BCDB_NOTE_INVALID, BCDB_OTHER_LOG, BCDB_CHECKPOINT_UNSIGNED
   */
  verifyCheckpoint(note: string, trust: Trust): VerifiedHead {
    const parsed = parseNote(note);
    const { origin, size, root } = parseCheckpoint(parsed.text);
    if (origin !== checkpointOrigin(trust.log)) throw otherLog('the checkpoint', trust.log);
    const given = trust.handovers?.find((handover) => handover.size === size);
    if (given !== undefined && given.root !== toBase64url(root)) throw givenUp();
    const sequencer = { log: trust.log, key: sequencerAt(trust, size) };
    this.#requireSigned(parsed, sequencer);
    const timestamp = this.#newestTimestamp(parsed, sequencer);
    return { root: toBase64url(root), size, ...(timestamp === undefined ? {} : { timestamp }) };
  }

  /**
   * That a log only grew from one head to the other: the older is a beginning of the newer.
   * @throws BCDB_PROOF_INVALID
   */
  verifyConsistency(older: TreeHead, newer: TreeHead, path: readonly string[]): void {
    const claim = {
      oldSize: older.size,
      oldRoot: hashOf(older),
      newSize: newer.size,
      newRoot: hashOf(newer),
      path: decodePath(path),
    };
    if (isConsistent(this.#primitives.hasher, claim)) return;
    throw invalidProof('path', 'the newer head does not follow from the older');
  }

  #requireSigned(note: SignedNote, sequencer: Sequencer): void {
    const bytes = new TextEncoder().encode(note.text);
    const signatures = signaturesBy(note, this.#keyOf(sequencer, noteTypes.plain));
    const isGood = ({ signature }: { readonly signature: Uint8Array }): boolean =>
      this.#primitives.verifyForeign(sequencer.key, bytes, signature);
    if (signatures.length > 0 && signatures.every(isGood)) return;
    throw fault('BCDB_CHECKPOINT_UNSIGNED', 'the sequencer did not sign this checkpoint');
  }

  #newestTimestamp(note: SignedNote, sequencer: Sequencer): number | undefined {
    const timestamps = signaturesBy(note, this.#keyOf(sequencer, noteTypes.cosignature)).map(
      ({ signature: bytes }) => {
        const { timestamp, signature } = decodeCosignature(bytes) ?? {};
        if (timestamp !== undefined && signature !== undefined) {
          const message = cosignatureMessage(timestamp, note.text);
          if (this.#primitives.verifyForeign(sequencer.key, message, signature)) {
            return timestamp;
          }
        }
        throw fault('BCDB_CHECKPOINT_UNSIGNED', 'the sequencer did not sign the time of this head');
      },
    );
    return timestamps.length === 0 ? undefined : Math.max(...timestamps);
  }

  #keyOf({ log, key }: Sequencer, type: number): ReturnType<typeof noteKey> {
    const publicKey = this.#primitives.keyBytes(key);
    return noteKey(this.#primitives.sha256, { name: checkpointOrigin(log), type, publicKey });
  }

  #isSigned(author: string, bytes: Uint8Array, signature: Uint8Array): boolean {
    try {
      return this.#primitives.verify(author, recordDomain, bytes, signature);
    } catch (error) {
      throw fault('BCDB_SIGNATURE_INVALID', 'the author is no key that can sign', error);
    }
  }

  #isBody(envelope: Envelope, body: Uint8Array): boolean {
    if (body.length < saltBytes || body.length > saltBytes + payloadBytesMax) return false;
    return toBase64url(this.#primitives.sha256(bodyPreimage(body))) === envelope.body;
  }
}

/** Whose signature counts. */
interface Sequencer {
  readonly log: string;
  readonly key: string;
}

function givenUp(): GridError<BcdbErrorCode> {
  return fault('BCDB_CHECKPOINT_UNSIGNED', 'this head was given up by a handover');
}

/** No bytes, which are no hash, where the text is none. */
function hashOf({ root }: TreeHead): Uint8Array {
  return fromBase64url(root) ?? new Uint8Array();
}

/** Other bytes give characters that the grammar of an envelope does not know. */
function ascii(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}

function otherLog(what: string, log: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_OTHER_LOG', `${what} is not of log ${log}`, {
    hint: 'use the join token of the log that it comes from',
    details: { expected: log },
  });
}

function fault(code: BcdbErrorCode, message: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError(code, message, { cause });
}
