import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

import { errorCode, GridError, throwIfAborted } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';

export interface RunProgramOptions {
  /** Descriptors that the program has from `firstDescriptor` on. */
  readonly descriptors?: readonly number[];
  /** What it reads from its standard input; nothing without it. */
  readonly input?: string | Uint8Array;
  /** All its variables. Default: those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** After that it is killed: one that takes so long hangs in the kernel. Default 30 s. */
  readonly timeoutMs?: number;
  /** Kills it. */
  readonly signal?: AbortSignal | undefined;
}

/** Before it are the three that every program has. */
export const firstDescriptor = 3;

const timeoutMsDefault = 30_000;

/**
 * Runs a program of the system to its end and gives what it prints, as text. Never for one that
 * leaves something behind in the background: that keeps the pipes open.
 * @throws BASE_PROGRAM_MISSING, BASE_PROGRAM_FAILED with what it said and `details.status`, which is
 *   the name of a signal where that ended it; BASE_ABORTED
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunProgramOptions = {},
): Promise<string> {
  const { descriptors = [], input, env, cwd, timeoutMs = timeoutMsDefault, signal } = options;
  throwIfAborted(signal);
  const child = spawn(program, args, {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...descriptors],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    ...(env === undefined ? {} : { env }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(signal === undefined ? {} : { signal }),
  });
  const { stdin, stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('the pipes of a program are missing');
  // One that ends without reading all says why on its own.
  stdin?.on('error', () => {});
  stdin?.end(input);
  const ended = Promise.all([text(stdout), text(stderr), once(child, 'close')]);
  const [printed, said, closed] = await ended.catch((error: unknown) => {
    throwIfAborted(signal);
    throw notStarted(program, args, error);
  });
  const [exitCode, killedBy] = closed as [number | null, NodeJS.Signals | null];
  if (exitCode === 0) return printed;
  throwIfAborted(signal);
  throw failed(program, args, exitCode ?? killedBy, said);
}

function notStarted(
  program: string,
  args: readonly string[],
  cause: unknown,
): GridError<BaseErrorCode> {
  if (errorCode(cause) === 'ENOENT') {
    return new GridError('BASE_PROGRAM_MISSING', `there is no program ${program}`, {
      hint: `install the package that brings ${program}`,
      details: { program },
      cause,
    });
  }
  return new GridError('BASE_PROGRAM_FAILED', `${program} cannot be run: ${String(cause)}`, {
    details: { program, args },
    cause,
  });
}

function failed(
  program: string,
  args: readonly string[],
  status: number | string | null,
  said: string,
): GridError<BaseErrorCode> {
  const why = said.trim().slice(-saidCharactersMax) || `it ended with ${String(status)}`;
  return new GridError('BASE_PROGRAM_FAILED', `${program} failed: ${why}`, {
    details: { program, args, status },
  });
}

/** Of what a program says before it fails, the end tells why. */
const saidCharactersMax = 2_000;
