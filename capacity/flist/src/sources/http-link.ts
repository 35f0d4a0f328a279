import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

import { errorCode } from '@commongrid/base';

export interface HttpAsk {
  readonly method: 'GET' | 'POST';
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
}

/** Connections that stay open between requests. */
const idleConnectionsMax = 8;

/**
 * Requests to one server over connections that are used again. `node:http` itself, not `fetch`: bytes
 * that come by the hundred megabytes cost half as much without web streams around them.
 */
export class HttpLink {
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agents: Readonly<Record<string, HttpAgent>>;

  constructor(headers: Readonly<Record<string, string>>) {
    this.#headers = headers;
    const options = { keepAlive: true, maxFreeSockets: idleConnectionsMax };
    this.#agents = { 'http:': new HttpAgent(options), 'https:': new HttpsAgent(options) };
  }

  /** The answer, whatever its status; redirects are not followed. It has to be read or destroyed. */
  async ask(url: string, ask: HttpAsk): Promise<IncomingMessage> {
    for (;;) {
      const request = this.#request(new URL(url), ask);
      try {
        return await answerOf(request, ask.body);
      } catch (error) {
        // A connection that was idle may have been closed just then; a new one tells.
        const isStale = request.reusedSocket && errorCode(error) === 'ECONNRESET';
        if (!isStale || ask.signal.aborted) throw error;
      }
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #request(url: URL, { method, body, signal }: HttpAsk): ClientRequest {
    const headers = {
      ...this.#headers,
      ...(body === undefined ? {} : { 'content-length': body.length }),
    };
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return request(url, { method, headers, signal, agent: this.#agents[url.protocol] });
  }
}

function answerOf(request: ClientRequest, body: Uint8Array | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    // Also after the answer has come, when its own error says why.
    request.on('error', reject);
    // A connection may be given up without an error, as after an answer to what nobody asked.
    request.once('close', () => reject(new Error('the connection was closed')));
    request.end(body);
  });
}
