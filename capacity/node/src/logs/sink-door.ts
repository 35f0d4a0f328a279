import { once } from 'node:events';
import { request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';

import { errorCode, GridError, isGridError, withTimeout } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';

import type { NodeErrorCode } from '../errors.ts';
import { addressOf } from './sink-address.ts';
import type { ForbiddenAddresses } from './sink-address.ts';

/** What became of lines that were sent. `untaken`: surely nobody has any of them. */
export type Delivery = 'taken' | 'untaken' | 'unknown';

/** Where lines go. */
export interface SinkDoor extends AsyncDisposable {
  /** Never throws: what stands in the way now may be gone later. */
  deliver(texts: readonly string[], signal: AbortSignal): Promise<Delivery>;
}

const deliverTimeoutMs = 10_000;

/** @throws NODE_CONFIG_INVALID */
export function sinkDoor(to: string, forbidden: ForbiddenAddresses): SinkDoor {
  const url = URL.parse(to);
  switch (url?.protocol) {
    case 'redis:':
    case 'rediss:':
      return new RedisDoor(url, forbidden);
    case 'http:':
    case 'https:':
      return new HttpDoor(url, forbidden);
    default:
      // The address may hold a password: it is not shown.
      throw new GridError<NodeErrorCode>(
        'NODE_CONFIG_INVALID',
        'a sink of logs has no such address',
        {
          hint: 'give redis://host:port/channel, rediss://..., http://... or https://...',
        },
      );
  }
}

/** One PUBLISH for each line, on the channel that the path names. */
class RedisDoor implements SinkDoor {
  readonly #url: URL;
  readonly #forbidden: ForbiddenAddresses;
  #client: RespClient | undefined;

  constructor(url: URL, forbidden: ForbiddenAddresses) {
    this.#url = url;
    this.#forbidden = forbidden;
  }

  async deliver(texts: readonly string[], signal: AbortSignal): Promise<Delivery> {
    const client = await this.#connected().catch(() => undefined);
    if (client === undefined) return 'untaken';
    const channel = decodeURIComponent(this.#url.pathname.slice(1));
    const sent = (stop: AbortSignal): Promise<unknown> =>
      Promise.all(
        texts.map((text) => client.command(['PUBLISH', channel, text], { signal: stop })),
      );
    try {
      await withTimeout(sent, { timeoutMs: deliverTimeoutMs, what: 'a sink of logs', signal });
      return 'taken';
    } catch {
      await this.#drop();
      return 'unknown';
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#drop();
  }

  async #connected(): Promise<RespClient> {
    if (this.#client?.isConnected === true) return this.#client;
    await this.#drop();
    const { protocol, port, username, password } = this.#url;
    this.#client = await RespClient.connect({
      host: await addressOf(this.#url, this.#forbidden),
      port: port === '' ? 6379 : Number(port),
      connectTimeoutMs: deliverTimeoutMs,
      closeTimeoutMs: 100,
      ...(protocol === 'rediss:' ? { tls: serverName(this.#url) } : {}),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    });
    return this.#client;
  }

  async #drop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close();
  }
}

/** One POST for all, a line of JSON each. Answers are not read, redirects not followed. */
class HttpDoor implements SinkDoor {
  readonly #url: URL;
  readonly #forbidden: ForbiddenAddresses;

  constructor(url: URL, forbidden: ForbiddenAddresses) {
    this.#url = url;
    this.#forbidden = forbidden;
  }

  async deliver(texts: readonly string[], signal: AbortSignal): Promise<Delivery> {
    try {
      const address = await addressOf(this.#url, this.#forbidden);
      const post = (stop: AbortSignal): Promise<number> => this.#post(address, texts, stop);
      const limits = { timeoutMs: deliverTimeoutMs, what: 'a sink of logs', signal };
      const status = await withTimeout(post, limits);
      if (status >= 200 && status < 300) return 'taken';
      return untakenStatus.has(status) ? 'untaken' : 'unknown';
    } catch (error) {
      return isUnsent(error) ? 'untaken' : 'unknown';
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #post(address: string, texts: readonly string[], signal: AbortSignal): Promise<number> {
    const request = this.#url.protocol === 'https:' ? requestHttps : requestHttp;
    const { username, password, host } = this.#url;
    const auth = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const body = Buffer.from(texts.map((text) => `${text}\n`).join(''));
    const outgoing = request({
      method: 'POST',
      host: address,
      port: this.#url.port,
      path: `${this.#url.pathname}${this.#url.search}`,
      ...serverName(this.#url),
      agent: false,
      signal,
      headers: {
        host,
        'content-type': 'application/x-ndjson',
        'content-length': body.length,
      },
      ...(username === '' && password === '' ? {} : { auth }),
    });
    // Whatever happens after the answer is nobody's concern.
    outgoing.on('error', () => {});
    outgoing.end(body);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    response.destroy();
    return response.statusCode ?? 0;
  }
}

/** What a certificate must be for; an address is compared by itself. */
function serverName({ hostname }: URL): { readonly servername?: string } {
  return isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? { servername: hostname } : {};
}

/** Too many requests, and out of service: the request was not looked at. */
const untakenStatus = new Set([429, 503]);

/** Whether not even a connection came about, or no address was found. */
function isUnsent(error: unknown): boolean {
  if (isGridError(error, 'NODE_SINK_FORBIDDEN')) return true;
  const syscall = error instanceof Error && 'syscall' in error ? error.syscall : undefined;
  return (
    errorCode(error) !== undefined && (syscall === 'connect' || String(syscall).startsWith('query'))
  );
}
