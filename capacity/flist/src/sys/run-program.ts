import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';

export interface RunOptions {
  /** Descriptors that the program has from `firstDescriptor` on. */
  readonly descriptors?: readonly number[];
}

/** Before it are the three that every program has. */
export const firstDescriptor = 3;

/** A program of the system that takes longer hangs in the kernel: nobody waits for it. */
const programTimeoutMs = 30_000;

/**
 * Runs a program of util-linux and gives what it prints.
 * @throws FLIST_MOUNT_FAILED with what it said
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { descriptors = [] }: RunOptions = {},
): Promise<string> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe', ...descriptors],
    timeout: programTimeoutMs,
    killSignal: 'SIGKILL',
  });
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('the pipes of a program are missing');
  const ended = Promise.all([text(stdout), text(stderr), once(child, 'close')]);
  const [printed, said, closed] = await ended.catch((error: unknown) => {
    throw failed(program, args, String(error), error);
  });
  const exitCode: unknown = closed[0];
  if (exitCode === 0) return printed;
  throw failed(program, args, said.trim() || `it ended with ${String(exitCode ?? closed[1])}`);
}

function failed(
  program: string,
  args: readonly string[],
  said: string,
  cause?: unknown,
): GridError<FlistErrorCode> {
  return new GridError('FLIST_MOUNT_FAILED', `${program} failed: ${said}`, {
    hint: 'see what the system says: `dmesg | tail`; mounting needs root, util-linux, a loop device',
    details: { program, args },
    cause,
  });
}
