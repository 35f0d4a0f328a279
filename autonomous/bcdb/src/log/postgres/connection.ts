import { delay, systemClock, throwIfAborted } from '@commongrid/base';
import { findPrimary } from './find-primary.ts';
import type { PrimaryOptions } from './find-primary.ts';
import { isPassing } from './session.ts';
import type { PostgresSession } from './session.ts';

/** How long to look for a server that takes writes, by default, milliseconds. */
export const reconnectMsDefault = 30_000;

/** Pause before the next look, milliseconds. */
const retryMs = 200;

export interface ConnectionOptions extends PrimaryOptions {
  readonly reconnectMs: number;
  /** What to do on a new connection before it is used. */
  readonly onConnect: (session: PostgresSession) => Promise<void>;
}

/** Keeps a connection to the server that takes writes, whichever that is. */
export class PostgresConnection {
  readonly #options: ConnectionOptions;
  readonly #controller = new AbortController();
  #session: PostgresSession | undefined;

  /** @param session one that is ready to be used */
  constructor(options: ConnectionOptions, session?: PostgresSession) {
    this.#options = options;
    this.#session = session;
  }

  /**
   * Runs `work`, again and again on new connections as long as it fails for reasons that pass. `work`
   * finds out itself how far the last try has come.
   * @throws what `work` throws; BASE_ABORTED after close
   */
  async run<T>(work: (session: PostgresSession) => Promise<T>): Promise<T> {
    const { signal } = this.#controller;
    let deadlineMs: number | undefined;
    for (;;) {
      try {
        return await this.#try(work);
      } catch (error) {
        await this.#drop();
        const nowMs = systemClock.monotonicMs();
        deadlineMs ??= nowMs + this.#options.reconnectMs;
        if (!isPassing(error) || nowMs >= deadlineMs) throw error;
        await delay(retryMs, { signal });
      }
    }
  }

  /** Gives up what is running. */
  async close(): Promise<void> {
    this.#controller.abort();
    await this.#drop();
  }

  async #try<T>(work: (session: PostgresSession) => Promise<T>): Promise<T> {
    throwIfAborted(this.#controller.signal);
    this.#session ??= await this.#connect();
    return work(this.#session);
  }

  async #connect(): Promise<PostgresSession> {
    const session = await findPrimary(this.#options);
    try {
      await this.#options.onConnect(session);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async #drop(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }
}
