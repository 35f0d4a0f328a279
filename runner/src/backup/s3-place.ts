import { GridError, isGridError, retry } from '@commongrid/base';
import { Files } from '@commongrid/threebot';

import type { S3Access } from '../environment.ts';
import type { GridErrorCode } from '../errors.ts';
import type { BackupPlace } from './backup-place.ts';
import { tooLong } from './sealed-object.ts';

/** Time for one object, ms: some MiB over a slow line. */
const objectMs = 120_000;

/** Bytes of an answer that is no object. */
const answerBytesMax = 64 * 2 ** 10;

/** How often an object is tried. */
const pace = { attempts: 5, baseMs: 500 };

/** @param target `s3://bucket/prefix`. @throws GRID_USAGE */
export function openS3Place(target: string, access: S3Access | undefined): BackupPlace {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)(?:\/(.*?))?\/?$/.exec(target) ?? [];
  if (bucket === undefined) {
    throw new GridError<GridErrorCode>('GRID_USAGE', `${target} names no bucket`, {
      hint: 'say s3://BUCKET/PREFIX',
    });
  }
  if (access === undefined) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'nothing says which S3 that is', {
      hint: 'set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: grid s3 keys --env',
    });
  }
  const files = new Files({ files: { ...access, bucket } });
  return new S3Place(target, files, prefix === '' ? '' : `${prefix}/`);
}

/** Backups in a bucket, which has to be there. */
class S3Place implements BackupPlace {
  readonly name: string;
  readonly #files: Files;
  readonly #prefix: string;

  constructor(name: string, files: Files, prefix: string) {
    this.name = name;
    this.#files = files;
    this.#prefix = prefix;
  }

  get(name: string, bytesMax: number): Promise<Uint8Array | undefined> {
    return this.#try(async (signal) => {
      const url = this.#files.urlOf(this.#prefix + name, 'GET');
      const response = await fetch(url, { signal, redirect: 'error' });
      // A bucket that is not there is something else than an object that is not.
      if (response.status === 404) {
        const why = await bytesOf(response, name, answerBytesMax);
        if (why.includes('<Code>NoSuchKey</Code>')) return undefined;
      }
      if (!response.ok) throw this.#answered(response.status);
      return bytesOf(response, name, bytesMax);
    });
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#try(async (signal) => {
      const url = this.#files.urlOf(this.#prefix + name, 'PUT');
      const body = Buffer.from(bytes);
      const response = await fetch(url, { method: 'PUT', body, signal, redirect: 'error' });
      await bytesOf(response, name, answerBytesMax);
      if (!response.ok) throw this.#answered(response.status);
    });
  }

  remove(name: string): Promise<void> {
    return this.#try((signal) => this.#files.remove(this.#prefix + name, signal));
  }

  async isWithin(): Promise<boolean> {
    return false;
  }

  list(folder: string): Promise<readonly string[]> {
    const prefix = folder === '' ? this.#prefix : `${this.#prefix}${folder}/`;
    return this.#try(async (signal) => {
      const names: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await this.#files.list(prefix, cursor, signal);
        names.push(...page.entries.map(({ key }) => key.slice(prefix.length).replace(/\/$/, '')));
        cursor = page.cursor;
      } while (cursor !== undefined);
      return names;
    });
  }

  async #try<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const attempt = async (): Promise<T> => {
      try {
        return await work(AbortSignal.timeout(objectMs));
      } catch (cause) {
        if (isGridError(cause, 'GRID_BACKUP_PLACE_FAILED')) throw cause;
        if (isGridError(cause, 'GRID_BACKUP_DAMAGED')) throw cause;
        const why = cause instanceof Error ? cause.message : String(cause);
        throw this.#failed(why, isGridError(cause) ? cause.retryable : true, cause);
      }
    };
    return retry(attempt, pace);
  }

  #answered(status: number): GridError {
    return this.#failed(`it answers ${status}`, status >= 500 || status === 429);
  }

  #failed(why: string, retryable: boolean, cause?: unknown): GridError<GridErrorCode> {
    return new GridError('GRID_BACKUP_PLACE_FAILED', `${this.name} fails: ${why}`, {
      hint: 'see that S3 runs, has the bucket, and lets this key read, write and list there',
      retryable,
      details: { place: this.name },
      cause,
    });
  }
}

/** @throws GRID_BACKUP_DAMAGED where there are more */
async function bytesOf(
  { body }: Response,
  name: string,
  bytesMax: number,
): Promise<Buffer<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body ?? []) {
    bytes += piece.length;
    if (bytes > bytesMax) throw tooLong(name, bytesMax);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
