import {
  BoundedQueue,
  type Clock,
  delay,
  GridError,
  type Logger,
  withTimeout,
} from '@commongrid/base';
import { type ClientTlsOptions, type Reply, RespClient } from '@commongrid/resp';
import type { Store } from '../engine/store.ts';
import type { ZdbErrorCode } from '../errors.ts';
import { FrameApplier } from './frame-applier.ts';
import {
  broken,
  encodeLogId,
  type FramesMessage,
  parseFrames,
  parseWelcome,
  type Welcome,
} from './handshake.ts';
import type { StateFile } from './replication-state.ts';
import { encodeTerms, type TermHistory } from './terms.ts';

/** Where a replica gets its log from. */
export interface ReplicationSource {
  readonly host: string;
  readonly port: number;
  readonly password?: string | undefined;
  readonly tls?: ClientTlsOptions | undefined;
}

export interface FollowerOptions {
  readonly store: Store;
  readonly stateFile: StateFile;
  readonly source: ReplicationSource;
  readonly id: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Masterships that the log here has seen. */
  readonly history: () => TermHistory;
  /** Deletions above this are kept at the source. */
  readonly onDeletions: (upTo: number) => void;
  /** Goes back to the last common sequence, or to nothing (undefined), because of a later term. */
  readonly leave: (common: number | undefined, term: number) => Promise<void>;
}

export interface FollowerStatus {
  readonly state: 'connecting' | 'following' | 'failed' | 'stopped';
  /** Last sequence of the source, as it last said. */
  readonly sourceSequence: number;
  /** When all of the source's log was here for the last time; monotonic. */
  readonly caughtUpMs: number;
  /** Why it does not follow. */
  readonly problem: string | undefined;
}

