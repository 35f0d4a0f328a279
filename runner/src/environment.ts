import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

import { logLevelFrom } from '@commongrid/base';
import type { LogLevel } from '@commongrid/base';

/** What the outside world says about this run. No other file reads environment variables. */
export interface Environment {
  /** Folder of this grid: `GRID_HOME`, always absolute. */
  readonly home: string;
  /** Level of the log lines that services write: `GRID_LOG`, default `info`. */
  readonly logLevel: LogLevel;
  readonly isRoot: boolean;
}

export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Reads the variables once. Empty ones count as absent.
 * @throws BASE_LOG_LEVEL_INVALID
 */
export function readEnvironment(variables: Variables, userId: number): Environment {
  const isRoot = userId === 0;
  return {
    home: resolve(variables['GRID_HOME'] || defaultHome(variables, isRoot)),
    logLevel: logLevelFrom(variables),
    isRoot,
  };
}

/** False with a non-empty `NO_COLOR` or on a dumb terminal. */
export function allowsColor(variables: Variables): boolean {
  return !variables['NO_COLOR'] && variables['TERM'] !== 'dumb';
}

/** The variables for a program that is not part of the running test, with `added` on top. */
export function childVariables(added: Variables = {}): NodeJS.ProcessEnv {
  // A test runner inside a test would report to the outer one instead of running.
  const { NODE_TEST_CONTEXT: _outerRunner, ...inherited } = process.env;
  return { ...inherited, ...added };
}

function defaultHome(variables: Variables, isRoot: boolean): string {
  if (isRoot) return '/var/lib/grid';
  return join(variables['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'grid');
}
