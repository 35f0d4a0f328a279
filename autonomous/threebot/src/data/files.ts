import { GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { BotErrorCode } from '../errors.ts';
import type { DataBook, FileStore } from './data-book.ts';
import { escapeS3, signedUrl } from './signed-url.ts';
import type { UrlToSign } from './signed-url.ts';

/** For how long a URL is good unless something else is said, s. */
export const urlSecondsDefault = 900;

/** For how long a URL of a file is good at most, s. */
export const urlSecondsMax = 86_400;

/** For how long those are good that are used at once, s. */
const ownUrlSeconds = 60;

/** Files of one page of a list. */
const filesPageMax = 1_000;

/** Bytes of an answer to a list. */
const listBytesMax = 4 * 2 ** 20;

/** A file, or a folder of files, below a path. */
export interface FileEntry {
  /** Key in the bucket; that of a folder ends in `/`. */
  readonly key: string;
  readonly sizeBytes?: number;
}

export interface FilePage {
  readonly entries: readonly FileEntry[];
  readonly cursor: string | undefined;
}

export interface FileFacts {
  readonly sizeBytes: number;
  readonly mediaType: string;
}

/** Files of a bot: objects of one bucket of an S3. Their bytes go past the bot, by signed URLs. */
export class Files {
  readonly #book: Pick<DataBook, 'files'>;
  readonly #clock: Clock;

  constructor(book: Pick<DataBook, 'files'>, clock: Clock = systemClock) {
    this.#book = book;
    this.#clock = clock;
  }

  /**
   * A URL with which anybody may read a file, or write it, for a while.
   * @throws BOT_FILES_UNSET
   */
  urlOf(key: string, method: 'GET' | 'PUT', lifeSeconds = urlSecondsDefault): string {
    return this.#sign(method, key, new URLSearchParams(), lifeSeconds);
  }

  /** @returns undefined where there is no such file. @throws BOT_FILES_UNSET, BOT_FILES_FAILED */
  async facts(key: string, signal: AbortSignal): Promise<FileFacts | undefined> {
    const response = await this.#ask('HEAD', key, new URLSearchParams(), signal);
    if (response.status === 404) return undefined;
    requireDone(response);
    return {
      sizeBytes: Number(response.headers.get('content-length') ?? 0),
      mediaType: response.headers.get('content-type') ?? 'application/octet-stream',
    };
  }

  /** The key of a file by the place that its URL names; undefined for places elsewhere. */
  keyAt(url: string): string | undefined {
    const { files } = this.#book;
    if (files === undefined) return undefined;
    const bucket = `${files.endpoint.replace(/\/$/, '')}/${files.bucket}/`;
    return url.startsWith(bucket) ? decodeURIComponent(url.slice(bucket.length)) : undefined;
  }

  /** Makes the bucket, unless it is there and the key's own. */
  async makeBucket(signal: AbortSignal): Promise<void> {
    const response = await this.#ask('PUT', '', new URLSearchParams(), signal);
    if (response.status !== 409) return requireDone(response);
    const isOwn = (await response.text()).includes('<Code>BucketAlreadyOwnedByYou</Code>');
    if (!isOwn) throw failed('the bucket is of somebody else');
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    requireDone(await this.#ask('DELETE', key, new URLSearchParams(), signal));
  }

  /** Files and folders right below a prefix, which is empty or ends in `/`. */
  async list(prefix: string, cursor: string | undefined, signal: AbortSignal): Promise<FilePage> {
    const parameters = new URLSearchParams({
      ...{ 'list-type': '2', 'encoding-type': 'url', delimiter: '/', prefix },
      'max-keys': String(filesPageMax),
      ...(cursor === undefined ? {} : { 'continuation-token': cursor }),
    });
    const response = await this.#ask('GET', '', parameters, signal);
    requireDone(response);
    const xml = await response.text();
    if (xml.length > listBytesMax) throw failed('its list of files is too long');
    return readList(xml);
  }

  async #ask(
    method: UrlToSign['method'],
    key: string,
    parameters: URLSearchParams,
    signal: AbortSignal,
  ): Promise<Response> {
    const url = this.#sign(method, key, parameters, ownUrlSeconds);
    try {
      return await fetch(url, { method, signal, redirect: 'error' });
    } catch (cause) {
      if (isGridError(cause)) throw cause;
      throw failed('S3 does not answer', { cause });
    }
  }

  #sign(
    method: UrlToSign['method'],
    key: string,
    parameters: URLSearchParams,
    lifeSeconds: number,
  ): string {
    const { endpoint, bucket, ...keys } = this.#store();
    const path = [bucket, ...(key === '' ? [] : key.split('/'))].map(escapeS3).join('/');
    const url = new URL(`${endpoint.replace(/\/$/, '')}/${path}`);
    for (const [name, value] of parameters) url.searchParams.append(name, value);
    return signedUrl({ method, url, ...keys, lifeSeconds, nowMs: this.#clock.nowMs() });
  }

  #store(): FileStore {
    const { files } = this.#book;
    if (files !== undefined) return files;
    throw new GridError<BotErrorCode>('BOT_FILES_UNSET', 'the bot has no place for files yet', {
      hint: 'grid data init --s3-key FILE --bucket NAME',
    });
  }
}

/** Reads an answer to ListObjectsV2 with `encoding-type=url`: names are escaped, so that none holds a tag. */
function readList(xml: string): FilePage {
  const files = [...xml.matchAll(/<Contents>([^]*?)<\/Contents>/g)].map(([, inner = '']) => ({
    key: textOf(inner, 'Key'),
    sizeBytes: Number(textOf(inner, 'Size')),
  }));
  const folders = [...xml.matchAll(/<CommonPrefixes>([^]*?)<\/CommonPrefixes>/g)].map(
    ([, inner = '']) => ({ key: textOf(inner, 'Prefix') }),
  );
  const entries = [...folders, ...files].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const next = /<NextContinuationToken>([^<]*)</.exec(xml)?.[1];
  return { entries, cursor: next };
}

function textOf(xml: string, tag: string): string {
  const text = new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1] ?? '';
  return decodeURIComponent(text.replaceAll('+', ' '));
}

function requireDone({ ok, status }: Response): void {
  // What is refused is refused again.
  const retryable = status >= 500 || status === 429;
  if (!ok) throw failed(`S3 answers ${status}`, { retryable });
}

function failed(
  why: string,
  { cause, retryable = true }: { readonly cause?: unknown; readonly retryable?: boolean } = {},
): GridError<BotErrorCode> {
  return new GridError('BOT_FILES_FAILED', why, {
    hint: 'see whether S3 runs, and whether the key of the bot may use the bucket',
    retryable,
    cause,
  });
}
