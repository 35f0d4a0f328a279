import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { withTimeout } from '../src/index.ts';

/** A process of `test/processes` whose lines are read one by one; killed when disposed. */
export interface Child extends AsyncDisposable {
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
  nextLine(): Promise<string | undefined>;
  /** Resolves with the exit code or the signal that ended it. */
  ended(): Promise<number | string | null>;
}

export function startChild(script: string, args: readonly string[] = []): Child {
  const path = fileURLToPath(new URL(`processes/${script}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const ended = async (): Promise<number | string | null> => {
    await withTimeout(() => exit, { timeoutMs: 20_000, what: `the end of ${script}` });
    return child.signalCode ?? child.exitCode;
  };
  return {
    process: child,
    ended,
    nextLine: async () => {
      const line = await withTimeout(() => lines.next(), {
        timeoutMs: 20_000,
        what: `a line of ${script}`,
      });
      return line.done === true ? undefined : line.value;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended();
    },
  };
}
