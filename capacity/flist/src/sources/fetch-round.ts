import { abortError, isGridError, throwIfAborted } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

import type { ChunkHash, PackedChunk } from '../ports.ts';
import { unpackChunk } from '../store/chunk-codec.ts';
import { SilenceWatch } from './silence-watch.ts';
import type { ChunkWant } from './source-set.ts';
import type { SourceEvent, SourceState } from './source-state.ts';

export type OnChunk = (hash: ChunkHash, plaintext: Buffer) => Promise<void> | void;

export interface FetchRoundOptions {
  readonly states: readonly SourceState[];
  /** What is wanted; what was given is taken out. */
  readonly pending: Map<ChunkHash, ChunkWant>;
  readonly onChunk: OnChunk;
  readonly onEvent: (event: SourceEvent) => void;
  readonly clock: Clock;
  readonly giveUpAfterMs: number;
  readonly signal: AbortSignal;
}

/** Chunks of one request that are unpacked, verified and handed on at a time. */
const chunksInWorkMax = 4;

/** Wrong chunks in one answer after which its source is given up. */
const refusedMax = 8;

/** A chunk on its way through the sources. */
interface Position {
  readonly want: ChunkWant;
  readonly candidates: readonly SourceState[];
  /** Which of the candidates is asked next. */
  next: number;
  /** Requests under way that may bring it. */
  running: number;
}

/** A request to one source. */
interface Attempt {
  readonly state: SourceState;
  readonly positions: Map<ChunkHash, Position>;
  readonly controller: AbortController;
  refused: number;
  /** Others were asked for what it owes, and it gave nothing since. */
  isSlow: boolean;
}

/**
 * Asks each source that is not left alone for each chunk, once at most.
 *
 * 1. Each chunk is asked of its first candidate, all chunks of one candidate in one request.
 * 2. What a request did not bring when it ended, or when its source was silent for too long, is
 *    asked of the next candidate; a silent request may go on and win.
 * 3. The round ends when all is there, or when no request is under way.
 */
export class FetchRound {
  /** Some source failed: another round may bring more. */
  hasFailed = false;
  readonly #options: FetchRoundOptions;
  readonly #attempts = new Set<Promise<void>>();
  readonly #done = new AbortController();
  /** What `onChunk` threw. */
  #error: Error | undefined;

  constructor(options: FetchRoundOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { states, pending, signal } = this.#options;
    throwIfAborted(signal);
    const onAbort = (): void => this.#done.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.hasFailed = states.some(({ isPaused }) => isPaused);
      const open = states.filter(({ isPaused }) => !isPaused);
      this.#advance(
        [...pending.values()].map((want) => {
          const candidates = open.filter((state) => state.has(want.hash));
          return { want, candidates, next: 0, running: 0 };
        }),
      );
      while (this.#attempts.size > 0) await Promise.race(this.#attempts);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    if (signal.aborted) throw abortError(signal);
    if (this.#error !== undefined) throw this.#error;
  }

  /** Asks the next candidate of each for it. */
  #advance(positions: readonly Position[]): void {
    if (this.#done.signal.aborted) return;
    const groups = new Map<SourceState, Map<ChunkHash, Position>>();
    for (const position of positions) {
      const state = position.candidates[position.next];
      if (state === undefined) continue;
      position.next++;
      position.running++;
      const group = groups.get(state) ?? new Map<ChunkHash, Position>();
      group.set(position.want.hash, position);
      groups.set(state, group);
    }
    for (const [state, group] of groups) this.#start(state, group);
  }

  #start(state: SourceState, positions: Map<ChunkHash, Position>): void {
    const controller = new AbortController();
    const attempt: Attempt = { state, positions, controller, refused: 0, isSlow: false };
    const running = this.#run(attempt).finally(() => this.#attempts.delete(running));
    this.#attempts.add(running);
  }

  async #run(attempt: Attempt): Promise<void> {
    const { controller, state, positions } = attempt;
    const stop = (): void => controller.abort();
    this.#done.signal.addEventListener('abort', stop, { once: true });
    using watch = this.#watch(attempt);
    const working = new Set<Promise<void>>();
    try {
      for await (const chunk of untilAborted(state.source, [...positions.keys()], controller)) {
        watch.noteSign();
        attempt.isSlow = false;
        while (working.size >= chunksInWorkMax) await watch.hold(Promise.race(working));
        const work = this.#take(attempt, chunk).finally(() => working.delete(work));
        working.add(work);
      }
      await watch.hold(Promise.all(working));
      if (attempt.refused === 0) state.noteSuccess();
    } catch (error) {
      if (!this.#done.signal.aborted) this.#fail(attempt, reasonOf(error, watch.hasEnded));
      else if (attempt.isSlow) this.#fail(attempt, 'was much slower than another');
    } finally {
      await Promise.all(working);
      this.#done.signal.removeEventListener('abort', stop);
    }
    this.#release(positions.values());
  }

