import { GridError, isGridError } from '@commongrid/base/browser';
import type { BcdbErrorCode } from '../errors.ts';
import { extendTrust, verifyCheckpoint, verifyConsistency } from '../tree/browser-verifier.ts';
import { isHandedOverBetween } from '../tree/succession.ts';
import { isSequencersDoing } from '../tree/verifier.ts';
import type { Trust, VerifiedHead } from '../tree/verifier.ts';

/** A head that was seen, and the signed note that shows it. */
export interface SeenHead {
  readonly head: VerifiedHead;
  readonly note: string;
}

export interface HeadMemoryOptions {
  readonly trust: Trust;
  /** The newest head seen in an earlier life, as a signed note. */
  readonly lastNote?: string | undefined;
  /** Asks for the proof that the log of one size begins with that of the other. */
  readonly consistency: (
    from: number,
    to: number,
    signal: AbortSignal | undefined,
  ) => Promise<readonly string[]>;
  /** Asks who sequenced the log: parsed JSON of a `Succession`. */
  readonly succession: (signal: AbortSignal | undefined) => Promise<unknown>;
}

/**
 * Remembers the newest head of a log, and holds each further one against it: a log only grows, and
 * begins as it was. A server that shows another is found out, with both signed notes as evidence. A
 * handover that the admins of the log signed is learned when a note asks for it.
 */
export class HeadMemory {
  readonly #options: HeadMemoryOptions;
  #trust: Trust;
  #last: SeenHead | undefined;
  /** Of an earlier life, until it was verified. */
  #lastNote: string | undefined;
  /** Heads are held against the memory one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: HeadMemoryOptions) {
    this.#options = options;
    this.#trust = options.trust;
    this.#lastNote = options.lastNote;
  }

  /** With all handovers that were learned. */
  get trust(): Trust {
    return this.#trust;
  }

  get last(): SeenHead | undefined {
    return this.#last;
  }

  /**
   * Takes a note that was asked for when the memory held `before`. The server had at least that
   * much then, so it must not show less.
   * @throws BCDB_LOG_FORKED, BCDB_LOG_ROLLED_BACK, BCDB_CHECKPOINT_UNSIGNED and others of notes;
   * BCDB_HANDED_OVER, once, when the head remembered was given up
   */
  accept(
    note: string,
    before: SeenHead | undefined,
    signal: AbortSignal | undefined,
  ): Promise<VerifiedHead> {
    const taken = this.#turn.then(() => this.#accept(note, before, signal));
    // The next one waits for its end; only its caller hears that it failed.
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  /**
   * Holds a note that somebody else was shown against what was seen here. Nothing is remembered of it.
   * @returns false for one that is newer: see what the server shows now, and ask again
   * @throws BCDB_LOG_FORKED, BCDB_CHECKPOINT_UNSIGNED and others of notes
   */
  compare(note: string, signal: AbortSignal | undefined): Promise<boolean> {
    const compared = this.#turn.then(() => this.#compare(note, signal));
    this.#turn = compared.catch(() => undefined);
    return compared;
  }

  async #compare(note: string, signal: AbortSignal | undefined): Promise<boolean> {
    await this.#recalled(signal);
    const shown = { head: await this.#verified(note, signal), note };
    const last = this.#last;
    if (last === undefined || shown.head.size > last.head.size) return false;
    await this.#requireOneLog(last, shown, signal);
    return true;
  }

  async #accept(
    note: string,
    before: SeenHead | undefined,
    signal: AbortSignal | undefined,
  ): Promise<VerifiedHead> {
    const floor = (await this.#recalled(signal)) ?? before;
    const head = await this.#verified(note, signal);
    const shown = { head, note };
    if (floor !== undefined && head.size < floor.head.size) {
      throw contradiction(
        'BCDB_LOG_ROLLED_BACK',
        'the server shows less than before',
        floor,
        shown,
      );
    }
    const last = this.#last;
    if (last !== undefined) await this.#requireOneLog(last, shown, signal);
    if (last === undefined || head.size >= last.head.size) this.#last = shown;
    return head;
  }

  /** The head of an earlier life, the first time. */
  async #recalled(signal: AbortSignal | undefined): Promise<SeenHead | undefined> {
    const note = this.#lastNote;
    if (note === undefined) return undefined;
    this.#last = { head: await this.#verified(note, signal), note };
    this.#lastNote = undefined;
    return this.#last;
  }

  /** A key that is not known may be one that the log was handed over to. */
  async #verified(note: string, signal: AbortSignal | undefined): Promise<VerifiedHead> {
    try {
      return verifyCheckpoint(note, this.#trust);
    } catch (error) {
      if (!isGridError(error, 'BCDB_CHECKPOINT_UNSIGNED')) throw error;
      const succession = await this.#options.succession(signal);
      if (!this.#isNewer(succession)) throw error;
      this.#requireKept();
      return verifyCheckpoint(note, this.#trust);
    }
  }

  /** Whether it shows handovers that were not known; wrong ones show nothing. */
  #isNewer(succession: unknown): boolean {
    const before = this.#trust;
    try {
      this.#trust = extendTrust(before, succession);
    } catch (error) {
      if (!isGridError(error)) throw error;
    }
    return this.#trust !== before;
  }

  /** The head remembered counts by the present trust, or is forgotten. @throws BCDB_HANDED_OVER */
  #requireKept(): void {
    const last = this.#last;
    try {
      if (last !== undefined) verifyCheckpoint(last.note, this.#trust);
    } catch (error) {
      throw this.#givenUp(error);
    }
  }

  async #requireOneLog(
    last: SeenHead,
    shown: SeenHead,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const [older, newer] = last.head.size <= shown.head.size ? [last, shown] : [shown, last];
    try {
      const isSame = older.head.size === newer.head.size;
      const path = isSame
        ? []
        : await this.#options.consistency(older.head.size, newer.head.size, signal);
      verifyConsistency(older.head, newer.head, path);
    } catch (error) {
      const isLie =
        isGridError(error, 'BCDB_PROOF_INVALID') || isGridError(error, 'BCDB_SEQ_UNKNOWN');
      if (!isLie) throw error;
      if (newer === shown && isHandedOverBetween(this.#trust, last.head.size, shown.head.size)) {
        throw this.#givenUp(error);
      }
      throw contradiction('BCDB_LOG_FORKED', 'the log is another than before', last, shown);
    }
  }

  /** What was remembered is forgotten, and told of once. */
  #givenUp(cause: unknown): GridError<BcdbErrorCode> {
    const seen = this.#last?.note;
    this.#last = undefined;
    return new GridError(
      'BCDB_HANDED_OVER',
      'the admins gave up the branch of the log that was seen before, and went on with another',
      {
        hint: 'what was written after the handover is to be sent again; then go on',
        details: { seen, handovers: this.#trust.handovers },
        cause,
      },
    );
  }
}

function contradiction(
  code: BcdbErrorCode,
  message: string,
  seen: SeenHead,
  shown: SeenHead,
): GridError<BcdbErrorCode> {
  return new GridError(code, message, {
    hint: 'trust neither head; keep both notes: the sequencer signed them',
    details: {
      ...{ seen: seen.note, shown: shown.note },
      isProven: isSequencersDoing(seen.head, shown.head),
    },
  });
}
