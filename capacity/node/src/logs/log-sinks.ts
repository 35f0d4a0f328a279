import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { silentLogger, systemClock, TaskGroup } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { Container, WorkloadId } from '@commongrid/model';

import { shortIdOf } from '../short-id.ts';
import { ringBytesDefault } from './log-ring.ts';
import type { LogRing } from './log-ring.ts';
import { LogSink } from './log-sink.ts';
import type { ForbiddenAddresses } from './sink-address.ts';
import { sinkDoor } from './sink-door.ts';

export interface LogSinksOptions {
  readonly ring: LogRing;
  /** As the workload says; those of kind `file` are the ring itself. */
  readonly sinks: Container['logs'];
  readonly workload: WorkloadId;
  /** Where it is kept how far each sink came. */
  readonly folder: string;
  /** Addresses that no sink may have: `nodeAddresses()`. */
  readonly forbidden: ForbiddenAddresses;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Least that is kept of a log. */
const ringBytesMin = 64 * 1024;
/** Most that a workload can have kept of its log. */
const ringBytesMax = 1024 ** 3;

/** How much of a log is kept: what its `file` sink says. */
export function ringBytesOf(sinks: Container['logs']): number {
  const { sizeBytes = ringBytesDefault } = sinks.find(({ kind }) => kind === 'file') ?? {};
  return Math.min(Math.max(sizeBytes, ringBytesMin), ringBytesMax);
}

/** Copies of one log to elsewhere. The container does not notice them, however slow they are. */
export class LogSinks implements AsyncDisposable {
  readonly #tasks: TaskGroup;
  readonly #doors: AsyncDisposableStack;

  /** Use `open`. */
  constructor(tasks: TaskGroup, doors: AsyncDisposableStack) {
    this.#tasks = tasks;
    this.#doors = doors;
  }

  /** @throws NODE_CONFIG_INVALID */
  static async open(options: LogSinksOptions): Promise<LogSinks> {
    const { ring, sinks, workload, folder, forbidden, clock = systemClock } = options;
    const { logger = silentLogger } = options;
    await using doors = new AsyncDisposableStack();
    const opened = sinks.flatMap(({ kind, to }) => {
      if (kind === 'file') return [];
      const door = doors.use(sinkDoor(to ?? '', forbidden));
      // Two sinks with one address are one place.
      const positionPath = join(folder, `sink-${shortIdOf(placeOf(to ?? ''))}.json`);
      return [new LogSink({ ring, door, workload, positionPath, clock })];
    });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const onError = (err: unknown): void => logger.error({ err, workload }, 'a sink of logs ended');
    const tasks = new TaskGroup({ onError });
    for (const sink of opened) tasks.start('sink of logs', (signal) => sink.run(signal));
    return new LogSinks(tasks, doors.move());
  }

  async close(): Promise<void> {
    await this.#tasks.close();
    await this.#doors.disposeAsync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** An address without what is secret in it: a short hash of a password could be guessed from. */
function placeOf(to: string): string {
  const url = new URL(to);
  url.username = '';
  url.password = '';
  return url.href;
}
