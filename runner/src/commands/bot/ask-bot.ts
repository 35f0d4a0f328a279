import { askControl, GridError, isGridError } from '@commongrid/base';

import type { GridErrorCode } from '../../errors.ts';
import type { BotFolder } from './bot-folder.ts';

/**
 * Calls a method of a bot of this machine, as its owner.
 * @throws GRID_BOT_UNKNOWN, GRID_BOT_STOPPED, and what the method is refused with
 */
export async function askBot(
  folder: BotFolder,
  method: string,
  input: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  const { name } = await folder.config();
  try {
    return await askControl(folder.controlSocket, 'call', { method, input }, { signal });
  } catch (error) {
    if (!isGridError(error, 'BASE_CONTROL_ABSENT')) throw error;
    throw new GridError<GridErrorCode>('GRID_BOT_STOPPED', `${name} does not run here`, {
      hint: `grid bot start ${name}`,
      details: { folder: folder.path },
      cause: error,
    });
  }
}
