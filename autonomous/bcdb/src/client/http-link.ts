import type { GridError } from '@commongrid/base/browser';
import { parseJson, readError, replyInvalid, toGridError, unreachable } from './wire-error.ts';

/** Calls of one request, the first included, when the connection is lost or the server is busy. */
const triesMax = 5;

/** Longest answer that is read, bytes. */
const answerBytesMax = 64 << 20;

const firstPauseMs = 100;

export interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Whether it goes without a token: what is public needs none. */
  readonly isPublic?: boolean;
  /** How long the server may take until its answer begins. Default: as long as one try may take. */
  readonly answerMs?: number;
  /** Whether sending it twice is as good as once. Default: for GET only. */
  readonly isIdempotent?: boolean;
}

export interface HttpLinkOptions {
  readonly url: string;
  /** How long one try may take. */
  readonly timeoutMs: number;
  /** Value of the `Authorization` header; asked before each try. */
  readonly authorize: () => Promise<string | undefined>;
  /** A token was refused; true when there is a new one to try. */
  readonly renew: () => boolean;
}

/** Requests to one server: errors become `GridError`s again, what can be sent twice is retried. */
export class HttpLink {
  readonly #options: HttpLinkOptions;

  constructor(options: HttpLinkOptions) {
    this.#options = options;
  }

  /** @throws BCDB_UNREACHABLE, BCDB_REPLY_INVALID, BASE_ABORTED and what the server refuses with */
  async json<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return this.#retried(options, async () => {
      const response = await this.#once(path, options);
      const value = parseJson(await textOf(response));
      if (value === undefined) throw replyInvalid('the answer is no JSON');
      // The server's answers are typed by its routes; what matters is verified by who asked.
      return value as T;
    });
  }

  async text(path: string, options: RequestOptions = {}): Promise<string> {
    return this.#retried(options, async () => textOf(await this.#once(path, options)));
  }

  /** An answer that goes on: only its beginning is bounded in time. */
  stream(path: string, options: RequestOptions = {}): Promise<Response> {
    return this.#once(path, options, true);
  }

  async #retried<T>(options: RequestOptions, run: () => Promise<T>): Promise<T> {
    const { isIdempotent = (options.method ?? 'GET') === 'GET', signal } = options;
    let isRenewed = false;
    for (let tries = 1; ; tries++) {
      try {
        return await run();
      } catch (error) {
        const known = toGridError(error, signal);
        if (isTokenRefused(known) && !isRenewed && this.#options.renew()) {
          isRenewed = true;
          continue;
        }
        const isLost = known.code === 'BCDB_UNREACHABLE' || known.code === 'BCDB_BUSY';
        if (!isLost || !isIdempotent || tries >= triesMax) throw known;
      }
      await pause(firstPauseMs * 2 ** (tries - 1), signal);
    }
  }

  async #once(path: string, options: RequestOptions, isEndless = false): Promise<Response> {
    const { method = 'GET', body, headers, signal, answerMs } = options;
    const { url, timeoutMs, authorize } = this.#options;
    const authorization = options.isPublic === true ? undefined : await authorize();
    const limit = AbortSignal.timeout(timeoutMs);
    const silence = answerMs === undefined ? undefined : AbortSignal.timeout(answerMs);
    const cut = new AbortController();
    const onLimit = ({ target }: Event): void => cut.abort((target as AbortSignal).reason);
    limit.addEventListener('abort', onLimit, { once: true });
    silence?.addEventListener('abort', onLimit, { once: true });
    const response = await fetch(new URL(path, url), {
      method,
      headers: {
        ...headers,
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'error',
      signal: signal === undefined ? cut.signal : AbortSignal.any([signal, cut.signal]),
    });
    if (isEndless) limit.removeEventListener('abort', onLimit);
    silence?.removeEventListener('abort', onLimit);
    if (!response.ok) throw await refusalOf(response, method === 'GET');
    return response;
  }
}

async function refusalOf(response: Response, isAnswer: boolean): Promise<GridError> {
  const refusal = readError(parseJson(await textOf(response)), isAnswer);
  if (refusal !== undefined) return refusal;
  const cause = replyInvalid(`the answer is status ${response.status} and no error of BCDB`);
  // Something ahead of the server, or a server that is closing, speaks for it.
  return response.status >= 502 && response.status <= 504 ? unreachable(cause) : cause;
}

async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ['', 0];
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw replyInvalid(`an answer above ${answerBytesMax} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function isTokenRefused({ code }: GridError): boolean {
  return code === 'BCDB_SESSION_EXPIRED' || code === 'BCDB_AUTH_FAILED';
}

/** @throws BASE_ABORTED */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = (): void => resolve(undefined);
  const timer = setTimeout(end, ms);
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted === true) end();
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener('abort', end);
  if (signal?.aborted === true) throw toGridError(signal.reason, signal);
}
