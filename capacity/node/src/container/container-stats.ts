import { closeOnce, repeat, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { Assignment } from '../assignment.ts';
import type { ForbiddenAddresses } from '../logs/sink-address.ts';
import { sinkDoor } from '../logs/sink-door.ts';
import type { CgroupUsage } from '../sys/cgroup.ts';
import { containerOf } from './container-plan.ts';

export interface ContainerStatsOptions {
  /** Undefined when it has no process. */
  readonly usageOf: (key: string) => Promise<CgroupUsage | undefined>;
  /** Addresses that nothing is sent to. */
  readonly forbidden: ForbiddenAddresses;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/**
 * Tells owners what their containers use, where their roles ask for it: a line of JSON each time, at
 * most once. What cannot be sent is left out; the next one says more.
 */
export class ContainerStats implements AsyncDisposable {
  readonly #options: ContainerStatsOptions;
  readonly #senders = new Map<string, () => Promise<void>>();

  constructor(options: ContainerStatsOptions) {
    this.#options = options;
  }

  /** Begins to tell of a container; one that is told of already goes on. @throws NODE_CONFIG_INVALID */
  open({ id, key, role }: Assignment): void {
    const { stats } = containerOf(role);
    if (stats === undefined || this.#senders.has(key)) return;
    const { usageOf, forbidden, logger = silentLogger, clock = systemClock } = this.#options;
    const door = sinkDoor(stats.to, forbidden);
    const closing = new AbortController();
    const { signal } = closing;
    const send = async (): Promise<void> => {
      const usage = await usageOf(key);
      if (usage === undefined) return;
      const told = { schema: 'grid.stats.1', workload: id, at: clock.nowMs(), ...usage };
      await door.deliver([JSON.stringify(told)], signal);
    };
    const onError = (err: unknown): void => logger.warn({ err, workload: id }, 'no use is told');
    const sending = repeat(stats.everySeconds * 1000, send, { signal, clock, onError });
    this.#senders.set(
      key,
      closeOnce(async () => {
        closing.abort();
        await sending;
        await door[Symbol.asyncDispose]();
      }),
    );
  }

  /** Tells of it no more. */
  async close(key: string): Promise<void> {
    const close = this.#senders.get(key);
    this.#senders.delete(key);
    await close?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#senders.keys()].map((key) => this.close(key)));
  }
}
