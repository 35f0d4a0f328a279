import { authDomain, challengeMessage } from '../doors/access/challenge-message.ts';
import { toBase64url } from '../tree/base64.ts';
import type { HttpLink } from './http-link.ts';
import type { Signer } from './signer.ts';

export interface ClientSessionOptions {
  /** Token of the owner. */
  readonly token: string | undefined;
  /** Key of somebody else. */
  readonly key: Signer | undefined;
  readonly log: string;
}

/** As whom a client speaks: the owner, the holder of a key, or nobody in particular. */
export class ClientSession {
  readonly #options: ClientSessionOptions;
  /** Token of the key's session; all requests that need one wait for the same. */
  #session: Promise<string> | undefined;

  constructor(options: ClientSessionOptions) {
    this.#options = options;
  }

  /** Value of the `Authorization` header. */
  async authorization(link: HttpLink): Promise<string | undefined> {
    const { token, key } = this.#options;
    if (token !== undefined) return `Bearer ${token}`;
    if (key === undefined) return undefined;
    this.#session ??= this.#login(link, key);
    return `Bearer ${await this.#session}`;
  }

  /** The session is over; whether another one can be had. */
  renew(): boolean {
    this.#session = undefined;
    return this.#options.key !== undefined;
  }

  /** Shows the server that the key is here; the token lasts an hour. */
  async #login(link: HttpLink, key: Signer): Promise<string> {
    try {
      const post = { method: 'POST', isPublic: true } as const;
      const { challenge } = await link.json<{ readonly challenge: string }>('/v1/challenge', {
        ...post,
        isIdempotent: true,
      });
      const answer = { challenge, key: key.publicKey.text };
      const { log } = this.#options;
      const message = challengeMessage({ ...answer, door: 'http', log });
      const signature = toBase64url(await key.sign(authDomain, message));
      const body = { ...answer, signature };
      const { token } = await link.json<{ readonly token: string }>('/v1/session', {
        ...post,
        body,
      });
      return token;
    } catch (error) {
      this.#session = undefined;
      throw error;
    }
  }
}
