import { isGridError } from '@commongrid/base/browser';
import type { CallOptions, ClientChange, WatchedChange } from './client-types.ts';
import { serverEvents } from './event-stream.ts';
import { pause } from './http-link.ts';
import type { HttpLink } from './http-link.ts';
import { parseJson, readError, replyInvalid, toGridError } from './wire-error.ts';

export interface WatchOptions extends CallOptions {
  readonly url?: string;
  /** `place` of the last change that was seen. */
  readonly after?: string;
  /** First sequence, without `after`. Default: what comes from now on. */
  readonly from?: number;
}

/** Pause before a lost connection is made again. */
const reconnectMs = 500;

/** Longest silence: the server says something each 15 s. */
const silenceMs = 45_000;

/** Changes as they come; a lost connection is made again and goes on after the last change. */
export async function* watchChanges(
  link: HttpLink,
  ns: string,
  { url, after, from, signal }: WatchOptions,
): AsyncGenerator<WatchedChange, void> {
  let place = after;
  for (;;) {
    try {
      for await (const change of changesOnce(link, watchPath(ns, { url, from }), place, signal)) {
        place = change.place;
        yield change;
      }
    } catch (error) {
      const known = toGridError(error, signal);
      const isLost = known.retryable || isGridError(known, 'BCDB_UNREACHABLE');
      if (!isLost) throw known;
    }
    await pause(reconnectMs, signal);
  }
}

async function* changesOnce(
  link: HttpLink,
  path: string,
  place: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<WatchedChange, void> {
  const silence = new AbortController();
  const ended = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
  let timer = setTimeout(() => silence.abort(), silenceMs);
  try {
    const headers = place === undefined ? {} : { 'last-event-id': place };
    const response = await link.stream(path, { headers, signal: ended });
    const heard = heardFrom(response.body, () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), silenceMs);
    });
    for await (const { id, event, data } of serverEvents(heard)) {
      const value = parseJson(data);
      if (event === 'cut') throw readError(value) ?? replyInvalid('the watch was cut');
      if (event !== 'change' || id === undefined) continue;
      yield { ...(value as ClientChange), place: id };
    }
  } catch (error) {
    throw toGridError(error, signal);
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

async function* heardFrom(
  body: AsyncIterable<Uint8Array> | null,
  hear: () => void,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of body ?? []) {
    hear();
    yield chunk;
  }
}

function watchPath(
  ns: string,
  { url, from }: { readonly url: string | undefined; readonly from: number | undefined },
): string {
  const query = new URLSearchParams();
  if (url !== undefined) query.set('url', url);
  if (from !== undefined) query.set('from', String(from));
  return `/v1/namespaces/${encodeURIComponent(ns)}/watch?${query.toString()}`;
}
