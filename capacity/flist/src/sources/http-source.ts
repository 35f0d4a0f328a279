import type { IncomingMessage } from 'node:http';

import { GridError, isGridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkHash, ChunkSource, PackedChunk } from '../ports.ts';
import { packedChunkBytesMax } from '../store/chunk-codec.ts';
import { allForms, formsHeader, readFrames } from './chunk-frames.ts';
import { HttpLink } from './http-link.ts';
import type { HttpAsk } from './http-link.ts';

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
  readonly #link: HttpLink;

  constructor(options: HttpSourceOptions) {
    this.#base = options.url.replace(/\/+$/, '');
    this.name = options.name ?? this.#base;
    this.#link = new HttpLink({
      'content-type': 'application/octet-stream',
      [formsHeader]: allForms,
      ...options.headers,
    });
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#link.close();
  }

  async *#fetchOne(hash: ChunkHash, signal: AbortSignal): AsyncGenerator<PackedChunk, void> {
    const answer = await this.#ask(`/chunks/${hash}`, { method: 'GET', signal }, 404);
    if (answer === undefined) return;
    const pieces: Uint8Array[] = [];
    let packedBytes = 0;
    for await (const piece of answer) {
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
    const body = Buffer.from(hashes.join(''), 'hex');
    const answer = await this.#ask('/chunks', { method: 'POST', body, signal });
    if (answer !== undefined) yield* readFrames(answer, this.name);
  }

  /** The body of an answer; undefined when its status is the one for nothing. */
  async #ask(
    path: string,
    ask: HttpAsk,
    emptyStatus?: number,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const answer: IncomingMessage = await this.#link.ask(`${this.#base}${path}`, ask);
    const { statusCode } = answer;
    if (statusCode === 200) return answer;
    discard(answer);
    if (statusCode === emptyStatus) return undefined;
    throw this.#failed(`answers ${statusCode}`);
  }

  #failed(what: string, cause?: unknown): GridError<FlistErrorCode> {
    return new GridError('FLIST_SOURCE_FAILED', `source ${this.name} ${what}`, {
      retryable: true,
      details: { source: this.name },
      cause,
    });
  }
}

/** Bytes of an answer that nobody wants: reading over them keeps the connection. */
const discardedBytesMax = 16 * 1024;

function discard(answer: IncomingMessage): void {
  const sizeBytes = Number(answer.headers['content-length'] ?? Infinity);
  if (sizeBytes <= discardedBytesMax) answer.resume();
  else answer.destroy();
}
