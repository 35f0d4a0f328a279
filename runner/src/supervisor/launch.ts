import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { GridError, withTimeout } from '@commongrid/base';
import type { GridErrorJson } from '@commongrid/base';

import { childVariables } from '../environment.ts';
import type { GridErrorCode } from '../errors.ts';
import type { GridHome } from '../home.ts';
import type { PortBase } from '../ports.ts';
import type { GridState } from './grid-state.ts';
import { LogFile } from './log-file.ts';

/** What a supervisor tells the process that launched it, once, when it is ready or has failed. */
export type LaunchReport = { readonly state: GridState } | { readonly error: GridErrorJson };

/**
 * Starts a supervisor in a session of its own and waits for its report. It lives on afterwards.
 * @throws what made it fail, GRID_ALREADY_UP when another one was faster
 */
export async function launchSupervisor(
  home: GridHome,
  portBase: PortBase,
  timeoutMs: number,
): Promise<GridState> {
  await using log = await LogFile.open(home.logOf('supervisor'));
  const main = join(import.meta.dirname, '..', 'main.ts');
  const words = ['up', '--foreground', `--port-base=${portBase}`];
  const child = spawn(process.execPath, [main, ...words], {
    cwd: '/',
    detached: true,
    env: childVariables({ GRID_HOME: home.path }),
    stdio: ['ignore', log.descriptor, log.descriptor, 'ipc'],
  });
  const report = Promise.withResolvers<LaunchReport>();
  child.once('message', (message) => report.resolve(message as LaunchReport));
  child.once('error', report.reject);
  child.once('exit', () => report.reject(endedEarly(log)));
  try {
    const answer = await withTimeout(() => report.promise, { timeoutMs, what: 'the supervisor' });
    if ('state' in answer) return answer.state;
    const { code, message, hint, retryable, details } = answer.error;
    throw new GridError(code, message, { hint, retryable, details });
  } catch (error) {
    // Whatever it was doing, it undoes that before it ends.
    child.kill('SIGTERM');
    throw error;
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}

/** True in a supervisor whose launcher waits for its report. */
export function isLaunched(): boolean {
  return process.connected;
}

/** In the supervisor: tells the launcher; false when nobody launched it. */
export function reportToLauncher(report: LaunchReport): boolean {
  if (!isLaunched()) return false;
  process.send?.(report, undefined, undefined, () => {
    if (process.connected) process.disconnect?.();
  });
  return true;
}

function endedEarly(log: LogFile): GridError<GridErrorCode> {
  return new GridError('GRID_SUPERVISOR_FAILED', 'the supervisor ended before it was ready', {
    hint: `see ${log.path}`,
    details: { log: log.path },
  });
}
