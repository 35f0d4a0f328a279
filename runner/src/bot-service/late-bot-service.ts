import { isGridError, retry, TaskGroup } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { ControlledContract } from '@commongrid/contract';
import type { Bot } from '@commongrid/threebot';

import type { EndpointDesk } from '../front-door/endpoint-desk.ts';
import type { ControllerDesk } from './contracts-actor.ts';
import { BotService } from './bot-service.ts';
import type { BotServiceOptions } from './bot-service.ts';

export interface LateBotServiceOptions extends Omit<BotServiceOptions, 'signal'> {
  /** It runs already. */
  readonly running: Pick<Bot, 'publish' | 'address'>;
  readonly logger: Logger;
}

/** Longest pause from one try to the next, ms. */
const pauseMsMax = 5_000;

/**
 * What a bot does with its database, as soon as it answers: it says where it is, controls contracts and settles
 * money. A bot that starts while the database is away does the rest meanwhile.
 */
export class LateBotService implements AsyncDisposable {
  /** Resolves once the first try is over: true when the database answered. Rejects where it is refused for good. */
  readonly firstTry: Promise<boolean>;
  /** Never resolves; rejects when a later try is refused for good. */
  readonly failed: Promise<never>;
  readonly #tasks: TaskGroup;
  readonly #stack = new AsyncDisposableStack();
  #service: BotService | undefined;

  constructor(options: LateBotServiceOptions) {
    const first = Promise.withResolvers<boolean>();
    const failed = Promise.withResolvers<never>();
    [this.firstTry, this.failed] = [first.promise, failed.promise];
    const fail = (error: unknown): void => {
      first.reject(error);
      failed.reject(error);
    };
    // Whoever waits for one of them hears of it.
    for (const promise of [this.firstTry, this.failed]) promise.catch(() => {});
    this.#tasks = new TaskGroup({ maxTasks: 1, onError: fail });
    this.#tasks.start('database', async (signal) => {
      let isToldOf = false;
      const again = (error: unknown): boolean => {
        if (!isAway(error)) return false;
        first.resolve(false);
        const level = isToldOf ? 'debug' : 'warn';
        isToldOf = true;
        options.logger[level]({ err: error }, 'the database does not answer');
        return true;
      };
      await retry(() => this.#open(options, signal), {
        ...{ attempts: Number.POSITIVE_INFINITY, maxMs: pauseMsMax, signal, shouldRetry: again },
      });
      first.resolve(true);
    });
  }

  /** Undefined until the database has answered. */
  get desk(): ControllerDesk | undefined {
    return this.#service?.contracts;
  }

  /** The same. */
  get endpoints(): EndpointDesk | undefined {
    return this.#service?.endpoints;
  }

  /** What it controls; nothing until then. */
  contracts(): readonly ControlledContract[] {
    return this.#service?.contracts.all() ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks.close();
    await this.#stack.disposeAsync();
  }

  async #open(options: LateBotServiceOptions, signal: AbortSignal): Promise<void> {
    const { running } = options;
    await running.publish(running.address, signal);
    this.#service = this.#stack.use(await BotService.open({ ...options, signal }));
  }
}

function isAway(error: unknown): boolean {
  return isGridError(error) && (error.retryable || error.code === 'BASE_ABORTED');
}
