import { GridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { BotLimits } from '../config.ts';
import type { BotErrorCode } from '../errors.ts';

interface Account {
  underWay: number;
  /** Calls that may be made at once. */
  allowance: number;
  atMs: number;
}

/** Accounts that are counted; those that rest longest are forgotten first. */
const accountsMax = 10_000;

/** How much each peer may ask, and how often. */
export class CallLimits {
  readonly #limits: Pick<BotLimits, 'callsMax' | 'callsPerSecond' | 'callsBurst'>;
  readonly #clock: Clock;
  /** The one that asked longest ago first. */
  readonly #accounts = new Map<string, Account>();

  constructor(
    limits: Pick<BotLimits, 'callsMax' | 'callsPerSecond' | 'callsBurst'>,
    clock: Clock = systemClock,
  ) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** A call begins; it ends when what is given back is disposed of. @throws BOT_BUSY, BOT_RATE_EXCEEDED */
  enter(name: string): Disposable {
    const { callsMax } = this.#limits;
    const account = this.#account(name);
    if (account.underWay >= callsMax) {
      throw new GridError<BotErrorCode>('BOT_BUSY', `${callsMax} calls are under way`, {
        hint: 'wait for the answers of some',
        retryable: true,
        details: { callsMax },
      });
    }
    this.#spend(account);
    account.underWay++;
    return {
      [Symbol.dispose]: () => {
        account.underWay--;
      },
    };
  }

  #spend(account: Account): void {
    const { callsPerSecond, callsBurst } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    const earned = ((nowMs - account.atMs) / 1_000) * callsPerSecond;
    account.allowance = Math.min(callsBurst, account.allowance + earned);
    account.atMs = nowMs;
    if (account.allowance < 1) {
      throw new GridError<BotErrorCode>('BOT_RATE_EXCEEDED', 'too many calls a second', {
        hint: 'go on more slowly',
        retryable: true,
        details: { callsPerSecond },
      });
    }
    account.allowance--;
  }

  #account(name: string): Account {
    const known = this.#accounts.get(name);
    const account = known ?? {
      underWay: 0,
      allowance: this.#limits.callsBurst,
      atMs: this.#clock.monotonicMs(),
    };
    this.#accounts.delete(name);
    this.#accounts.set(name, account);
    if (this.#accounts.size > accountsMax) this.#forgetOne();
    return account;
  }

  /** One that rests: of those at work the calls have to be counted to their end. */
  #forgetOne(): void {
    for (const [name, { underWay }] of this.#accounts) {
      if (underWay > 0) continue;
      this.#accounts.delete(name);
      return;
    }
  }
}
