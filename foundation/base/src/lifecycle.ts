import { GridError, isGridError } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';

/**
 * Makes a `close` idempotent: the first call runs it, every call gets that run's promise.
 *
 * The usual shape of a thing that owns resources: `open` collects them on a stack, so that a
 * failure half way releases what was acquired, and hands the stack over at the end.
 *
 *     static async open(options: Options): Promise<Thing> {
 *       await using stack = new AsyncDisposableStack();
 *       const lock = stack.use(await FolderLock.acquire(options.folder));
 *       return new Thing(lock, stack.move());
 *     }
 */
export function closeOnce(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => (closing ??= close());
}

export interface TaskGroupOptions {
  /** Most tasks at a time. Default 1024. */
  readonly maxTasks?: number;
  /** Receives what a task throws, except BASE_ABORTED after close. */
  readonly onError: (error: unknown, name: string) => void;
}

/** Background work with an owner: no promise floats, and `close` waits for all of it. */
export class TaskGroup implements AsyncDisposable {
  readonly #options: TaskGroupOptions;
  readonly #controller = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: TaskGroupOptions) {
    this.#options = options;
  }

  /** Fires when the group closes. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get size(): number {
    return this.#running.size;
  }

  /**
   * Starts `task`, which must end soon after its signal fires.
   * @throws BASE_CLOSED, BASE_TASKS_FULL
   */
  start(name: string, task: (signal: AbortSignal) => Promise<void>): void {
    if (this.signal.aborted) throw closed(name);
    const { maxTasks = 1024 } = this.#options;
    if (this.#running.size >= maxTasks) throw full(name, maxTasks);
    const running = this.#run(name, task).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Tells all tasks to end and waits until they have. Idempotent. */
  async close(): Promise<void> {
    this.#controller.abort();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(name: string, task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await task(this.signal);
    } catch (error) {
      if (this.signal.aborted && isGridError(error, 'BASE_ABORTED')) return;
      this.#options.onError(error, name);
    }
  }
}

export type ShutdownSignal = 'SIGTERM' | 'SIGINT';

/**
 * Calls `fn` at the first SIGTERM or SIGINT. From then on the signals have their default effect:
 * a second one ends the process at once. Dispose the result to stop listening.
 */
export function onShutdownSignals(fn: (signal: ShutdownSignal) => void): Disposable {
  const stop = (): void => {
    process.off('SIGTERM', listener);
    process.off('SIGINT', listener);
  };
  const listener = (signal: NodeJS.Signals): void => {
    stop();
    fn(signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
  };
  process.on('SIGTERM', listener);
  process.on('SIGINT', listener);
  return { [Symbol.dispose]: stop };
}

/** A signal that fires at the first SIGTERM or SIGINT, with the name of that signal as reason. */
export function shutdownSignal(): AbortSignal {
  const controller = new AbortController();
  onShutdownSignals((signal) => controller.abort(signal));
  return controller.signal;
}

function closed(name: string): GridError<BaseErrorCode> {
  return new GridError('BASE_CLOSED', `cannot start ${name}: the group is closed`, {
    details: { name },
  });
}

function full(name: string, maxTasks: number): GridError<BaseErrorCode> {
  return new GridError('BASE_TASKS_FULL', `cannot start ${name}: ${maxTasks} tasks are running`, {
    retryable: true,
    details: { name, maxTasks },
  });
}
