import { GridError, isGridError, systemClock, systemRandom } from '@commongrid/base';
import type { Clock, Random } from '@commongrid/base';
import { PublicKey } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../../errors.ts';
import { authDomain, challengeMessage } from './challenge-message.ts';
import type { ChallengeAnswer } from './challenge-message.ts';
import { Challenges } from './challenges.ts';
import { HeldRefusals } from './held-refusals.ts';
import type { Identity } from './identity.ts';
import { OwnerToken, SessionTokens } from './token.ts';

export interface GateOptions {
  /** Hash of the genesis, base64url. */
  readonly log: string;
  /** Text of the owner's key: as whom the token lets in. */
  readonly ownerKey: string;
  /** 32 random bytes, base64url. Without it nobody comes in as the owner. */
  readonly ownerToken?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

export interface SignedAnswer extends Omit<ChallengeAnswer, 'log'> {
  /** 64 bytes over `challengeMessage`. */
  readonly signature: Uint8Array;
}

export interface AttemptFrom {
  /** Address of the peer: failures from there slow each other. */
  readonly address: string;
  readonly signal?: AbortSignal | undefined;
}

/** Finds out who speaks at a door. Failures are told late, and later each time. */
export class Gate {
  readonly #log: string;
  readonly #owner: Identity;
  readonly #ownerToken: OwnerToken | undefined;
  readonly #sessions: SessionTokens;
  readonly #challenges: Challenges;
  readonly #refusals: HeldRefusals;

  /** @throws BCDB_TOKEN_WEAK */
  constructor(options: GateOptions) {
    const { log, ownerKey, ownerToken, clock = systemClock, random = systemRandom } = options;
    this.#log = log;
    this.#owner = { kind: 'owner', key: ownerKey };
    this.#ownerToken = ownerToken === undefined ? undefined : new OwnerToken(ownerToken);
    this.#sessions = new SessionTokens(clock, random);
    this.#challenges = new Challenges(clock, random);
    this.#refusals = new HeldRefusals(clock);
  }

  /** Something to sign, good for one answer within a minute. */
  challenge(): string {
    return this.#challenges.issue();
  }

  /**
   * Who answered a challenge.
   * @throws BCDB_CHALLENGE_EXPIRED, BCDB_AUTH_FAILED, BASE_ABORTED
   */
  async answer({ signature, ...answer }: SignedAnswer, from: AttemptFrom): Promise<Identity> {
    if (!this.#challenges.take(answer.challenge)) {
      await this.#refusals.hold(from.address, from.signal);
      throw failure('BCDB_CHALLENGE_EXPIRED', 'this challenge is used up, too old or not ours', {
        hint: 'ask for a new one and answer it within a minute',
        retryable: true,
      });
    }
    const message = challengeMessage({ ...answer, log: this.#log });
    if (isSignedBy(answer.key, message, signature)) return { kind: 'key', key: answer.key };
    await this.#refusals.hold(from.address, from.signal);
    throw failure('BCDB_AUTH_FAILED', 'the signature does not answer the challenge', {
      hint: `sign {challenge, door, key, log} as canonical JSON for ${authDomain}`,
    });
  }

  /** A token that stands for a key for an hour. */
  session(identity: Identity): string {
    return this.#sessions.issue(identity.key);
  }

  /**
   * Whom a token stands for: the owner, or the key of a session.
   * @throws BCDB_SESSION_EXPIRED, BCDB_AUTH_FAILED, BASE_ABORTED
   */
  async identify(token: string, from: AttemptFrom): Promise<Identity> {
    if (this.#ownerToken?.matches(token) === true) return this.#owner;
    const session = this.#sessions.check(token);
    if (typeof session !== 'string') return session;
    if (session === 'expired') {
      throw failure('BCDB_SESSION_EXPIRED', 'the session is over', {
        hint: 'answer a new challenge',
        retryable: true,
      });
    }
    await this.#refusals.hold(from.address, from.signal);
    throw failure('BCDB_AUTH_FAILED', 'this token is not known here', {
      hint: 'see whether it is that of this database; sessions end when the server does',
    });
  }
}

function isSignedBy(key: string, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return PublicKey.fromText(key).verify(authDomain, message, signature);
  } catch (error) {
    if (isGridError(error, 'CRYPTO_KEY_INVALID')) return false;
    throw error;
  }
}

function failure(
  code: BcdbErrorCode,
  message: string,
  options: { readonly hint: string; readonly retryable?: boolean },
): GridError<BcdbErrorCode> {
  return new GridError(code, message, options);
}
