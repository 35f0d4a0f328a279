import { GridError, isGridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkHash, ChunkSource, PackedChunk } from '../ports.ts';
import { packedChunkBytesMax } from '../store/chunk-codec.ts';
import { readFrames } from './chunk-frames.ts';

export interface HttpSourceOptions {
  /** What stands ahead of `/chunks`: `https://hub.example/v1`. */
  readonly url: string;
  /** For people and events. Default: the URL. */
  readonly name?: string;
  /** Sent with each request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Chunks over HTTP, as a hub gives them: one by name, or up to 1,000 in one answer. */
export class HttpSource implements ChunkSource {
  readonly name: string;
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(options: HttpSourceOptions) {
    this.#base = options.url.replace(/\/+$/, '');
    this.name = options.name ?? this.#base;
    this.#headers = options.headers ?? {};
  }

  async *fetch(
    hashes: readonly ChunkHash[],
    signal: AbortSignal,
  ): AsyncGenerator<PackedChunk, void> {
    const [first] = hashes;
    if (first === undefined) return;
    try {
      if (hashes.length > 1) yield* this.#fetchBatch(hashes, signal);
      else yield* this.#fetchOne(first, signal);
    } catch (error) {
      if (isGridError(error)) throw error;
      throw this.#failed(signal.aborted ? 'was given up' : 'does not answer', error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#fetchOne(hash: ChunkHash, signal: AbortSignal): AsyncGenerator<PackedChunk, void> {
    const answer = await this.#ask(`${this.#base}/chunks/${hash}`, { method: 'GET', signal });
    if (answer.status === 404) {
      await answer.body?.cancel();
      return;
    }
    const pieces: Uint8Array[] = [];
    let packedBytes = 0;
    for await (const piece of await this.#bodyOf(answer)) {
      packedBytes += piece.length;
      if (packedBytes > packedChunkBytesMax) throw this.#failed('sent a chunk that is too long');
      pieces.push(piece);
    }
    yield { hash, packed: Buffer.concat(pieces) };
  }

  async *#fetchBatch(
    hashes: readonly ChunkHash[],
    signal: AbortSignal,
  ): AsyncGenerator<PackedChunk, void> {
    const answer = await this.#ask(`${this.#base}/chunks`, {
      method: 'POST',
      body: Buffer.from(hashes.join(''), 'hex'),
      signal,
    });
    yield* readFrames(await this.#bodyOf(answer), this.name);
  }

  #ask(url: string, init: Omit<RequestInit, 'headers'>): Promise<Response> {
    return fetch(url, {
      ...init,
      headers: { 'content-type': 'application/octet-stream', ...this.#headers },
      redirect: 'error',
    });
  }

  async #bodyOf(answer: Response): Promise<AsyncIterable<Uint8Array>> {
    const { status, body } = answer;
    if (status === 200 && body !== null) return body;
    await body?.cancel();
    throw this.#failed(`answers ${status}`);
  }

  #failed(what: string, cause?: unknown): GridError<FlistErrorCode> {
    return new GridError('FLIST_SOURCE_FAILED', `source ${this.name} ${what}`, {
      retryable: true,
      details: { source: this.name },
      cause,
    });
  }
}
