import { ClientSession } from './client-session.ts';
import { HttpLink } from './http-link.ts';
import type { Signer } from './signer.ts';

/** Where a follower finds the log, and as whom it asks. */
export interface SourceOptions {
  /** Address of the HTTP door: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Hash of the genesis, base64url. */
  readonly log: string;
  /** Token of the owner. */
  readonly token?: string;
  /** Key that the server is shown. Not together with `token`. */
  readonly key?: Signer;
  /** How long one try of a request may take. Default 30 s; a wait for records takes up to 25 s. */
  readonly timeoutMs?: number;
}

/** Where a server shows who sequenced its log. */
export const successionPath = '/v1/handovers';

/** Requests of a follower to one server. */
export function sourceLink({ url, log, token, key, timeoutMs = 30_000 }: SourceOptions): HttpLink {
  const session = new ClientSession({ token, key, log });
  const link: HttpLink = new HttpLink({
    url,
    timeoutMs,
    authorize: () => session.authorization(link),
    renew: () => session.renew(),
  });
  return link;
}
