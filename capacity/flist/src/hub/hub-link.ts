import { abortError, GridError, isGridError, retry } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';

import type { FlistErrorCode } from '../errors.ts';
import { sha256Of, signRequest } from './request-signature.ts';

export interface HubLinkOptions {
  /** Origin of the hub, `https://hub.example`. */
  readonly url: string;
  readonly audience: string;
  readonly key: SigningKey | undefined;
  readonly clock: Clock;
  /** Tries of one request, the first included. */
  readonly triesMax: number;
  /** Of one try. */
  readonly timeoutMs: number;
}

export interface HubCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With its query. */
  readonly path: string;
  /** Bytes as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Called with each piece of the answer, which then may take long: the time begins anew. */
  readonly onBytes?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/** Longest JSON that is read, bytes. */
const jsonBytesMax = 64 * 1024 * 1024;
/** Longest message of an error that is shown, characters. */
const messageLengthMax = 1_000;

/** Requests to one hub: signs them, makes `GridError`s of refusals again, tries again what may pass. */
export class HubLink {
  readonly #options: HubLinkOptions;

  constructor(options: HubLinkOptions) {
    this.#options = options;
  }

  /** @throws HUB_UNREACHABLE, HUB_REPLY_INVALID, BASE_ABORTED and what the hub refuses with */
  async json(call: HubCall): Promise<unknown> {
    const bytes = await this.bytes(call, jsonBytesMax);
    const json = parsed(bytes);
    if (json === undefined) throw replyInvalid('the answer is no JSON');
    return json;
  }

  /** @throws as `json` */
  bytes(call: HubCall, sizeBytesMax: number): Promise<Buffer> {
    const { triesMax, clock } = this.#options;
    const { signal } = call;
    // To delete twice would fail where deleting once has done it; all else can be said again.
    const attempts = call.method === 'DELETE' ? 1 : triesMax;
    return retry(() => this.#try(call, sizeBytesMax), { attempts, clock, signal });
  }

  async #try(call: HubCall, sizeBytesMax: number): Promise<Buffer> {
    const { timeoutMs, url } = this.#options;
    const { method, path, signal, onBytes } = call;
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), timeoutMs);
    try {
      const body = bodyOf(call.body);
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: { 'content-type': 'application/octet-stream', ...this.#signed(call, body) },
        ...(body === undefined ? {} : { body }),
        redirect: 'error',
        signal: signal === undefined ? patience.signal : AbortSignal.any([signal, patience.signal]),
      });
      const bytesMax = answer.ok ? sizeBytesMax : jsonBytesMax;
      const totalBytes = Number(answer.headers.get('content-length') ?? 0);
      const bytes = await readAnswer(answer, bytesMax, (doneBytes) => {
        if (onBytes === undefined) return;
        timer.refresh();
        onBytes(doneBytes, totalBytes);
      });
      if (answer.ok) return bytes;
      throw refusalIn(parsed(bytes), answer.status);
    } catch (error) {
      if (isGridError(error)) throw error;
      if (signal?.aborted === true) throw abortError(signal);
      throw new GridError<FlistErrorCode>('HUB_UNREACHABLE', `hub ${url} does not answer`, {
        hint: 'see that the hub runs and that this is its address',
        retryable: true,
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #signed({ method, path }: HubCall, body: Uint8Array | undefined): Record<string, string> {
    const { key, audience, clock } = this.#options;
    // Reading is for everybody.
    if (key === undefined || method === 'GET') return {};
    const bodySha256 = sha256Of(body ?? new Uint8Array());
    return signRequest(key, { audience, method, target: path, bodySha256 }, clock.nowMs());
  }
}

export function replyInvalid(what: string, cause?: unknown): GridError<FlistErrorCode> {
  return new GridError('HUB_REPLY_INVALID', what, { hint: 'check the address of the hub', cause });
}

function bodyOf(body: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (body === undefined) return undefined;
  return body instanceof Uint8Array ? Uint8Array.from(body) : Buffer.from(JSON.stringify(body));
}

async function readAnswer(
  answer: Response,
  sizeBytesMax: number,
  onBytes: (doneBytes: number) => void,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of answer.body ?? []) {
    bytes += piece.length;
    if (bytes > sizeBytesMax) throw replyInvalid(`the answer is longer than ${sizeBytesMax} bytes`);
    pieces.push(piece);
    onBytes(bytes);
  }
  return Buffer.concat(pieces);
}

function parsed(bytes: Buffer): unknown {
  try {
    const json: unknown = JSON.parse(bytes.toString('utf8'));
    return json;
  } catch {
    return undefined;
  }
}

/** The hub's error; of anything else that answers, what can be said. */
function refusalIn(json: unknown, status: number): GridError {
  const isObject = typeof json === 'object' && json !== null;
  const { schema, code, message, hint, retryable, details } = isObject
    ? (json as Record<string, unknown>)
    : {};
  const isOurs = schema === 'grid.error.1' && typeof message === 'string';
  if (!isOurs || typeof code !== 'string' || !/^[A-Z][A-Z0-9_]{1,63}$/.test(code)) {
    return new GridError<FlistErrorCode>(
      'HUB_UNREACHABLE',
      `status ${status} and no error of a hub`,
      {
        hint: 'check the address of the hub, and what stands ahead of it',
        retryable: status >= 500,
      },
    );
  }
  return new GridError(code, message.slice(0, messageLengthMax), {
    hint: typeof hint === 'string' ? hint.slice(0, messageLengthMax) : undefined,
    retryable: retryable === true,
    details: typeof details === 'object' && details !== null ? { ...details } : {},
  });
}
