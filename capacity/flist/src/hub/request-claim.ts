import type { IncomingMessage } from 'node:http';

import { GridError, isGridError, networkOf } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { KeyDirectory } from '../ports.ts';
import { FailurePace } from './failure-pace.ts';
import type { Caller } from './hub.ts';
import type { HubNonces } from './hub-nonces.ts';
import { sha256Of, verifyRequest } from './request-signature.ts';
import type { RequestClaim } from './request-signature.ts';

/** Who asks for a change, and which body was signed. */
export interface Claimed extends RequestClaim {
  readonly caller: Caller;
}

export interface ClaimDeskOptions {
  readonly keys: KeyDirectory;
  readonly nonces: HubNonces;
  readonly clock: Clock;
  /** The origin under which clients ask. */
  readonly audience: string;
  /** Requests with a wrong signature that one address or key may send in a row. */
  readonly failuresMax?: number | undefined;
}

/** Failures that whoever asks could have avoided. */
const failures: ReadonlySet<string> = new Set<FlistErrorCode>([
  'HUB_SIGNATURE_REFUSED',
  'HUB_TIME_REFUSED',
  'HUB_KEY_UNKNOWN',
  'HUB_REPLAYED',
  'HUB_BODY_MISMATCH',
]);

/** Finds out who asks for a change, and slows down those who fail at that again and again. */
export class ClaimDesk {
  readonly #o: ClaimDeskOptions;
  readonly #pace: FailurePace;

  constructor(options: ClaimDeskOptions) {
    this.#o = options;
    this.#pace = new FailurePace(options.failuresMax);
  }

  /**
   * Reads what the headers claim, and that it is new.
   * @throws HUB_TOO_MANY_FAILURES, HUB_SIGNATURE_*, HUB_TIME_REFUSED, HUB_KEY_UNKNOWN, HUB_REPLAYED,
   * and what the directory throws
   */
  take(request: IncomingMessage, signal: AbortSignal): Promise<Claimed> {
    return this.#paced(request, async () => {
      const { clock, audience, nonces } = this.#o;
      const { method = '', url = '' } = request;
      const signed = { audience, method, target: url };
      const claim = verifyRequest(request.headers, signed, clock.nowMs());
      const user = await this.#userOf(claim.key.text, signal);
      nonces.take(user, claim, clock.nowMs());
      return { ...claim, caller: { user, key: claim.key.text } };
    });
  }

  /** @throws HUB_BODY_MISMATCH */
  async checkBody(request: IncomingMessage, claim: Claimed, body: Uint8Array): Promise<void> {
    if (sha256Of(body) === claim.bodySha256) return;
    await this.#paced(request, () =>
      Promise.reject(
        new GridError<FlistErrorCode>(
          'HUB_BODY_MISMATCH',
          'the body is not the one that was signed',
          {
            hint: 'sign what is sent',
          },
        ),
      ),
    );
  }

  /**
   * A key has a pace of its own only while nobody has it: else whoever repeats what others signed
   * could keep them from asking.
   */
  async #userOf(key: string, signal: AbortSignal): Promise<string> {
    const { clock, keys } = this.#o;
    this.#pace.check(`key ${key}`, clock.monotonicMs());
    const user = await keys.userOf(key, signal);
    if (user !== undefined) return user;
    this.#pace.note(`key ${key}`, clock.monotonicMs());
    throw new GridError<FlistErrorCode>('HUB_KEY_UNKNOWN', `nobody here has key ${key}`, {
      hint: 'use a key that the phonebook lists',
    });
  }

  async #paced<T>({ socket }: IncomingMessage, work: () => Promise<T>): Promise<T> {
    const { clock } = this.#o;
    const who = `address ${networkOf(socket.remoteAddress ?? '')}`;
    this.#pace.check(who, clock.monotonicMs());
    try {
      return await work();
    } catch (error) {
      if (isGridError(error) && failures.has(error.code)) this.#pace.note(who, clock.monotonicMs());
      throw error;
    }
  }
}
