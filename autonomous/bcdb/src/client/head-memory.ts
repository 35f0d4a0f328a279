import { GridError, isGridError } from '@commongrid/base/browser';
import type { BcdbErrorCode } from '../errors.ts';
import { verifyCheckpoint, verifyConsistency } from '../tree/browser-verifier.ts';
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
}

/**
 * Remembers the newest head of a log, and holds each further one against it: a log only grows, and
 * begins as it was. A server that shows another is found out, with both signed notes as evidence.
 */
export class HeadMemory {
  readonly #options: HeadMemoryOptions;
  #last: SeenHead | undefined;
  /** Heads are held against the memory one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @throws BCDB_NOTE_INVALID, BCDB_OTHER_LOG, BCDB_CHECKPOINT_UNSIGNED */
  constructor(options: HeadMemoryOptions) {
    this.#options = options;
    const { lastNote, trust } = options;
    if (lastNote === undefined) return;
    this.#last = { head: verifyCheckpoint(lastNote, trust), note: lastNote };
  }

  get last(): SeenHead | undefined {
    return this.#last;
  }

  /**
   * Takes a note that was asked for when the memory held `before`. The server had at least that
   * much then, so it must not show less.
   * @throws BCDB_LOG_FORKED, BCDB_LOG_ROLLED_BACK, BCDB_CHECKPOINT_UNSIGNED and others of notes
   */
  accept(
    note: string,
    before: SeenHead | undefined,
    signal: AbortSignal | undefined,
  ): Promise<VerifiedHead> {
    const taken = this.#turn.then(() => this.#accept(note, before, signal));
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  async #accept(
    note: string,
    before: SeenHead | undefined,
    signal: AbortSignal | undefined,
  ): Promise<VerifiedHead> {
    const head = verifyCheckpoint(note, this.#options.trust);
    const shown = { head, note };
    if (before !== undefined && head.size < before.head.size) {
      throw contradiction(
        'BCDB_LOG_ROLLED_BACK',
        'the server shows less than before',
        before,
        shown,
      );
    }
    const last = this.#last;
    if (last !== undefined) await this.#requireOneLog(last, shown, signal);
    if (last === undefined || head.size >= last.head.size) this.#last = shown;
    return head;
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
      throw contradiction('BCDB_LOG_FORKED', 'the log is another than before', last, shown);
    }
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
    details: { seen: seen.note, shown: shown.note },
  });
}
