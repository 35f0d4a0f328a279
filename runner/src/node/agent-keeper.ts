import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { delay, FolderLock, GridError, isGridError, waitFor } from '@commongrid/base';
import type { BaseErrorCode, Logger } from '@commongrid/base';
import {
  failedChoice,
  isSameRelease,
  readChoice,
  releaseName,
  releasesFolder,
  writeChoice,
} from '@commongrid/node/release';
import type { KeptRelease, ReleaseChoice } from '@commongrid/node/release';

import { childVariables } from '../environment.ts';

export interface AgentKeeperOptions {
  /** Of the node. Absolute. */
  readonly folder: string;
  /** Runs the `grid` that is installed. */
  readonly installed: readonly string[];
  /** Options of the agent, as they were given. */
  readonly words: readonly string[];
  /** Ends the agent, then the keeper. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** A trial that was begun so often, and never came to an end, failed. */
const startsMax = 3;
/** For an agent whose keeper was killed to be gone, ms. */
const goneTimeoutMs = 30_000;

/**
 * Runs the agent of a node as its child: the release that `release.json` names, and after a trial that
 * failed the good one again. It knows nothing of records and workloads, and stays as it is while
 * releases come and go: docs/formats/node-release.md.
 * @returns the exit status of the agent that ended by itself, or was told to
 * @throws BASE_FOLDER_LOCKED, BASE_PROGRAM_MISSING
 */
export async function keepAgent(options: AgentKeeperOptions): Promise<number> {
  const { folder, signal, logger } = options;
  await using _lock = await keeperLock(folder);
  await untilFree(folder);
  for (;;) {
    const choice = await begin(options);
    const release = chosen(folder, choice);
    logger.info({ release: release === undefined ? null : releaseName(release) }, 'agent starts');
    const ended = await runAgent(release, choice, options);
    if (signal.aborted) return ended.status;
    const after = await readChoice(folder, logger);
    const isUndecided =
      release !== undefined &&
      isSameRelease(choice.trial, release) &&
      isSameRelease(after.trial, release);
    if (isUndecided) await fail(options, after, ended.why);
    // Neither another one to start, nor one to go back to.
    else if (isSameRelease(chosen(folder, after), release)) return ended.status;
  }
}

/** One keeper at a time. @throws BASE_FOLDER_LOCKED */
export async function keeperLock(folder: string): Promise<FolderLock> {
  await mkdir(releasesFolder(folder), { recursive: true, mode: 0o700 });
  return FolderLock.open(releasesFolder(folder));
}

/**
 * Waits for the end of an agent whose keeper was killed: it ends with it, but not in the same moment.
 * @throws BASE_FOLDER_LOCKED when it does not
 */
export async function untilFree(folder: string): Promise<void> {
  let failure: unknown;
  const isFree = async (): Promise<boolean> => {
    try {
      await (await FolderLock.open(folder)).close();
      return true;
    } catch (error) {
      if (!isGridError(error, 'BASE_FOLDER_LOCKED')) throw error;
      failure = error;
      return false;
    }
  };
  const what = 'the end of the agent before';
  await waitFor(isFree, { timeoutMs: goneTimeoutMs, everyMs: 50, what }).catch((error) => {
    throw isGridError(error, 'BASE_TIMEOUT') ? failure : error;
  });
}

/** What is to be started now; a trial is counted before it is. */
async function begin(options: AgentKeeperOptions): Promise<ReleaseChoice> {
  const { folder, logger } = options;
  const choice = await readChoice(folder, logger);
  const { trial } = choice;
  if (trial === undefined) return choice;
  if (!isThere(folder, trial)) return fail(options, choice, 'its files are missing');
  if (trial.starts >= startsMax) {
    return fail(options, choice, `it was broken off ${startsMax} times`);
  }
  const counted = { ...choice, trial: { ...trial, starts: trial.starts + 1 } };
  await writeChoice(folder, counted);
  return counted;
}

async function fail(
  { folder, logger }: AgentKeeperOptions,
  choice: ReleaseChoice,
  message: string,
): Promise<ReleaseChoice> {
  const { trial } = choice;
  if (trial === undefined) return choice;
  const { version, digest } = trial;
  logger.error({ version, digest, message }, 'the release failed, the one before is started');
  const without = failedChoice(choice, { version, digest, message, atMs: Date.now() });
  await writeChoice(folder, without);
  return without;
}

/** Undefined: what is installed. */
function chosen(folder: string, { trial, good, former }: ReleaseChoice): KeptRelease | undefined {
  return [trial, good, former].find((one) => one !== undefined && isThere(folder, one));
}

function isThere(folder: string, { command: [program = ''] }: KeptRelease): boolean {
  return existsSync(join(folder, program));
}

interface EndedAgent {
  readonly status: number;
  /** For people: why a trial that ended so failed. */
  readonly why: string;
}

/** One life of an agent. It is killed when this process ends, however that comes. */
async function runAgent(
  release: KeptRelease | undefined,
  { trial }: ReleaseChoice,
  options: AgentKeeperOptions,
): Promise<EndedAgent> {
  const { folder, signal } = options;
  const child = start(release, options);
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  let isLate = false;
  const over = new AbortController();
  const endLate = async (limitMs: number): Promise<void> => {
    await delay(limitMs, { signal: over.signal }).catch(() => {});
    if (over.signal.aborted || !isSameRelease((await readChoice(folder)).trial, trial)) return;
    isLate = true;
    child.kill('SIGKILL');
  };
  const isTrial = trial !== undefined && isSameRelease(trial, release);
  const watching = isTrial ? endLate(trial.limitMs) : undefined;
  try {
    const { status, by } = await endOf(child);
    const how = by === undefined ? `it ended with ${status}` : `it was ended by ${by}`;
    return { status, why: isLate ? 'it did not show in time that it works' : how };
  } finally {
    over.abort();
    await watching;
    signal.removeEventListener('abort', stop);
  }
}

function start(
  release: KeptRelease | undefined,
  { folder, installed, words }: AgentKeeperOptions,
): ChildProcess {
  const command = release?.command.map((word) => {
    return word.startsWith('releases/') ? join(folder, word) : word;
  });
  const name = release === undefined ? [] : [`--release=${releaseName(release)}`];
  const agent = [...(command ?? installed), 'node', 'agent', `--keeper=${process.pid}`, ...name];
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...agent, ...words], {
    // In a session of its own: Ctrl-C at a terminal reaches the keeper only, which passes it on once.
    detached: true,
    env: childVariables(),
    stdio: 'inherit',
  });
}

async function endOf(
  child: ChildProcess,
): Promise<{ readonly status: number; readonly by: NodeJS.Signals | undefined }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    by: NodeJS.Signals | undefined;
  }>();
  child.once('error', (cause) => {
    const message = `an agent cannot be started: ${cause.message}`;
    const hint = 'install the package util-linux, which brings setpriv';
    reject(new GridError<BaseErrorCode>('BASE_PROGRAM_MISSING', message, { hint, cause }));
  });
  child.once('exit', (status, by) => resolve({ status: status ?? 1, by: by ?? undefined }));
  return promise;
}
