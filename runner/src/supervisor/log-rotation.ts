import { repeat } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import { logCheckEveryMs } from './log-file.ts';
import type { LogFile } from './log-file.ts';

/** Measures logs every few seconds and rotates those that have grown too large. */
export class LogRotation implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  private constructor(logs: readonly LogFile[], logger: Logger) {
    const rotateAll = async (): Promise<void> => {
      for (const log of logs) await log.rotate();
    };
    this.#done = repeat(logCheckEveryMs, rotateAll, {
      signal: this.#stop.signal,
      onError: (error) => logger.error({ err: error }, 'cannot rotate a log'),
    });
  }

  static start(logs: readonly LogFile[], logger: Logger): LogRotation {
    return new LogRotation(logs, logger);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
