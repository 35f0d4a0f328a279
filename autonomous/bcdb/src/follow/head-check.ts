import { GridError, isGridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { nodePrimitives } from '../tree/node-primitives.ts';
import { isHandedOverBetween } from '../tree/succession.ts';
import { isSequencersDoing, Verifier } from '../tree/verifier.ts';
import type { Trust, VerifiedHead } from '../tree/verifier.ts';
import { branchGivenUp } from './handed-over.ts';

/** A head with the note that the sequencer signed. */
export interface SeenHead {
  readonly head: VerifiedHead;
  readonly note: string;
}

/** What a source says of the newest head. */
export interface ShownHead {
  /** A signed note. */
  readonly checkpoint: string;
  /** Hashes (base64url) that show that the log only grew since the head that was seen before. */
  readonly consistency: readonly string[];
}

/** Holds each head of a log to the one that was seen before: a log only grows. */
export class HeadCheck {
  readonly #trust: Trust;
  readonly #verifier = new Verifier(nodePrimitives);

  constructor(trust: Trust) {
    this.#trust = trust;
  }

  /**
   * The newest head that is known now: that of the source, or the one seen before where the source
   * shows the same again with an earlier time.
   * @throws BCDB_LOG_FORKED, BCDB_LOG_ROLLED_BACK and what the verifier throws; BCDB_HANDED_OVER when
   * the one seen before is of a branch that the admins gave up
   */
  take({ checkpoint, consistency }: ShownHead, seen: SeenHead | undefined): SeenHead {
    const newer = {
      head: this.#verifier.verifyCheckpoint(checkpoint, this.#trust),
      note: checkpoint,
    };
    if (seen === undefined) return newer;
    const [is, was] = [newer.head, seen.head];
    if (is.size < was.size) throw contradiction('BCDB_LOG_ROLLED_BACK', seen, newer);
    try {
      this.#verifier.verifyConsistency(was, is, consistency);
    } catch (error) {
      if (!isGridError(error)) throw error;
      if (!isHandedOverBetween(this.#trust, was.size, is.size)) {
        throw contradiction('BCDB_LOG_FORKED', seen, newer);
      }
      throw branchGivenUp('begin anew with the head that is shown', seen.note, this.#trust);
    }
    const isOlder = is.size === was.size && (is.timestamp ?? 0) < (was.timestamp ?? 0);
    return isOlder ? seen : newer;
  }
}

function contradiction(
  code: BcdbErrorCode,
  older: SeenHead,
  newer: SeenHead,
): GridError<BcdbErrorCode> {
  const message =
    code === 'BCDB_LOG_FORKED'
      ? `nothing shows that the log continues the one seen at ${older.head.size} records`
      : `the log has ${newer.head.size} records and had ${older.head.size} before`;
  return new GridError(code, message, {
    hint: 'keep the evidence; ask another source',
    details: {
      older: older.note,
      newer: newer.note,
      isProven: isSequencersDoing(older.head, newer.head),
    },
  });
}

/** @throws BCDB_REPLY_INVALID when an answer has not the form of a `ShownHead` */
export function requireShownHead(answer: unknown): ShownHead {
  const { checkpoint, consistency } = (answer ?? {}) as Partial<ShownHead>;
  const isPath =
    Array.isArray(consistency) && consistency.every((hash) => typeof hash === 'string');
  if (typeof checkpoint === 'string' && isPath) return { checkpoint, consistency };
  throw new GridError<BcdbErrorCode>('BCDB_REPLY_INVALID', 'the source gave no head', {
    retryable: true,
  });
}

/**
 * That a head was the newest a short while ago.
 * @param timestamp when the sequencer said so, seconds since 1970
 * @throws BCDB_VIEW_STALE
 */
export function requireFreshHead(
  timestamp: number | undefined,
  ageMaxSeconds: number,
  nowMs: number,
): void {
  const ageSeconds = nowMs / 1000 - (timestamp ?? 0);
  // A head from the future would be fresh for as long as a clock is wrong.
  if (Math.abs(ageSeconds) <= ageMaxSeconds) return;
  throw new GridError<BcdbErrorCode>(
    'BCDB_VIEW_STALE',
    `the newest verified head is ${Math.round(ageSeconds)} s old, ${ageMaxSeconds} s at most`,
    {
      hint: 'see whether the log can be reached, and whether both clocks are right',
      retryable: true,
      details: { ageSeconds, ageMaxSeconds },
    },
  );
}
