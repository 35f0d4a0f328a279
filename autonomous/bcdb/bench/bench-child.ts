import { fork } from 'node:child_process';
import type { ChildProcess, Serializable } from 'node:child_process';
import { once } from 'node:events';

/** A process that says once that it is ready, and then answers. */
export class BenchChild implements AsyncDisposable {
  readonly hello: unknown;
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, pid: number, hello: unknown) {
    this.#child = child;
    this.pid = pid;
    this.hello = hello;
  }

  static async start(file: string, args: readonly string[]): Promise<BenchChild> {
    const child = fork(file, args);
    const hello = await answerOf(child);
    return new BenchChild(child, child.pid ?? 0, hello);
  }

  async ask(message: Serializable): Promise<unknown> {
    this.#child.send(message);
    return answerOf(this.#child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const stop = new AbortController();
  const { signal } = stop;
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]: unknown[]) => message),
      once(child, 'exit', { signal }).then(() => {
        throw new Error('a process of the benchmark ended');
      }),
    ]);
  } finally {
    stop.abort();
  }
}
