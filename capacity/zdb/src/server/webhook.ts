import {
  BoundedQueue,
  type Clock,
  GridError,
  isGridError,
  type Logger,
  retry,
  TaskGroup,
  withTimeout,
} from '@commongrid/base';
import type { ZdbErrorCode } from '../errors.ts';
import type { ZdbEvent } from '../events.ts';

/** Events that wait; when it is full, new ones are dropped and counted. */
const WEBHOOK_QUEUE_MAX = 1000;
const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 250;
const TIMEOUT_MS = 10_000;
/** For the last events at the end. */
const LAST_MS = 2_000;

/**
 * Posts events to a URL as JSON {schema, timeMs, ...event}, one after the other, in order. What
 * cannot be delivered is tried again with growing pauses, then dropped; the store never waits.
 */
export class Webhook implements AsyncDisposable {
  readonly url: URL;
  readonly #queue = new BoundedQueue<object>(WEBHOOK_QUEUE_MAX);
  readonly #tasks: TaskGroup;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #ended = Promise.withResolvers<void>();
  #dropped = 0;

  constructor(url: URL, options: { readonly clock: Clock; readonly logger: Logger }) {
    this.url = url;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#tasks = new TaskGroup({
      onError: (error) => this.#logger.error({ err: error }, 'the webhook stopped'),
    });
    this.#tasks.start('webhook', (signal) => this.#run(signal));
  }

  /** Takes an event; never waits. */
  readonly listener = (event: ZdbEvent): void => {
    if (this.#queue.size < this.#queue.limit) {
      this.#queue.push({ schema: 'zdb.event.1', timeMs: this.#clock.nowMs(), ...event });
    } else {
      this.#dropped++;
    }
  };

  /** Events that were not delivered. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Delivers what waits, for a moment; then drops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#queue.close();
    const options = { timeoutMs: LAST_MS, what: 'the last events', clock: this.#clock };
    try {
      await withTimeout(() => this.#ended.promise, options);
    } catch (error) {
      if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
    }
    await this.#tasks.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (;;) {
      const body = await this.#queue.shift({ signal });
      if (body === undefined) {
        this.#ended.resolve();
        return;
      }
      try {
        const options = { attempts: ATTEMPTS, baseMs: FIRST_PAUSE_MS, clock: this.#clock, signal };
        await retry(() => this.#post(JSON.stringify(body), signal), options);
      } catch (error) {
        if (signal.aborted) return;
        this.#dropped++;
        this.#logger.warn({ err: error, url: this.url.origin }, 'an event was not delivered');
      }
    }
  }

  async #post(body: string, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    let status = 'no answer';
    try {
      const response = await fetch(this.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: limit,
      });
      await response.body?.cancel();
      if (response.ok) return;
      status = `status ${response.status}`;
    } catch (cause) {
      throw this.#undelivered(status, cause);
    }
    throw this.#undelivered(status);
  }

  #undelivered(status: string, cause?: unknown): GridError<ZdbErrorCode> {
    const text = `${this.url.origin} did not take an event: ${status}`;
    return new GridError('ZDB_WEBHOOK_FAILED', text, { retryable: true, cause });
  }
}
