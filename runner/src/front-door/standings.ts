import { systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

import type { AddressText, Standing } from './dial.ts';

/** For how long the word of a head of S3 that it serves counts, ms. */
const servesMs = 1_000;
/** Least time from one question to the next to an address that does not serve, ms. */
export const againMs = 250;

interface Known {
  readonly standing: Standing;
  readonly atMs: number;
}

export interface StandingsOptions {
  /** Asks an address. */
  readonly ask: (address: AddressText) => Promise<Standing>;
  /** Only its own word makes an address one that serves; else each is taken for one until it fails. */
  readonly mustSay: boolean;
  readonly clock?: Clock;
}

/** What is known of addresses: each is asked once at a time, whoever wants to know. */
export class Standings {
  readonly #options: StandingsOptions;
  readonly #clock: Clock;
  readonly #known = new Map<AddressText, Known>();
  readonly #asked = new Map<AddressText, Promise<Standing>>();

  constructor(options: StandingsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Whether it may be used without asking. */
  isGood(address: AddressText): boolean {
    const known = this.#known.get(address);
    if (!this.#options.mustSay) return known === undefined || known.standing === 'serves';
    return known?.standing === 'serves' && this.#clock.monotonicMs() - known.atMs < servesMs;
  }

  /** What it was found to be last; undefined where nobody asked. */
  last(address: AddressText): Standing | undefined {
    return this.#known.get(address)?.standing;
  }

  /** What it was found to be just now, else what it answers. */
  lately(address: AddressText): Promise<Standing> {
    const known = this.#known.get(address);
    const isFresh = known !== undefined && this.#clock.monotonicMs() - known.atMs < againMs;
    return isFresh ? Promise.resolve(known.standing) : this.ask(address);
  }

  /** Asks it, or waits for the answer that is under way. */
  ask(address: AddressText): Promise<Standing> {
    const asked = this.#asked.get(address);
    if (asked !== undefined) return asked;
    const answer = this.#options
      .ask(address)
      .then((standing) => {
        this.learn(address, standing);
        return standing;
      })
      .finally(() => this.#asked.delete(address));
    this.#asked.set(address, answer);
    return answer;
  }

  /** It was seen to be so. */
  learn(address: AddressText, standing: Standing): void {
    this.#known.set(address, { standing, atMs: this.#clock.monotonicMs() });
  }

  /** Forgets all others. */
  keep(addresses: ReadonlySet<AddressText>): void {
    for (const address of this.#known.keys()) {
      if (!addresses.has(address)) this.#known.delete(address);
    }
  }
}
