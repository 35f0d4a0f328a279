import { spawn } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { GridError, isGridError, waitFor } from '@commongrid/base';

import { childVariables } from '../../environment.ts';
import type { GridErrorCode } from '../../errors.ts';
import { LogFile } from '../../supervisor/log-file.ts';

/** For one start: the service verifies what it was not sure of first. */
const startTimeoutMs = 60_000;

/** For all: the one before ends some time after it was told to. */
const takeTurnsTimeoutMs = 2 * startTimeoutMs;

/**
 * Starts the service of a store, and waits until it answers. It outlives the command.
 * @throws GRID_SERVICE_FAILED with what it noted
 */
export async function startImageService(
  folder: string,
  command: readonly string[],
  answers: () => Promise<boolean>,
): Promise<void> {
  let failure: GridError | undefined;
  const started = async (): Promise<boolean> => {
    failure = await start(folder, command, answers);
    if (failure === undefined) return true;
    if (failure.details['reason'] !== 'BASE_FOLDER_LOCKED') throw failure;
    return false;
  };
  const what = 'the end of the service before';
  await waitFor(started, { what, timeoutMs: takeTurnsTimeoutMs, everyMs: 100 }).catch((error) => {
    throw isGridError(error, 'BASE_TIMEOUT') && failure !== undefined ? failure : error;
  });
}

/** @returns why it ended, if it did */
async function start(
  folder: string,
  command: readonly string[],
  answers: () => Promise<boolean>,
): Promise<GridError<GridErrorCode> | undefined> {
  const [program = '', ...words] = command;
  await using log = await LogFile.open(join(folder, 'service.log'));
  const { size: noted } = await stat(log.path);
  const child = spawn(program, words, {
    ...{ cwd: '/', detached: true, env: childVariables({}) },
    stdio: ['ignore', log.descriptor, log.descriptor],
  });
  let hasEnded = false;
  child.once('exit', () => (hasEnded = true));
  child.once('error', () => (hasEnded = true));
  const what = 'the image service';
  await waitFor(async () => hasEnded || (await answers()), {
    ...{ what, timeoutMs: startTimeoutMs, everyMs: 50 },
  });
  child.unref();
  return hasEnded && !(await answers()) ? await failed(log.path, noted) : undefined;
}

/** With what the service noted last, where it noted something. */
async function failed(log: string, from: number): Promise<GridError<GridErrorCode>> {
  const lines = (await readFile(log)).subarray(from).toString().trimEnd().split('\n');
  const noted = noteIn(lines.findLast((line) => line.startsWith('{"level":"error"')));
  const why = noted?.message ?? 'see its log';
  return new GridError('GRID_SERVICE_FAILED', `the image service did not start: ${why}`, {
    hint: noted?.hint === undefined ? `see ${log}` : `${noted.hint}; its log is ${log}`,
    details: { log, reason: noted?.code ?? null },
  });
}

interface Note {
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
}

function noteIn(line = '{}'): Note | undefined {
  try {
    return (JSON.parse(line) as { err?: Note }).err;
  } catch {
    // A line that was cut off.
    return undefined;
  }
}
