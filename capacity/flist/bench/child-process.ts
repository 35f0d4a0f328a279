import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { chunkMemory } from '@commongrid/base';

/** A process that is measured; it is ended with the benchmark. */
export interface MeasuredProcess extends AsyncDisposable {
  readonly pid: number;
  /** The first line that it prints; empty when it ends without one. */
  readonly firstLine: Promise<string>;
}

/** @param signalName that ends it */
export function startProcess(
  [program = '', ...args]: readonly string[],
  signalName: NodeJS.Signals,
): MeasuredProcess {
  const env = { ...process.env, ...chunkMemory };
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  const firstLine = Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    ended.then(() => ''),
  ]);
  return {
    pid: child.pid ?? 0,
    firstLine,
    [Symbol.asyncDispose]: async () => {
      child.kill(signalName);
      await ended;
    },
  };
}
