import { abortError, errorCode, GridError, retry, throwIfAborted } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { readBounded } from './digest.ts';
import { isLoopback, registryHost, shownReference } from './reference.ts';
import type { ImageReference } from './reference.ts';
import { basicHeader, parseChallenge, tokenOf, tokenUrl } from './registry-auth.ts';
import type { Challenge, RegistryCredentials } from './registry-auth.ts';
import { Silence, watchedBody } from './registry-silence.ts';

/** Redirects of one request that are followed. */
const redirectsMax = 5;

/** Calls of one request, the first included. */
const attemptsMax = 4;

/** How long a registry may say nothing at all. */
const silenceMsMax = 30_000;

/** A slower connection than 32 kB a second is taken for none while something is sent. */
const slowestBytesPerMs = 32;

/** Bytes of an answer that says why something failed, or that has a token. */
const answerBytesMax = 256 * 1024;

export interface RegistryOptions {
  readonly credentials?: RegistryCredentials | undefined;
  /** Allows plain HTTP to a machine other than this one. Default false. */
  readonly allowPlainHttp?: boolean;
  /** How long a registry may say nothing at all. Default 30,000. */
  readonly silenceMs?: number;
}

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT';
  /** A path below the repository, `/manifests/latest`, or where the registry said. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly signal: AbortSignal | undefined;
  /** Answers that are no error: their status. */
  readonly expected: readonly number[];
}

/** An answer whose body comes piece by piece, each in time. */
export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Where it came from after redirects. */
  readonly url: URL;
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the connection when the body is not read to its end. */
  discard(): Promise<void>;
}

/**
 * Speaks to the repository of one image as the distribution specification of OCI says. It answers
 * challenges (a token of the realm, or Basic), follows redirects without showing credentials to
 * another origin, and tries again what may succeed later.
 */
export class RegistryClient {
  readonly #reference: ImageReference;
  readonly #options: RegistryOptions;
  readonly #base: URL;
  #authorization: string | undefined;
  #scope: string;

  /** @throws FLIST_REGISTRY_INSECURE */
  constructor(reference: ImageReference, options: RegistryOptions = {}) {
    const host = registryHost(reference);
    const isPlain = isLoopback(host) || options.allowPlainHttp === true;
    this.#reference = reference;
    this.#options = options;
    this.#base = new URL(`${isPlain ? 'http' : 'https'}://${host}/v2/${reference.repository}/`);
    this.#scope = `repository:${reference.repository}:pull`;
  }

  /** From now on tokens are asked for that allow to write, too. */
  allowPush(): void {
    this.#scope = `repository:${this.#reference.repository}:pull,push`;
    this.#authorization = undefined;
  }

