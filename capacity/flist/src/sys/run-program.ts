import { GridError, isGridError, runProgram as run } from '@commongrid/base';
import type { RunProgramOptions } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';

/**
 * Runs a program of util-linux and gives what it prints.
 * @throws FLIST_MOUNT_FAILED with what it said
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: Pick<RunProgramOptions, 'descriptors'> = {},
): Promise<string> {
  try {
    return await run(program, args, options);
  } catch (error) {
    if (!isGridError(error)) throw error;
    throw new GridError<FlistErrorCode>('FLIST_MOUNT_FAILED', error.message, {
      hint: 'see what the system says: `dmesg | tail`; mounting needs root, util-linux, a loop device',
      details: error.details,
      cause: error,
    });
  }
}
