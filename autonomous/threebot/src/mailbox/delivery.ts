import type { DatabaseSync } from 'node:sqlite';
import {
  delay,
  GridError,
  inTransaction,
  isGridError,
  silentLogger,
  systemClock,
} from '@commongrid/base';
import type { Clock, Logger, TaskGroup } from '@commongrid/base';
import { boxToText } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import type { MethodCaller } from '../actors/typed-client.ts';
import type { BotErrorCode } from '../errors.ts';
import type { BotCounts } from '../metrics/bot-counts.ts';
import type { BotEntry } from '../phonebook/bot-entry.ts';
import type { Phonebook } from '../phonebook/phonebook.ts';
import { sealMessage } from './message.ts';
import type { Letter, Outbox } from './outbox.ts';

export interface DeliveryOptions {
  readonly db: DatabaseSync;
  readonly outbox: Outbox;
  readonly phonebook: Phonebook;
  /** A link to a bot. */
  readonly linkTo: (bot: string) => Promise<MethodCaller>;
  readonly log: string;
  /** Id and key of this bot. */
  readonly self: string;
  readonly key: SigningKey;
  readonly messageBytesMax: number;
  /** Counts what became of them. */
  readonly letters: BotCounts['letters'];
  readonly tasks: TaskGroup;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Messages to one receiver that are under way. */
const windowMax = 32;

/** Pause after a failure, ms: the first one, and the longest. */
const pauseMsFirst = 200;
const pauseMsLast = 30_000;

/** Address of a bot that keeps messages: `relay://bot:…`. */
const relayPrefix = 'relay://';

/** What became of a letter; undefined: it waits on. */
type Fate = 'delivered' | 'held' | { readonly refused: string } | undefined;

/**
 * Brings what is in the outbox to its receivers: one task for each of them, as long as it has letters.
 * A letter stays until its receiver has confirmed it, or it ends; what a relay holds is brought again
 * when the receiver is reached. Its id makes sure that nothing is done twice.
 */
export class Delivery {
  readonly #o: DeliveryOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** What cuts the pause of each receiver's task. */
  readonly #atWork = new Map<string, AbortController>();

  constructor(options: DeliveryOptions) {
    this.#o = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  /** Looks at all letters, as at the start and when something may have changed. */
  wakeAll(): void {
    for (const receiver of this.#o.outbox.receivers()) this.wake(receiver);
  }

  /** There is a letter for a bot, or it is back. */
  wake(receiver: string): void {
    const running = this.#atWork.get(receiver);
    if (running !== undefined) return running.abort();
    const { tasks } = this.#o;
    if (tasks.signal.aborted) return;
    this.#atWork.set(receiver, new AbortController());
    tasks.start(`letters to ${receiver}`, async (signal) => {
      try {
        await this.#work(receiver, signal);
      } finally {
        this.#atWork.delete(receiver);
      }
    });
  }

  async #work(receiver: string, signal: AbortSignal): Promise<void> {
    let pauseMs = pauseMsFirst;
    while (!signal.aborted) {
      const poke = new AbortController();
      this.#atWork.set(receiver, poke);
      const waiting = this.#o.outbox.letters(receiver, ['waiting', 'held'], 0, 1);
      if (waiting.length === 0) return;
      try {
        await this.#round(receiver);
        pauseMs = pauseMsFirst;
      } catch (error) {
        if (!isGridError(error)) throw error;
        this.#logger.debug({ receiver, code: error.code }, 'letters wait');
        const stop = AbortSignal.any([signal, poke.signal]);
        await delay(pauseMs, { signal: stop, clock: this.#clock }).catch(() => {});
        pauseMs = Math.min(pauseMsLast, pauseMs * 2);
      }
    }
  }

  /** All letters once, by the receiver itself or else by a relay. @throws why some wait on */
  async #round(receiver: string): Promise<void> {
    const { phonebook, linkTo } = this.#o;
    const { entry } = await phonebook.knownBot(receiver);
    let failure: unknown;
    try {
      const link = await linkTo(receiver);
      await this.#bring(receiver, ['waiting', 'held'], (letter) => this.#give(link, entry, letter));
      return;
    } catch (error) {
      failure = error;
    }
    for (const relay of relaysOf(entry)) {
      try {
        const link = await linkTo(relay);
        await this.#bring(receiver, ['waiting'], (letter) => this.#leave(link, entry, letter));
        break;
      } catch (error) {
        this.#logger.debug({ relay, err: error }, 'a relay takes no letters');
      }
    }
    throw failure;
  }

  /** In windows; what became of a window is noted in one transaction. @throws the first reason to wait */
  async #bring(
    receiver: string,
    states: readonly ('waiting' | 'held')[],
    send: (letter: Letter) => Promise<Fate>,
  ): Promise<void> {
    const { outbox, db } = this.#o;
    for (let after = 0; ;) {
      const letters = outbox.letters(receiver, states, after, windowMax);
      const last = letters.at(-1);
      if (last === undefined) return;
      const fates = await Promise.allSettled(letters.map(send));
      inTransaction(db, () => {
        for (const [i, letter] of letters.entries()) {
          const fate = fates[i];
          if (fate?.status === 'fulfilled') this.#note(letter, fate.value);
        }
      });
      const failed = fates.find((fate) => fate.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      after = last.seq;
    }
  }

  #note(letter: Letter, fate: Fate): void {
    const { outbox, letters } = this.#o;
    if (fate !== undefined) {
      letters.add({ outcome: typeof fate === 'string' ? fate : 'refused' });
    }
    if (fate === 'delivered') outbox.delivered(letter.seq);
    else if (fate === 'held') outbox.setState(letter.seq, 'held');
    else if (fate !== undefined) {
      outbox.setState(letter.seq, 'refused', fate.refused);
      this.#logger.warn(
        { to: letter.to, id: letter.id, why: fate.refused },
        'a letter was refused',
      );
    }
  }