  /**
   * Sends a request, again while it fails for reasons that pass.
   * @throws FLIST_IMAGE_ABSENT, FLIST_REGISTRY_DENIED, FLIST_REGISTRY_FAILED,
   *   FLIST_REGISTRY_INSECURE, BASE_ABORTED
   */
  send(request: RegistryRequest): Promise<RegistryAnswer> {
    // Half of an upload cannot be sent twice: whoever uploads begins again.
    const attempts = typeof request.target === 'string' ? attemptsMax : 1;
    return retry(() => this.#authorized(request), {
      attempts,
      signal: request.signal,
    });
  }

  async #authorized(request: RegistryRequest): Promise<RegistryAnswer> {
    const answer = await this.#follow(request);
    // Only the registry itself may ask who we are, not where it sends us to.
    const isAsked = answer.status === 401 && answer.url.origin === this.#base.origin;
    if (!isAsked) return this.#checked(request, answer);
    const challenge = parseChallenge(answer.headers.get('www-authenticate'));
    await answer.discard();
    if (challenge === undefined) throw this.#denied('it does not say how to ask');
    this.#authorization = await this.#authorizationFor(challenge, request.signal);
    return this.#checked(request, await this.#follow(request));
  }

  async #authorizationFor(challenge: Challenge, signal: AbortSignal | undefined): Promise<string> {
    const { credentials } = this.#options;
    if (challenge.scheme === 'basic') {
      if (credentials === undefined) throw this.#denied('it wants a user and a password');
      return basicHeader(credentials);
    }
    const url = tokenUrl(challenge.realm, challenge.service, this.#scope);
    if (url === undefined) throw this.#failed('its realm is no URL', false);
    this.#checkSafe(url);
    const headers = credentials === undefined ? {} : { authorization: basicHeader(credentials) };
    const answer = await this.#fetch(url, { method: 'GET', headers, redirect: 'error' }, signal);
    const text = (await readBounded(answer.body, answerBytesMax, 'an answer')).toString('utf8');
    if (answer.status === 401 || answer.status === 403)
      throw this.#denied('no token for this user');
    if (answer.status !== 200) throw this.#statusFailure(answer.status, 'no token');
    const token = tokenOf(jsonOf(text));
    if (token === undefined) throw this.#failed('its realm gives no token', false);
    return `Bearer ${token}`;
  }

  /** Sends a request and follows where it is sent to. */
  async #follow(request: RegistryRequest): Promise<RegistryAnswer> {
    const { method, target, headers = {}, body, signal } = request;
    let url = typeof target === 'string' ? new URL(`.${target}`, this.#base) : target;
    for (let redirects = 0; ; redirects++) {
      this.#checkSafe(url);
      const isHome = url.origin === this.#base.origin;
      const authorization = isHome ? this.#authorization : undefined;
      const answer = await this.#fetch(
        url,
        {
          method,
          headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
          ...(body === undefined ? {} : { body }),
          redirect: 'manual',
        },
        signal,
      );
      const isRedirect = [301, 302, 303, 307, 308].includes(answer.status);
      if (!isRedirect || (method !== 'GET' && method !== 'HEAD')) return answer;
      await answer.discard();
      const location = answer.headers.get('location') ?? '';
      if (redirects >= redirectsMax || !URL.canParse(location, url)) {
        throw this.#failed('its redirects lead nowhere', false);
      }
      url = new URL(location, url);
    }
  }

  async #fetch(
    url: URL,
    init: RequestInit,
    signal: AbortSignal | undefined,
  ): Promise<RegistryAnswer> {
    throwIfAborted(signal);
    const bodyMs = init.body instanceof Uint8Array ? init.body.length / slowestBytesPerMs : 0;
    const watch = new Silence((this.#options.silenceMs ?? silenceMsMax) + bodyMs, signal);
    const failure = (error: unknown): unknown => {
      if (signal?.aborted === true) return abortError(signal);
      const why = watch.isOver ? 'it says nothing' : causeOf(error);
      return this.#failed(`${url.host}: ${why}`, true, error);
    };
    let response: Response;
    try {
      response = await fetch(url, { ...init, signal: watch.signal });
    } catch (error) {
      watch.end();
      throw failure(error);
    }
    const { status, headers, body } = response;
    return {
      status,
      headers,
      url,
      body: watchedBody(body, watch, failure),
      discard: async () => {
        watch.end();
        await body?.cancel().catch(() => undefined);
      },
    };
  }

  async #checked(request: RegistryRequest, answer: RegistryAnswer): Promise<RegistryAnswer> {
    const { status } = answer;
    if (request.expected.includes(status)) return answer;
    const why = await reasonOf(answer);
    if (status === 401 || status === 403) throw this.#denied(why);
    if (status === 404) throw this.#absent(why);
    throw this.#statusFailure(status, why);
  }

  /** Nothing goes in the clear to another machine, unless it was allowed for this registry. */
  #checkSafe(url: URL): void {
    if (url.protocol === 'https:') return;
    const isAllowed = this.#options.allowPlainHttp === true && url.origin === this.#base.origin;
    // A registry elsewhere cannot send us to what listens on this machine only.
    const isOurs = isLoopback(url.host) && isLoopback(this.#base.host);
    if (url.protocol === 'http:' && (isAllowed || isOurs)) return;
    throw new GridError<FlistErrorCode>(
      'FLIST_REGISTRY_INSECURE',
      `${this.#shown()} leads to ${url.protocol}//${url.host}, which is not protected`,
      { hint: 'use a registry with HTTPS', details: { host: url.host } },
    );
  }

  #shown(): string {
    return shownReference(this.#reference);
  }

  #absent(why: string): GridError<FlistErrorCode> {
    return new GridError('FLIST_IMAGE_ABSENT', `${this.#shown()} is not there: ${why}`, {
      hint: 'correct the name or the tag',
      details: { reference: this.#shown() },
    });
  }

  #denied(why: string): GridError<FlistErrorCode> {
    return new GridError('FLIST_REGISTRY_DENIED', `${this.#shown()} is refused: ${why}`, {
      hint: 'give the credentials of a user who may do that',
      details: { reference: this.#shown() },
    });
  }

  #statusFailure(status: number, why: string): GridError<FlistErrorCode> {
    return this.#failed(`${status} ${why}`, status === 408 || status === 429 || status >= 500);
  }

  #failed(why: string, retryable: boolean, cause?: unknown): GridError<FlistErrorCode> {
    return new GridError('FLIST_REGISTRY_FAILED', `${this.#shown()} fails: ${why}`, {
      hint: 'see that the registry runs, and that this is its address',
      retryable,
      details: { reference: this.#shown() },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** The words of a registry, made short. */
async function reasonOf(answer: RegistryAnswer): Promise<string> {
  try {
    const text = (await readBounded(answer.body, answerBytesMax, 'an answer')).toString('utf8');
    const errors = /"message"\s*:\s*"([^"]{1,300})"/.exec(text)?.[1];
    return (errors ?? text.slice(0, 200).replaceAll(/\s+/g, ' ')) || 'no reason given';
  } catch {
    await answer.discard();
    return 'no reason given';
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return errorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
}
