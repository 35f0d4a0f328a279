import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { delay, isGridError } from '@commongrid/base';

import { FolderWatch } from './folder-watch.ts';
import { LogCursor, logStart } from './log-cursor.ts';
import type { LogPosition } from './log-cursor.ts';
import { LogFiles, logFileName } from './log-files.ts';
import type { LogLine } from './log-line.ts';

export interface LogRingOptions {
  /** A folder of its own; conmon writes to the file `log` in it. */
  readonly folder: string;
  /** Most that is kept. Default 8 MiB. */
  readonly totalBytes?: number;
  /**
   * Makes conmon put a new file in the place of `log` (`2 0 0` and a newline into its `ctl`); false
   * when no conmon writes.
   */
  readonly reopen: () => Promise<boolean>;
}

export interface FollowOptions {
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Begins with so many lines of what was printed before. Default 0. */
  readonly tail?: number;
}

/** What is kept of a log unless its workload says otherwise. */
export const ringBytesDefault = 8 * 1024 * 1024;
/** Lines that `tail` gives at most. */
const tailLinesMax = 10_000;
/** Characters that `tail` gives at most. */
const tailCharactersMax = 8 * 1024 * 1024;
/** Who follows a log that grows all the time reads so often. */
const paceMs = 50;

/** The newest of what a container printed, on disk. It needs nobody to be written: conmon does. */
export class LogRing implements Disposable {
  readonly #files: LogFiles;
  readonly #folder: string;
  readonly #cursors = new Set<LogCursor>();
  #watch: FolderWatch | undefined;

  /** Use `open`. */
  constructor(files: LogFiles, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  static async open(options: LogRingOptions): Promise<LogRing> {
    const { folder, totalBytes = ringBytesDefault, reopen } = options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new LogRing(await LogFiles.open({ folder, totalBytes, reopen }), folder);
  }

  /** The path to give to conmon. */
  get path(): string {
    return join(this.#folder, logFileName);
  }

  /** Keeps the log to its size: to be called every few seconds. @throws NODE_LOG_STUCK */
  async rotate(): Promise<void> {
    if (!this.#files.isRotationDue) return;
    await this.#files.rotate(async (number) => {
      for (const cursor of this.#cursors) await cursor.willLose(number);
    });
  }

  /** The last lines, oldest first. */
  async tail(count: number): Promise<readonly LogLine[]> {
    return (await this.#tail(count)).lines;
  }

  /** What was printed at that time or later, oldest first. */
  async *since(atMs: number): AsyncGenerator<LogLine, void> {
    const cursor = new LogCursor(this.#files, await this.#startFor(atMs));
    const endMs = Date.now();
    for (let lines = await cursor.next(); lines !== undefined; lines = await cursor.next()) {
      for (const line of lines) if (line.atMs >= atMs) yield line;
      // Whoever prints faster than this is read would never let it end.
      if ((lines.at(-1)?.atMs ?? 0) > endMs) return;
    }
  }

  /** Lines as they come, until the signal fires. */
  async *follow({ signal, tail = 0 }: FollowOptions): AsyncGenerator<LogLine, void> {
    const { lines, position } = await this.#tail(tail);
    yield* lines;
    for await (const { lines: more } of this.batches(position, signal)) yield* more;
  }

  /** Lines from a position on, as they come, with the position behind them. */
  async *batches(
    from: LogPosition,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly lines: readonly LogLine[]; readonly position: LogPosition }, void> {
    const cursor = new LogCursor(this.#files, from);
    this.#cursors.add(cursor);
    this.#watch ??= new FolderWatch(this.#folder);
    try {
      for (;;) {
        const { changes } = this.#watch;
        const lines = await cursor.next();
        if (lines === undefined) {
          await this.#watch.after(changes, signal);
          await delay(paceMs, { signal });
        } else if (signal.aborted) return;
        else if (lines.length > 0) yield { lines, position: cursor.position };
      }
    } catch (error) {
      if (!signal.aborted || !isGridError(error, 'BASE_ABORTED')) throw error;
    } finally {
      this.#cursors.delete(cursor);
    }
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
  }

  /** Goes back file by file until there are enough. */
  async #tail(count: number): Promise<{ lines: readonly LogLine[]; position: LogPosition }> {
    const wanted = Math.min(count, tailLinesMax);
    const files = await this.#files.look();
    const numbers = files.map(({ number }) => number).toReversed();
    for (const file of numbers) {
      const cursor = new LogCursor(this.#files, { file, offset: 0 });
      const lines = await lastLines(cursor, wanted);
      const isEnough = lines.length >= wanted || file === numbers.at(-1);
      if (isEnough) return { lines, position: cursor.position };
    }
    return { lines: [], position: logStart };
  }

  /** The newest file that begins before that time. */
  async #startFor(atMs: number): Promise<LogPosition> {
    for (const { number } of (await this.#files.look()).toReversed()) {
      const position = { file: number, offset: 0 };
      const lines = await new LogCursor(this.#files, position).next();
      const [first] = lines ?? [];
      if (first !== undefined && first.stream !== 'node' && first.atMs < atMs) return position;
    }
    return logStart;
  }
}

async function lastLines(cursor: LogCursor, count: number): Promise<LogLine[]> {
  const window: LogLine[] = [];
  let first = 0;
  let characters = 0;
  const endMs = Date.now();
  for (let lines = await cursor.next(); lines !== undefined; lines = await cursor.next()) {
    for (const line of lines) {
      window.push(line);
      characters += line.text.length;
    }
    while (window.length - first > count || characters > tailCharactersMax) {
      characters -= window[first]?.text.length ?? 0;
      first++;
    }
    // So that what is cut off is not moved for each line.
    if (first > count) {
      window.splice(0, first);
      first = 0;
    }
    if ((lines.at(-1)?.atMs ?? 0) > endMs) break;
  }
  return window.slice(first);
}
