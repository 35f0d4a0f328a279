import { hash } from 'node:crypto';
import { AuthPace, delay, equalBytes, GridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { Caller, Way } from '../actors/caller.ts';
import type { BotErrorCode } from '../errors.ts';

export interface TokensOptions {
  /** Id of the bot. */
  readonly self: string;
  /** The token of the owner: 32 random bytes, base64url. */
  readonly ownerToken: string;
  /** SHA-256 of the token of an app; undefined where there is no such app. */
  readonly appHash: (app: string) => Uint8Array | undefined;
  readonly clock?: Clock;
}

/** Whoever shows a token: the owner, or one of his apps. The process keeps hashes only. */
export class Tokens {
  readonly #options: Pick<TokensOptions, 'self' | 'appHash'>;
  readonly #ownerHash: Uint8Array;
  readonly #clock: Clock;
  readonly #pace: AuthPace;

  constructor({ self, ownerToken, appHash, clock = systemClock }: TokensOptions) {
    this.#options = { self, appHash };
    this.#ownerHash = tokenHash(ownerToken);
    this.#clock = clock;
    this.#pace = new AuthPace(clock);
  }

  /**
   * Who fails often waits longer, whatever is shown then.
   * @param address of the peer
   * @throws BOT_AUTH_FAILED, BASE_ABORTED
   */
  async caller(token: string, address: string, way: Way, signal?: AbortSignal): Promise<Caller> {
    const pauseMs = this.#pace.pauseMs(address);
    if (pauseMs > 0) await delay(pauseMs, { signal, clock: this.#clock });
    const { self, appHash } = this.#options;
    const shown = tokenHash(token);
    if (equalBytes(shown, this.#ownerHash)) {
      return { bot: self, standing: 'owner', way, account: self };
    }
    const app = appOf(token);
    const known = app === undefined ? undefined : appHash(app);
    if (app !== undefined && known !== undefined && equalBytes(shown, known)) {
      return { bot: undefined, app, standing: 'public', way, account: `app:${app}` };
    }
    this.#pace.failed(address);
    throw new GridError<BotErrorCode>('BOT_AUTH_FAILED', 'this token is not one of this bot', {
      hint: 'that of the owner is in the folder of the bot: owner-token; that of an app: data.allow',
    });
  }
}

/** What is kept of a token. */
export function tokenHash(token: string): Uint8Array {
  return hash('sha256', token, 'buffer');
}

/** Tokens of apps are `NAME.SECRET`; that of the owner has no dot. */
function appOf(token: string): string | undefined {
  const end = token.indexOf('.');
  return end < 0 ? undefined : token.slice(0, end);
}