  /** Never rejects: what `onChunk` throws ends the round. */
  async #take(attempt: Attempt, { hash, packed }: PackedChunk): Promise<void> {
    const { pending, onChunk } = this.#options;
    const position = attempt.positions.get(hash);
    if (position === undefined || !pending.has(hash)) return;
    try {
      const plaintext = await unpackChunk(hash, packed, position.want.sizeBytes, true);
      // Another source may have been faster meanwhile.
      if (!pending.delete(hash)) return;
      await onChunk(hash, plaintext);
      if (pending.size === 0) this.#done.abort();
    } catch (error) {
      if (!isGridError(error, 'FLIST_CHUNK_CORRUPT')) this.#end(error);
      else if (await isSound(hash, packed)) this.#giveUp(attempt, position);
      else this.#refuse(attempt, position, error.message);
    }
  }

  #refuse(attempt: Attempt, position: Position, reason: string): void {
    const { hash } = position.want;
    const { name } = attempt.state.source;
    if (!attempt.positions.delete(hash)) return;
    this.hasFailed = true;
    attempt.state.lastFailure = 'gave wrong bytes';
    this.#options.onEvent({ kind: 'chunk-refused', source: name, hash, reason });
    this.#release([position]);
    if (++attempt.refused >= refusedMax) attempt.controller.abort();
  }

  /** The chunk has another size than is wanted: nobody else has it in that size either. */
  #giveUp(attempt: Attempt, position: Position): void {
    if (!attempt.positions.delete(position.want.hash)) return;
    position.next = position.candidates.length;
    this.#release([position]);
  }

  /** A request is over for these: those that no other may bring go to their next candidate. */
  #release(positions: Iterable<Position>): void {
    const left: Position[] = [];
    for (const position of positions) {
      position.running--;
      if (position.running === 0 && this.#options.pending.has(position.want.hash)) {
        left.push(position);
      }
    }
    this.#advance(left);
  }

  #watch(attempt: Attempt): SilenceWatch {
    const { clock, giveUpAfterMs, pending, onEvent } = this.#options;
    const { state, positions, controller } = attempt;
    return new SilenceWatch({
      clock,
      slowAfterMs: state.hedgeAfterMs,
      giveUpAfterMs,
      onSign: (silentMs) => state.noteSilence(silentMs),
      onSlow: (waitedMs) => {
        const owed = [...positions.values()].filter(({ want }) => pending.has(want.hash));
        attempt.isSlow = owed.length > 0;
        if (owed.length === 0) return;
        onEvent({ kind: 'source-slow', source: state.source.name, waitedMs });
        this.#advance(owed);
      },
      onGivenUp: () => controller.abort(),
    });
  }

  #fail({ state }: Attempt, reason: string): void {
    this.hasFailed = true;
    const pauseMs = state.noteFailure(reason);
    const { name } = state.source;
    this.#options.onEvent({ kind: 'source-paused', source: name, reason, pauseMs });
  }

  #end(error: unknown): void {
    this.#error ??= error instanceof Error ? error : new Error(String(error));
    this.#done.abort();
  }
}

/** Whether a chunk is what its name says, whatever its size. */
async function isSound(hash: ChunkHash, packed: Uint8Array): Promise<boolean> {
  try {
    await unpackChunk(hash, packed);
    return true;
  } catch {
    return false;
  }
}

/** What a source gives until the signal fires, also when the source does not care for it. */
async function* untilAborted(
  source: SourceState['source'],
  hashes: readonly ChunkHash[],
  { signal }: AbortController,
): AsyncGenerator<PackedChunk, void> {
  throwIfAborted(signal);
  const stopped = Promise.withResolvers<never>();
  // It may fire while the caller works on a chunk and nobody listens.
  stopped.promise.catch(() => undefined);
  const onAbort = (): void => stopped.reject(abortError(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  const iterator = source.fetch(hashes, signal)[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), stopped.promise]);
      isOver = next.done === true;
      if (next.done === true) return;
      yield next.value;
    }
  } catch (error) {
    isOver = !signal.aborted;
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not waited for: who is stuck in `next` does not come to it.
    if (!isOver) iterator.return?.().catch(() => undefined);
  }
}

function reasonOf(error: unknown, isSilent: boolean): string {
  if (isSilent) return 'was silent for too long';
  if (isGridError(error, 'BASE_ABORTED')) return 'gave wrong bytes again and again';
  return error instanceof Error ? error.message : String(error);
}
