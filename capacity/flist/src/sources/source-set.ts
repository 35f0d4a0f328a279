import { GridError, isGridError, retry, systemClock, systemRandom } from '@commongrid/base';
import type { Clock, Random } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkHash, ChunkSource } from '../ports.ts';
import { batchHashesMax } from './chunk-frames.ts';
import { FetchRound } from './fetch-round.ts';
import type { OnChunk } from './fetch-round.ts';
import { SourceState } from './source-state.ts';
import type { HashRange, SourceEvent } from './source-state.ts';

/** A chunk that is wanted. */
export interface ChunkWant {
  readonly hash: ChunkHash;
  /** Of its plaintext, exactly. */
  readonly sizeBytes: number;
}

export interface SourceSpec {
  readonly source: ChunkSource;
  /** What it is asked for. Default: everything. */
  readonly ranges?: readonly HashRange[];
}

export interface SourceSetOptions {
  /** The first that may have a chunk is asked first. The set closes them. */
  readonly sources: readonly SourceSpec[];
  readonly onEvent?: (event: SourceEvent) => void;
  /** Silence of a source after which the next one is asked too. Default 1 s, less once measured. */
  readonly hedgeAfterMs?: number;
  /** Silence of a source after which it is given up. Default 30 s. */
  readonly giveUpAfterMs?: number;
  /** How often all sources are asked for what they did not give, the first time included. Default 4. */
  readonly rounds?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** How a source gets on. */
export interface SourceStatus {
  readonly name: string;
  /** It failed, and is left alone for now. */
  readonly isPaused: boolean;
  /** Undefined once it answered again. */
  readonly lastFailure?: string | undefined;
  /** Chunks whose bytes were not those of their name, since the set is there. They were taken elsewhere. */
  readonly refusedChunks: number;
}

/** Sources that a set may have. */
const sourcesMax = 64;

/** Chunks that the message of an error names. */
const namedHashesMax = 10;

/**
 * Several sources as one that can be trusted: what it gives is verified. A chunk is asked of the
 * first source that may have it; of the next one when that lacks it, fails, is silent, or lies.
 */
export class SourceSet implements AsyncDisposable {
  #states: readonly SourceState[];
  readonly #options: SourceSetOptions;
  /** Wrong chunks by the name of their source. */
  readonly #refused = new Map<string, number>();

  /** @throws BASE_OPTION_INVALID */
  constructor(options: SourceSetOptions) {
    this.#options = options;
    this.#states = statesOf(options.sources, options);
  }

  /**
   * Takes these sources from now on. What the former ones were asked for is asked of them then.
   * @throws BASE_OPTION_INVALID
   */
  async replace(sources: readonly SourceSpec[]): Promise<void> {
    const former = this.#states;
    this.#states = statesOf(sources, this.#options);
    await Promise.all(former.map(({ source }) => source[Symbol.asyncDispose]()));
  }

  /** The sources in their order. */
  get status(): readonly SourceStatus[] {
    return this.#states.map(({ source: { name }, isPaused, lastFailure }) => {
      return { name, isPaused, lastFailure, refusedChunks: this.#refused.get(name) ?? 0 };
    });
  }

  /**
   * Fetches chunks and hands each to `onChunk`, verified, in any order, each once. It waits for
   * `onChunk`, of which a few run at a time. What one source stalls is not held up by it.
   * @param wants at most 1,000, each hash once
   * @throws FLIST_CHUNK_UNAVAILABLE (details: how many, some hashes, the sources and why) after
   *   the others were given; BASE_ABORTED; what `onChunk` throws
   */
  async fetch(
    wants: readonly ChunkWant[],
    onChunk: OnChunk,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    if (wants.length > batchHashesMax) {
      throw new GridError('BASE_OPTION_INVALID', `${wants.length} chunks are too many at once`);
    }
    const { clock = systemClock, random = systemRandom } = this.#options;
    const onEvent = (event: SourceEvent): void => this.#note(event);
    const { giveUpAfterMs = 30_000, rounds = 4 } = this.#options;
    const { signal } = options;
    const pending = new Map(wants.map((want) => [want.hash, want]));
    const once = async (): Promise<void> => {
      const round = new FetchRound({
        ...{ states: this.#states, pending, onChunk, onEvent, clock, giveUpAfterMs, signal },
      });
      await round.run();
      if (pending.size > 0) throw this.#unavailable([...pending.keys()], round.hasFailed);
    };
    const shouldRetry = (error: unknown): boolean =>
      isGridError(error, 'FLIST_CHUNK_UNAVAILABLE') && error.retryable;
    await retry(once, { attempts: rounds, baseMs: 250, signal, clock, random, shouldRetry });
  }

  #note(event: SourceEvent): void {
    const { kind, source } = event;
    if (kind === 'chunk-refused') this.#refused.set(source, (this.#refused.get(source) ?? 0) + 1);
    this.#options.onEvent?.(event);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#states.map(({ source }) => source[Symbol.asyncDispose]()));
  }

  #unavailable(hashes: readonly ChunkHash[], retryable: boolean): GridError<FlistErrorCode> {
    const sources = this.#states.map(({ source, lastFailure }) => ({
      name: source.name,
      reason: lastFailure ?? 'does not have it',
    }));
    const told = sources.map(({ name, reason }) => `${name} (${reason})`).join(', ');
    const which = hashes.length === 1 ? `chunk ${hashes[0]}` : `${hashes.length} chunks`;
    return new GridError(
      'FLIST_CHUNK_UNAVAILABLE',
      `no source gives ${which}: ${told === '' ? 'there is no source' : told}`,
      {
        hint: 'see whether a source can be reached, or add one that has the image',
        retryable,
        details: { count: hashes.length, hashes: hashes.slice(0, namedHashesMax), sources },
      },
    );
  }
}

function statesOf(
  sources: readonly SourceSpec[],
  options: Omit<SourceSetOptions, 'sources'>,
): readonly SourceState[] {
  const { clock = systemClock, random = systemRandom, hedgeAfterMs = 1_000 } = options;
  if (sources.length > sourcesMax) {
    throw new GridError('BASE_OPTION_INVALID', `${sources.length} sources are too many`);
  }
  const timing = { clock, random, hedgeAfterMs };
  return sources.map(({ source, ranges }) => new SourceState(source, ranges, timing));
}
