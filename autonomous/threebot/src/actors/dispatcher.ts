import { GridError, isGridError, silentLogger, withTimeout } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { BotErrorCode } from '../errors.ts';
import type { BotCounts, CallOutcome } from '../metrics/bot-counts.ts';
import type { EffectContext } from './actor.ts';
import type { CallLimits } from './call-limits.ts';
import { requirePermission } from './caller.ts';
import type { Caller } from './caller.ts';
import type { Catalog, CatalogMethod } from './catalog.ts';

/** Runs an effect in a transaction of its own. */
export type RunEffect = <T>(work: (context: Omit<EffectContext, 'caller'>) => T) => T;

export interface DispatcherOptions {
  readonly catalog: Catalog;
  readonly limits: CallLimits;
  /** Time for one call, ms. */
  readonly callMs: number;
  readonly runEffect: RunEffect;
  /** @throws BOT_LOG_FORKED where nothing new may start */
  readonly requireSound: () => void;
  readonly counts: BotCounts;
  readonly logger?: Logger;
}

/**
 * The one way from a call to its method, whatever door it came by:
 *
 * 1. Is there such a method, and may this caller use it? 2. Has the caller calls left?
 * 3. Does the input fit? 4. The method, within its time. 5. Does the answer fit?
 */
export class Dispatcher {
  readonly catalog: Catalog;
  readonly #options: DispatcherOptions;
  readonly #logger: Logger;

  constructor(options: DispatcherOptions) {
    this.catalog = options.catalog;
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
  }

  /**
   * @throws BOT_METHOD_UNKNOWN, BOT_SENDER_UNKNOWN, BOT_NOT_PERMITTED, BOT_BUSY, BOT_RATE_EXCEEDED,
   *   BOT_INPUT_INVALID, BOT_LOG_FORKED, BASE_TIMEOUT, BOT_INTERNAL, and what the method refuses with
   */
  async call(name: string, input: unknown, caller: Caller, signal?: AbortSignal): Promise<unknown> {
    const startedMs = performance.now();
    let outcome: CallOutcome = 'done';
    try {
      return await this.#call(name, input, caller, signal);
    } catch (error) {
      outcome = isGridError(error) && !faults.has(error.code) ? 'refused' : 'failed';
      throw error;
    } finally {
      const us = (performance.now() - startedMs) * 1_000;
      this.#options.counts.call(caller.way, outcome, us);
    }
  }

  async #call(
    name: string,
    input: unknown,
    caller: Caller,
    signal?: AbortSignal,
  ): Promise<unknown> {
    const found = this.#admit(name, caller);
    using _call = this.#options.limits.enter(caller.account);
    found.checkInput(input);
    const { callMs, runEffect } = this.#options;
    const { method } = found;
    try {
      const output: unknown =
        'effect' in method
          ? runEffect((context) => method.effect(input, { ...context, caller }))
          : await withTimeout(async (stop) => method.handler(input, { caller, signal: stop }), {
              timeoutMs: callMs,
              what: name,
              signal,
            });
      found.checkOutput(output);
      return output;
    } catch (error) {
      throw this.#shown(error, name);
    }
  }

  /**
   * For a message of the mailbox: everything that can be refused before its effect. What is given back
   * runs the effect within a transaction that is open.
   * @throws what `call` throws; BOT_NOT_PERMITTED for a method that is no effect
   */
  prepare(
    name: string,
    input: unknown,
    caller: Caller,
  ): (context: Omit<EffectContext, 'caller'>) => void {
    const found = this.#admit(name, caller);
    const { method } = found;
    if (!('effect' in method)) {
      throw new GridError<BotErrorCode>('BOT_NOT_PERMITTED', `${name} is not for the mailbox`, {
        hint: 'call it over a link',
        details: { name },
      });
    }
    found.checkInput(input);
    return (context) => {
      try {
        found.checkOutput(method.effect(input, { ...context, caller }));
      } catch (error) {
        throw this.#shown(error, name);
      }
    };
  }

  #admit(name: string, caller: Caller): CatalogMethod {
    const found = this.catalog.find(name);
    const { permission, isForApps = false } = found.method;
    requirePermission(caller, permission, isForApps);
    // The owner has to be able to see why.
    if (caller.standing !== 'owner') this.#options.requireSound();
    return found;
  }

  /** A fault of ours is told to the log alone. */
  #shown(error: unknown, name: string): GridError {
    const isOurs = !isGridError(error) || error.code === 'BOT_OUTPUT_INVALID';
    if (!isOurs) return error;
    this.#options.counts.methodFaults.add({ method: name });
    this.#logger.error({ err: error, method: name }, 'a method failed');
    if (isGridError(error)) return error;
    return new GridError<BotErrorCode>('BOT_INTERNAL', `${name} failed`, {
      hint: 'the log of that bot says more',
      retryable: true,
      cause: error,
    });
  }
}

const faults: ReadonlySet<string> = new Set(['BOT_INTERNAL', 'BOT_OUTPUT_INVALID', 'BASE_TIMEOUT']);
