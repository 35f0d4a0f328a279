import { Mutex, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import { signRecord } from './author.ts';
import type { Statement } from './author.ts';
import type { Entry } from './entry.ts';

export interface RecordAuthorOptions {
  readonly key: SigningKey;
  /** Hash of the genesis, base64url. */
  readonly log: string;
  /** Counter of the key's last record in this log; 0 for a new key. */
  readonly lastN: number;
  readonly clock?: Clock;
}

/**
 * Signs the records of one key, and counts them. A key has one author at a time: two that count
 * apart would sign two records with one counter, which is held against the key for ever.
 */
export class RecordAuthor {
  readonly #key: SigningKey;
  readonly #log: string;
  readonly #clock: Clock;
  readonly #order = new Mutex();
  #lastN: number;

  constructor({ key, log, lastN, clock = systemClock }: RecordAuthorOptions) {
    this.#key = key;
    this.#log = log;
    this.#lastN = lastN;
    this.#clock = clock;
  }

  get keyText(): string {
    return this.#key.publicKey.text;
  }

  /**
   * Signs a statement and gives it to `append`. Records reach the log one after the other; one that
   * is refused does not use up its counter.
   */
  write<T>(statement: Statement, append: (entry: Entry) => Promise<T>): Promise<T> {
    return this.#order.run(async () => {
      const n = this.#lastN + 1;
      const t = Math.floor(this.#clock.nowMs());
      const receipt = await append(signRecord(this.#key, statement, { log: this.#log, n, t }));
      this.#lastN = n;
      return receipt;
    });
  }
}
