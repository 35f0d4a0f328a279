import { toBase64url } from '../tree/base64.ts';
import { HttpLink } from './http-link.ts';

/** Sends what is signed and not logged; it needs no session. */
export class MessageLink {
  readonly #link: HttpLink;

  constructor(url: string, timeoutMs: number) {
    const authorize = (): Promise<undefined> => Promise.resolve(undefined);
    this.#link = new HttpLink({ url, timeoutMs, authorize, renew: () => false });
  }

  /**
   * Sends a message, and once only: one that came in and was not answered would be stale the next
   * time. Resolves when it counts.
   */
  async send(
    path: '/v1/heartbeats' | '/v1/renewals',
    message: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const body = { message: toBase64url(message) };
    await this.#link.json(path, { method: 'POST', body, signal, isPublic: true });
  }
}
