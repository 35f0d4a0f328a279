import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { closeOnce, repeat, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { Assignment } from '../assignment.ts';
import { logFileName } from '../logs/log-files.ts';
import { LogRing } from '../logs/log-ring.ts';
import { LogSinks, ringBytesOf } from '../logs/log-sinks.ts';
import type { ForbiddenAddresses } from '../logs/sink-address.ts';
import { containerOf } from './container-plan.ts';

export interface ContainerLogsOptions {
  /** One folder for each container in it. */
  readonly folder: string;
  /** Makes conmon write to a new file; false when there is none. */
  readonly reopen: (key: string) => Promise<boolean>;
  /** Addresses that no sink may have. */
  readonly forbidden: ForbiddenAddresses;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

interface OpenLog {
  readonly ring: LogRing;
  readonly sinks: LogSinks;
}

/** How often logs are looked at for their size, ms. */
const rotateEveryMs = 5_000;

/** The logs of all containers: kept to their size, and copied to where their owners want them. */
export class ContainerLogs implements AsyncDisposable {
  readonly closeAll: () => Promise<void>;
  readonly #options: ContainerLogsOptions;
  readonly #open = new Map<string, Promise<OpenLog>>();

  constructor(options: ContainerLogsOptions) {
    const { clock = systemClock } = options;
    this.#options = options;
    const closing = new AbortController();
    const { signal } = closing;
    const rotating = repeat(rotateEveryMs, () => this.#rotate(), { signal, clock });
    this.closeAll = closeOnce(async () => {
      closing.abort();
      await rotating;
      await Promise.all([...this.#open.keys()].map((key) => this.close(key)));
    });
  }

  /** Where conmon writes. */
  pathOf(key: string): string {
    return join(this.#folderOf(key), logFileName);
  }

  /** Begins to look after a log; one that is looked after already goes on. */
  async open({ id, key, role }: Assignment): Promise<void> {
    let log = this.#open.get(key);
    if (log === undefined) {
      log = this.#begin(id, key, containerOf(role).logs);
      this.#open.set(key, log);
      log.catch(() => this.#open.delete(key));
    }
    await log;
  }

  /** What a container printed, also when it has ended: for one reader, who gives it back by `using`. */
  read(key: string): Promise<LogRing> {
    return this.#ring(key);
  }

  /** Looks after it no more; what was printed stays. */
  async close(key: string): Promise<void> {
    const log = this.#open.get(key);
    this.#open.delete(key);
    if (log === undefined) return;
    const { ring, sinks } = await log;
    await sinks.close();
    ring[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closeAll();
  }

  async #begin(
    workload: Assignment['id'],
    key: string,
    sinks: Parameters<typeof ringBytesOf>[0],
  ): Promise<OpenLog> {
    const { forbidden, logger, clock } = this.#options;
    const folder = this.#folderOf(key);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const ring = await this.#ring(key, ringBytesOf(sinks));
    const opened = await LogSinks.open({
      ...{ ring, sinks, workload, forbidden, folder: join(folder, 'sinks') },
      ...(logger === undefined ? {} : { logger }),
      ...(clock === undefined ? {} : { clock }),
    });
    return { ring, sinks: opened };
  }

  #ring(key: string, totalBytes?: number): Promise<LogRing> {
    const reopen = (): Promise<boolean> => this.#options.reopen(key);
    const folder = this.#folderOf(key);
    return LogRing.open({ folder, reopen, ...(totalBytes === undefined ? {} : { totalBytes }) });
  }

  async #rotate(): Promise<void> {
    const { logger = silentLogger } = this.#options;
    // One whose conmon hangs does not hold up the others.
    const rotated = [...this.#open].map(async ([key, log]) => {
      try {
        await (await log).ring.rotate();
      } catch (err) {
        logger.warn({ err, key }, 'a log cannot be kept to its size');
      }
    });
    await Promise.all(rotated);
  }

  #folderOf(key: string): string {
    return join(this.#options.folder, key, 'log');
  }
}