  async #give(link: MethodCaller, entry: BotEntry, letter: Letter): Promise<Fate> {
    return this.#refusable(letter, async () => {
      const box = boxToText(await this.#sealed(entry, letter));
      await link.call('mailbox.deliver', { box });
      return 'delivered';
    });
  }

  async #leave(link: MethodCaller, entry: BotEntry, letter: Letter): Promise<Fate> {
    const { to, id, expMs } = letter;
    const box = boxToText(await this.#sealed(entry, letter));
    await link.call('relay.hold', { to, id, expMs, box });
    return 'held';
  }

  async #refusable(letter: Letter, send: () => Promise<Fate>): Promise<Fate> {
    if (letter.expMs <= this.#clock.nowMs()) return { refused: 'BOT_MESSAGE_EXPIRED' };
    try {
      return await send();
    } catch (error) {
      if (!isGridError(error)) throw error;
      if (error.code === 'BOT_MESSAGE_REPLAYED') return 'delivered';
      if (isFinal(error)) return { refused: error.code };
      throw error;
    }
  }

  #sealed(entry: BotEntry, { to, id, expMs, kind, body }: Letter): Promise<Uint8Array> {
    const { log, self, key, messageBytesMax } = this.#o;
    const message = { log, to, from: self, id, expMs, kind, body };
    return sealMessage(message, key, { receiver: sealOf(entry), bytesMax: messageBytesMax });
  }
}

/** Whether the receiver will never take it, however often it is brought. */
function isFinal({ code, retryable }: GridError): boolean {
  if (retryable) return false;
  if (finalCodes.has(code)) return true;
  // What the effect itself refuses with.
  return !/^(BOT|BASE|BCDB|RESP)_/.test(code);
}

const finalCodes: ReadonlySet<string> = new Set<BotErrorCode>([
  'BOT_INPUT_INVALID',
  'BOT_MESSAGE_EXPIRED',
  'BOT_METHOD_UNKNOWN',
  'BOT_NOT_PERMITTED',
  'BOT_TOO_LARGE',
]);

function relaysOf({ addresses }: BotEntry): readonly string[] {
  return addresses
    .filter((address) => address.startsWith(relayPrefix))
    .map((address) => address.slice(relayPrefix.length));
}

/** The newest key of a device that messages can be sealed to. @throws BOT_SEAL_MISSING */
function sealOf({ id, keys }: BotEntry): string {
  const device = keys.findLast(
    ({ role, ended, seal }) => role === 'device' && ended === undefined && seal !== undefined,
  );
  if (device?.seal !== undefined) return device.seal;
  throw new GridError<BotErrorCode>('BOT_SEAL_MISSING', 'the bot lists no key for messages', {
    hint: 'it lists one with: grid bot init, or grid bot rotate',
    details: { bot: id },
  });
}