/** How often a replica speaks up, and how long it waits for the answer. */
const ACKNOWLEDGE_MS = 1_000;
const ANSWER_MS = 5_000;
/** First pause between attempts to connect; it doubles. */
const PAUSE_MS_MIN = 50;
/** Longest pause between attempts to connect. */
const PAUSE_MS_MAX = 2_000;
/** Messages that wait to be applied: twice what a source sends without an acknowledgement. */
const FOLLOWER_MESSAGES_MAX = 2_048;
/** Applied bytes after which a replica that syncs behind syncs now: acknowledgements keep the flow up. */
const FLUSH_BYTES = 4 * 1024 * 1024;
/** Largest message of a source: frames of 1 MiB, or one frame that is larger. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The replica's side: connects to its source, tells how far its log goes, takes frames, and tells how far
 * they are on disk. A lost connection is made again; a log that took another way is cut first.
 */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #applier: FrameApplier;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #state: FollowerStatus['state'] = 'connecting';
  #problem: string | undefined;
  #sourceSequence = 0;
  #caughtUpMs: number;
  /** Looks whether there is more to acknowledge, while somebody waits for that. */
  #look: (() => void) | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#applier = new FrameApplier(options.store, () => this.#look?.());
    this.#caughtUpMs = options.clock.monotonicMs();
  }

  get status(): FollowerStatus {
    return {
      state: this.#state,
      sourceSequence: this.#sourceSequence,
      caughtUpMs: this.#caughtUpMs,
      problem: this.#problem,
    };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the connection and waits until nothing is applied any more. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#state = 'stopped';
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let pauseMs = PAUSE_MS_MIN;
    while (!signal.aborted) {
      const startedMs = this.#options.clock.monotonicMs();
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!this.#mayTryAgain(error)) return;
      }
      // A connection that has held for a while is worth an attempt at once.
      const isFresh = this.#options.clock.monotonicMs() - startedMs > PAUSE_MS_MAX;
      pauseMs = isFresh ? PAUSE_MS_MIN : Math.min(pauseMs * 2, PAUSE_MS_MAX);
      // Fails only when the signal fires, which ends the loop.
      await delay(pauseMs, { signal, clock: this.#options.clock }).catch(() => undefined);
    }
  }

  /** A disk that fails, or a bug, is not cured by connecting again. */
  #mayTryAgain(error: unknown): boolean {
    const { logger, source, store } = this.#options;
    const problem = error instanceof Error ? error.message : String(error);
    const isFatal = store.log.failure !== undefined || !(error instanceof GridError);
    if (problem !== this.#problem || isFatal) {
      const where = `${source.host}:${source.port}`;
      if (isFatal) logger.error({ err: error, source: where }, 'replication has ended');
      else logger.warn({ err: error, source: where }, 'the source cannot be followed right now');
    }
    this.#problem = problem;
    this.#state = isFatal ? 'failed' : 'connecting';
    return !isFatal;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const queue = new BoundedQueue<FramesMessage>(FOLLOWER_MESSAGES_MAX);
    const ended = new AbortController();
    const both = AbortSignal.any([signal, ended.signal]);
    const { source } = this.#options;
    await using client = await RespClient.connect({
      host: source.host,
      port: source.port,
      protocol: 3,
      connectTimeoutMs: ANSWER_MS,
      closeTimeoutMs: 1,
      maxReplyBytes: REPLY_BYTES_MAX,
      ...(source.password === undefined ? {} : { password: source.password }),
      ...(source.tls === undefined ? {} : { tls: source.tls }),
      onPush: (message) => take(queue, message, (error) => ended.abort(error)),
    });
    await this.#applier.finishErasures();
    await this.#options.store.log.flush();
    const welcome = parseWelcome(await this.#ask(client, both));
    if (!(await this.#enter(welcome))) return;
    this.#state = 'following';
    this.#problem = undefined;
    const applying = this.#applyAll(queue, both).catch((error: unknown) => ended.abort(error));
    try {
      await this.#acknowledgeAll(client, both);
    } catch (error) {
      ended.abort(error);
    }
    ended.abort(broken('the connection has ended'));
    await applying;
    if (!signal.aborted) throw ended.signal.reason;
  }

  #ask(client: RespClient, signal: AbortSignal): Promise<Reply> {
    const { store, stateFile, history, id } = this.#options;
    const { lastSequence } = store.log;
    const isFresh = lastSequence === 0;
    return answered(client, signal, [
      'REPLICATE',
      id,
      isFresh ? '?' : encodeLogId(store.table.logId),
      stateFile.state.knownTerm,
      lastSequence,
      encodeTerms(history()),
    ]);
  }

  /** Takes over what the source said; false when the log was changed and the question must be repeated. */
  async #enter(welcome: Welcome): Promise<boolean> {
    const { store, stateFile, leave } = this.#options;
    const { verdict, term } = welcome;
    if (verdict !== 'continue') {
      const isCut = verdict === 'cut' && store.table.compactedThrough <= welcome.common;
      await leave(isCut ? welcome.common : undefined, term);
      return false;
    }
    if (store.log.lastSequence === 0) store.table.adopt(welcome.logId);
    else if (store.table.logId !== welcome.logId) throw foreign();
    stateFile.change({
      knownTerm: Math.max(term, stateFile.state.knownTerm),
      sourceTerms: welcome.history,
      fencedBy: 0,
    });
    const { table } = store;
    const { deletionsDroppedThrough } = welcome;
    let isNews = deletionsDroppedThrough > table.deletionsDroppedThrough;
    if (isNews) table.deletionsDroppedThrough = deletionsDroppedThrough;
    for (const [id, next] of welcome.nextIds) {
      if (next <= (table.nextIds.get(id) ?? 0)) continue;
      table.nextIds.set(id, next);
      isNews = true;
    }
    if (isNews) table.save();
    return true;
  }

  async #applyAll(queue: BoundedQueue<FramesMessage>, signal: AbortSignal): Promise<void> {
    const { log } = this.#options.store;
    while (!signal.aborted) {
      const message = await queue.shift({ signal });
      if (message === undefined) return;
      await this.#applier.apply(message);
      if (log.unsyncedBytes > FLUSH_BYTES) await log.flush();
    }
  }

  /** Tells what is on disk whenever that has grown, one message at a time, and every second. */
  async #acknowledgeAll(client: RespClient, signal: AbortSignal): Promise<void> {
    const { store, clock, stateFile } = this.#options;
    let told = -1;
    while (!signal.aborted) {
      if (this.#applier.confirmed === told) await this.#growth(signal, told);
      told = this.#applier.confirmed;
      const reply = await answered(client, signal, ['REPLCONF', 'ACK', told]);
      const [term, last, upTo] = Array.isArray(reply) ? reply : [];
      if (typeof term !== 'number' || typeof last !== 'number' || typeof upTo !== 'number') {
        throw broken('a wrong answer');
      }
      this.#options.onDeletions(upTo);
      if (term > stateFile.state.knownTerm) stateFile.change({ knownTerm: term });
      this.#sourceSequence = last;
      if (store.log.lastSequence >= last) this.#caughtUpMs = clock.monotonicMs();
    }
  }

  #growth(signal: AbortSignal, told: number): Promise<void> {
    const { store, clock } = this.#options;
    return new Promise((resolve) => {
      const end = (): void => {
        this.#look = undefined;
        store.durableListeners.delete(look);
        signal.removeEventListener('abort', end);
        timer.cancel();
        resolve();
      };
      const look = (): void => {
        if (this.#applier.confirmed > told) end();
      };
      const timer = clock.setTimer(ACKNOWLEDGE_MS, end);
      this.#look = look;
      store.durableListeners.add(look);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
      else look();
    });
  }
}

function take(
  queue: BoundedQueue<FramesMessage>,
  message: readonly Reply[],
  fail: (error: unknown) => void,
): void {
  try {
    queue.push(parseFrames(message));
  } catch (error) {
    fail(error);
  }
}

function answered(
  client: RespClient,
  signal: AbortSignal,
  args: readonly (string | number)[],
): Promise<Reply> {
  const what = `the answer to ${args[0] ?? ''}`;
  return withTimeout((until) => client.command(args, { signal: until }), {
    timeoutMs: ANSWER_MS,
    what,
    signal,
  });
}

function foreign(): GridError<ZdbErrorCode> {
  return new GridError(
    'ZDB_REPLICA_REFUSED',
    'the source serves another log than this folder holds',
    {
      hint: 'give the replica an empty folder',
    },
  );
}
