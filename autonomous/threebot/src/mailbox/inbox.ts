import { GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { SealingKey } from '@commongrid/crypto';
import type { Dispatcher } from '../actors/dispatcher.ts';
import type { EffectContext } from '../actors/actor.ts';
import { formerlyProvenCaller, provenCaller } from '../actors/caller.ts';
import type { Caller, Permission } from '../actors/caller.ts';
import type { BotErrorCode } from '../errors.ts';
import type { BotCounts, ArrivalOutcome } from '../metrics/bot-counts.ts';
import type { Gatekeeper } from '../phonebook/gatekeeper.ts';
import { openMessage } from './message.ts';
import type { ReplayGuard } from './replay-guard.ts';

export interface InboxOptions {
  readonly log: string;
  /** Id of this bot. */
  readonly self: string;
  /** They open boxes: the present key first, then former ones. */
  readonly sealingKeys: readonly SealingKey[];
  readonly messageBytesMax: number;
  readonly gatekeeper: Gatekeeper;
  readonly guard: ReplayGuard;
  readonly dispatcher: Dispatcher;
  /** Runs an effect in a transaction; resolves once it is on disk. */
  readonly commit: <T>(work: (context: Omit<EffectContext, 'caller'>) => T) => Promise<T>;
  readonly standingOf: (bot: string) => Permission;
  readonly counts: BotCounts;
  readonly clock?: Clock;
}

/**
 * Takes messages, whoever brings them:
 *
 * 1. The box opens with a key of this bot, and its message is for this bot in this log.
 * 2. It has not ended. 3. It is signed by a key that its sender lists now. 4. The sender may use the
 * method, and the input fits. 5. In one transaction: it was not taken before, and its effect.
 */
export class Inbox {
  readonly #o: InboxOptions;
  readonly #clock: Clock;

  constructor(options: InboxOptions) {
    this.#o = options;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * @param bringer account of who brings it
   * @throws BOT_MESSAGE_INVALID, BOT_OTHER_LOG, BOT_SIGNATURE_WRONG, BOT_TOO_LARGE, BOT_MESSAGE_EXPIRED,
   *   BOT_SENDER_UNKNOWN, BOT_KEY_WRONG, BOT_KEY_ENDED, BOT_RECORD_STALE, BOT_RATE_EXCEEDED,
   *   BOT_MESSAGE_REPLAYED, and what the method refuses with
   */
  async take(box: Uint8Array, bringer: string): Promise<void> {
    const { arrivals } = this.#o.counts;
    try {
      await this.#take(box, bringer);
      arrivals.add({ outcome: 'taken' });
    } catch (error) {
      arrivals.add({ outcome: outcomeOf(error) });
      throw error;
    }
  }

  async #take(box: Uint8Array, bringer: string): Promise<void> {
    const { log, self, messageBytesMax, sealingKeys, guard, dispatcher, commit } = this.#o;
    const place = { log, to: self, bytesMax: messageBytesMax };
    const { message, key } = await openMessage(box, sealingKeys, place);
    const { from, kind, body } = message;
    guard.requireAlive(message, this.#clock.nowMs());
    const caller = await this.#sender(from, key, bringer);
    const effect = dispatcher.prepare(kind, body, caller);
    await commit((context) => {
      guard.take(message, this.#clock.nowMs());
      effect(context);
    });
  }

  async #sender(from: string, key: string, bringer: string): Promise<Caller> {
    try {
      const { isOld } = await this.#o.gatekeeper.holder(key, bringer, from);
      if (isOld) return formerlyProvenCaller(from, 'mailbox');
      return provenCaller(from, this.#o.standingOf(from), 'mailbox');
    } catch (error) {
      if (!isGridError(error, 'BOT_UNKNOWN')) throw error;
      throw senderUnknown(from, error);
    }
  }
}

function outcomeOf(error: unknown): ArrivalOutcome {
  if (isGridError(error, 'BOT_MESSAGE_REPLAYED')) return 'replayed';
  return isGridError(error) && !error.retryable ? 'refused' : 'later';
}

function senderUnknown(from: string, cause: unknown): GridError<BotErrorCode> {
  return new GridError('BOT_SENDER_UNKNOWN', 'the phonebook does not know who sent it', {
    details: { from },
    cause,
  });
}
