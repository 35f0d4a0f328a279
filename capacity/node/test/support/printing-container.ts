import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, identityOf, terminate, waitFor } from '@commongrid/base';

/**
 * A program under conmon without a container around it: a script stands in for runc. What it prints
 * is what comes through its fifo.
 */
export class PrintingContainer implements AsyncDisposable {
  readonly #folder: string;
  readonly #conmonPid: number;

  constructor(folder: string, conmonPid: number) {
    this.#folder = folder;
    this.#conmonPid = conmonPid;
  }

  /** @param logPath where conmon writes; the folder for the rest must be there */
  static async start(
    folder: string,
    logPath: string,
    program: string,
    args: readonly string[],
  ): Promise<PrintingContainer> {
    const runtime = join(folder, 'runtime');
    const pidFile = join(folder, 'pid');
    await writeFile(runtime, runtimeScript(program, args));
    await chmod(runtime, 0o755);
    const conmonPidFile = join(folder, 'conmon-pid');
    const names = ['--cid', 'printer', '--cuuid', 'printer', '--name', 'printer'];
    const folders = ['--bundle', folder, '--socket-dir-path', folder];
    const files = ['--container-pidfile', pidFile, '--conmon-pidfile', conmonPidFile];
    const exits = ['--exit-dir', folder, '--log-path', `k8s-file:${logPath}`];
    const child = spawn(
      'conmon',
      ['--runtime', runtime, ...names, ...folders, ...files, ...exits],
      {
        stdio: 'ignore',
      },
    );
    await once(child, 'exit');
    const pid = await waitFor(() => pidIn(conmonPidFile), { timeoutMs: 60_000, what: 'conmon' });
    await waitFor(() => pidIn(pidFile), { timeoutMs: 60_000, what: 'the program' });
    return new PrintingContainer(folder, pid);
  }

  /** As `LogRingOptions.reopen`. */
  reopen(): Promise<boolean> {
    return reopenUnder(this.#folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pids = [await pidIn(join(this.#folder, 'pid')), this.#conmonPid];
    for (const pid of pids) {
      const identity = pid === undefined ? undefined : await identityOf(pid);
      if (identity !== undefined) await terminate(identity, 1_000);
    }
  }
}

/** Tells the conmon of a folder to begin a new file. */
export async function reopenUnder(folder: string): Promise<boolean> {
  const fifo = await open(join(folder, 'ctl'), 'w');
  await fifo.write('2 0 0\n');
  await fifo.close();
  return true;
}

/** runc's `create`, as far as conmon sees it. */
function runtimeScript(program: string, args: readonly string[]): string {
  const words = [program, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return `#!/bin/sh
while [ $# -gt 0 ]; do
  [ "$1" = --pid-file ] && file=$2
  shift
done
${words} &
echo $! > "$file"
`;
}

async function pidIn(path: string): Promise<number | undefined> {
  try {
    const pid = Number.parseInt(await readFile(path, 'utf8'), 10);
    return pid > 0 ? pid : undefined;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
