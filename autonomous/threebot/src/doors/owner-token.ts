import { hash } from 'node:crypto';
import { AuthPace, delay, equalBytes, GridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { BotErrorCode } from '../errors.ts';

/** The token of the owner: 32 random bytes, base64url. The process keeps its hash only. */
export class OwnerToken {
  readonly #hash: Uint8Array;
  readonly #clock: Clock;
  readonly #pace: AuthPace;

  constructor(token: string, clock: Clock = systemClock) {
    this.#hash = hash('sha256', token, 'buffer');
    this.#clock = clock;
    this.#pace = new AuthPace(clock);
  }

  /**
   * Who fails often waits longer, whatever is shown then.
   * @param address of the peer
   * @throws BOT_AUTH_FAILED, BASE_ABORTED
   */
  async require(token: string, address: string, signal?: AbortSignal): Promise<void> {
    const pauseMs = this.#pace.pauseMs(address);
    if (pauseMs > 0) await delay(pauseMs, { signal, clock: this.#clock });
    if (equalBytes(hash('sha256', token, 'buffer'), this.#hash)) return;
    this.#pace.failed(address);
    throw new GridError<BotErrorCode>('BOT_AUTH_FAILED', 'this token is not that of the owner', {
      hint: 'it is in the folder of the bot: owner-token',
    });
  }
}
