import { createHmac, hash } from 'node:crypto';
import { equalBytes, GridError } from '@commongrid/base';
import type { Clock, Random } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import type { Identity } from './identity.ts';

/** How long a session lasts. */
export const sessionMs = 3_600_000;

/**
 * The token of the owner: 32 random bytes as base64url. The process keeps its hash only.
 * @throws BCDB_TOKEN_WEAK
 */
export class OwnerToken {
  readonly #hash: Uint8Array;

  constructor(token: string) {
    if (!/^[A-Za-z0-9_-]{43}$/.test(token)) {
      throw new GridError<BcdbErrorCode>(
        'BCDB_TOKEN_WEAK',
        'the owner token is not 32 random bytes as base64url',
        { hint: 'make one: head -c 32 /dev/urandom | basenc --base64url | tr -d =' },
      );
    }
    this.#hash = hash('sha256', token, 'buffer');
  }

  matches(token: string): boolean {
    return equalBytes(hash('sha256', token, 'buffer'), this.#hash);
  }
}

/** A session token that is good, one that is over, or something else. */
export type SessionCheck = Identity | 'expired' | 'unknown';

/**
 * Session tokens: `KEY.END.MAC`. Whoever answered a challenge carries the fact himself, so that no
 * number of sessions fills a table. The secret lives as long as the process.
 */
export class SessionTokens {
  readonly #clock: Clock;
  readonly #secret: Uint8Array;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#secret = random.bytes(32);
  }

  issue(key: string): string {
    const claim = `${key.replace('ed25519:', '')}.${Math.floor(this.#clock.monotonicMs()) + sessionMs}`;
    return `${claim}.${this.#mac(claim)}`;
  }

  check(token: string): SessionCheck {
    const { claim, key, end, mac } = sessionPattern.exec(token)?.groups ?? {};
    if (claim === undefined || mac === undefined) return 'unknown';
    if (!equalBytes(Buffer.from(mac), Buffer.from(this.#mac(claim)))) return 'unknown';
    if (Number(end) <= this.#clock.monotonicMs()) return 'expired';
    return { kind: 'key', key: `ed25519:${key ?? ''}` };
  }

  #mac(claim: string): string {
    return createHmac('sha256', this.#secret).update(claim).digest('base64url');
  }
}

const sessionPattern =
  /^(?<claim>(?<key>[A-Za-z0-9_-]{43})\.(?<end>[0-9]{1,15}))\.(?<mac>[A-Za-z0-9_-]{43})$/;
