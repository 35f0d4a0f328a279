import { readFile } from 'node:fs/promises';

import { waitFor } from './deadline.ts';
import { errorCode, GridError, isGridError } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot: field 22 of /proc/PID/stat. */
  readonly startTicks: number;
  readonly bootId: string;
}

/** The identity of a living process; undefined when there is none with that number. */
export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return undefined;
    throw error;
  }
  // The name in parentheses may hold anything; fields 3 (state) and on follow it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  bootId ??= (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return { pid, startTicks: Number(fields[19]), bootId };
}

/** No process sees two of them. */
let bootId: string | undefined;

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identityOf(identity.pid);
  return now?.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

/** Resolves when the process has ended. @throws BASE_TIMEOUT */
export async function waitForEnd(identity: ProcessIdentity, timeoutMs: number): Promise<void> {
  const what = `the end of process ${identity.pid}`;
  await waitFor(async () => !(await isAlive(identity)), { timeoutMs, everyMs: 20, what });
}

/**
 * Ends a process: SIGTERM, and SIGKILL when it is still there after `graceMs`. A process that
 * merely has its number is left alone.
 * @throws BASE_PROCESS_STUCK when even SIGKILL did not end it within five seconds
 */
export async function terminate(identity: ProcessIdentity, graceMs: number): Promise<void> {
  for (const [signal, timeoutMs] of [
    ['SIGTERM', graceMs],
    ['SIGKILL', killTimeoutMs],
  ] as const) {
    if (!(await isAlive(identity))) return;
    sendSignal(identity.pid, signal);
    try {
      await waitForEnd(identity, timeoutMs);
      return;
    } catch (error) {
      if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
    }
  }
  throw new GridError<BaseErrorCode>('BASE_PROCESS_STUCK', `process ${identity.pid} does not end`, {
    hint: `look at it: cat /proc/${identity.pid}/stack`,
    details: { pid: identity.pid },
  });
}

/** A process that is in the kernel for longer than this hangs on broken hardware. */
const killTimeoutMs = 5_000;

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
