import type { BcdbClient } from '@commongrid/bcdb/client';
import { GridError, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { FlistErrorCode, KeyDirectory } from '@commongrid/flist';

import { trustOfGenesis } from './bcdb-trust.ts';

export interface PhonebookOptions {
  /** HTTP door of a BCDB that everybody may read bots of. */
  readonly url: string;
  /** Which log it must be. May come to be later. */
  readonly genesisFile: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** For how long an answer counts: a key that was ended is refused after that at the latest. */
export const keyFreshMs = 5_000;
/** While the database does not answer, its last answer counts for that long. */
export const keyStaleMs = 60_000;
/** Keys that are remembered; the one that was asked for longest ago is forgotten. */
const keysMax = 10_000;
/** Time for the database to answer. */
const askTimeoutMs = 5_000;

interface Known {
  readonly user: string | undefined;
  readonly askedMs: number;
}

/**
 * Whose a key is, by the bots of a BCDB: the name of the bot that lists it as a device and did not
 * end it. That there is no newer record of the bot is the word of the database.
 */
export class Phonebook implements KeyDirectory {
  readonly #o: PhonebookOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** In the order in which they were asked for. Unknown keys are not remembered. */
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<Known>>();
  #client: BcdbClient | undefined;
  #isDown = false;

  constructor(options: PhonebookOptions) {
    this.#o = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  /** @throws HUB_DIRECTORY_UNREACHABLE */
  async userOf(key: string): Promise<string | undefined> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#known.get(key);
    if (known !== undefined && nowMs - known.askedMs < keyFreshMs) return known.user;
    try {
      const answer = await this.#askOnce(key);
      this.#note(key, answer);
      return answer.user;
    } catch (cause) {
      if (!this.#isDown) this.#logger.warn({ err: cause }, 'the phonebook does not answer');
      this.#isDown = true;
      if (known !== undefined && nowMs - known.askedMs < keyStaleMs) return known.user;
      throw new GridError<FlistErrorCode>(
        'HUB_DIRECTORY_UNREACHABLE',
        'the phonebook does not answer, and without it nobody can change anything',
        { hint: 'see that BCDB runs, then try again', retryable: true, cause },
      );
    }
  }

  #note(key: string, answer: Known): void {
    if (this.#isDown) this.#logger.info('the phonebook answers again');
    this.#isDown = false;
    this.#known.delete(key);
    if (answer.user === undefined) return;
    this.#known.set(key, answer);
    const [first] = this.#known.keys();
    if (this.#known.size > keysMax && first !== undefined) this.#known.delete(first);
  }

  /** Whoever comes while it is asked gets an answer that is as old as the question. */
  #askOnce(key: string): Promise<Known> {
    const running = this.#asking.get(key);
    if (running !== undefined) return running;
    const askedMs = this.#clock.monotonicMs();
    const asking = this.#ask(key)
      .then((user) => ({ user, askedMs }))
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(key: string): Promise<string | undefined> {
    const signal = AbortSignal.timeout(askTimeoutMs);
    const client = await this.#connected(signal);
    const path = `/v1/keys/${encodeURIComponent(key)}`;
    const { bot } = await client.read<{ readonly bot?: Speaker }>(path, { signal });
    // A root speaks for its bot alone, and keys of other roles for what they are listed for.
    return bot?.role === 'device' ? bot.name : undefined;
  }

  /** Verified once: what answers at that address must have signed the log. */
  async #connected(signal: AbortSignal): Promise<BcdbClient> {
    if (this.#client !== undefined) return this.#client;
    const { url, genesisFile } = this.#o;
    const trust = await trustOfGenesis(genesisFile);
    // Not before somebody has to be known: it takes longer to load than all else of a hub.
    const { BcdbClient: Client } = await import('@commongrid/bcdb/client');
    this.#client = await Client.connect({ url, trust, signal, timeoutMs: askTimeoutMs });
    return this.#client;
  }
}

/** As the route of BCDB has it: docs/formats/bcdb-http.md. */
interface Speaker {
  readonly name: string;
  readonly role: string;
}
