import { readFile } from 'node:fs/promises';

import { delay, errorCode, isGridError, writeFileAtomic } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

import { logStart } from './log-cursor.ts';
import type { LogPosition } from './log-cursor.ts';
import type { LogLine } from './log-line.ts';
import type { LogRing } from './log-ring.ts';
import type { SinkDoor } from './sink-door.ts';

export interface LogSinkOptions {
  readonly ring: LogRing;
  readonly door: SinkDoor;
  /** Goes with each line. */
  readonly workload: string;
  /** File that keeps how far it came. */
  readonly positionPath: string;
  readonly clock: Clock;
}

/** Pause after a delivery: lines go out together, and the position is not written for each. */
const paceMs = 1_000;
/** So much goes out without a pause. */
const manyCharacters = 16 * 1024;
/** First pause after a failure; it doubles. */
const firstPauseMs = 500;
/** Longest pause after failures. */
const pauseMsMax = 60_000;

/**
 * Copies the lines of a log to one place, each at most once: that they were sent is on disk before
 * they are sent, and taken back when surely nobody has them. What waits, waits in the log itself; when that goes faster than it is taken, lines
 * are dropped, and one line says how many.
 */
export class LogSink {
  readonly #options: LogSinkOptions;
  #pauseMs = 0;
  /** Of lines that may not have arrived. */
  #lost = 0;

  constructor(options: LogSinkOptions) {
    this.#options = options;
  }

  /** Ends when the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { ring, positionPath, clock } = this.#options;
    let before = await readPosition(positionPath);
    try {
      for await (const { lines, position } of ring.batches(before, signal)) {
        await this.#send(lines, { before, after: position }, signal);
        before = position;
        const characters = lines.reduce((sum, { text }) => sum + text.length, 0);
        if (characters < manyCharacters) await delay(paceMs, { signal, clock });
      }
    } catch (error) {
      if (!signal.aborted || !isGridError(error, 'BASE_ABORTED')) throw error;
    }
  }

  async #send(
    lines: readonly LogLine[],
    { before, after }: { readonly before: LogPosition; readonly after: LogPosition },
    signal: AbortSignal,
  ): Promise<void> {
    const { door, clock } = this.#options;
    for (;;) {
      await this.#keep(after);
      const notice = this.#lost === 0 ? [] : [this.#notice()];
      const texts = [...notice, ...lines].map((line) => this.#textOf(line));
      const delivery = await door.deliver(texts, signal);
      if (delivery === 'taken') {
        this.#lost = 0;
        this.#pauseMs = 0;
        return;
      }
      this.#pauseMs = Math.min(Math.max(firstPauseMs, this.#pauseMs * 2), pauseMsMax);
      if (delivery === 'unknown') this.#lost += lines.length;
      else await this.#keep(before);
      await delay(this.#pauseMs, { signal, clock });
      if (delivery === 'unknown') return;
    }
  }

  #keep(position: LogPosition): Promise<void> {
    const { positionPath } = this.#options;
    return writeFileAtomic(positionPath, JSON.stringify(position), { mode: 0o600 });
  }

  #notice(): LogLine {
    const text = `lines that may not have arrived: ${this.#lost}`;
    return { atMs: this.#options.clock.nowMs(), stream: 'node', text };
  }

  #textOf({ atMs, stream, text }: LogLine): string {
    return JSON.stringify({ atMs, workload: this.#options.workload, stream, text });
  }
}

/** One that cannot be read is none: then the log is copied from its beginning. */
async function readPosition(path: string): Promise<LogPosition> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return logStart;
    throw error;
  }
  const [, file, offset] = /^\{"file":(\d{1,15}),"offset":(\d{1,15})\}$/.exec(text) ?? [];
  return file === undefined ? logStart : { file: Number(file), offset: Number(offset) };
}
