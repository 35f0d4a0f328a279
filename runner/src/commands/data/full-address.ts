import { GridError } from '@commongrid/base';

import type { GridErrorCode } from '../../errors.ts';
import type { BotFolder } from '../bot/bot-folder.ts';

/** What a command writes or removes, of its own bot or of another. */
export interface FullAddress {
  readonly address: string;
  readonly kind: 'record' | 'file';
}

/**
 * Reads an address; paths that stand alone are of the bot itself.
 * @throws GRID_USAGE, BOT_ADDRESS_INVALID
 */
export async function fullAddress(folder: BotFolder, given: string): Promise<FullAddress> {
  const { name } = await folder.config();
  const { formatGridAddress, parseGridAddress } = await import('@commongrid/threebot');
  const { bot, path } = given.startsWith('grid://')
    ? parseGridAddress(given)
    : { bot: name, path: given };
  const [root = '', ...rest] = path.split('/');
  if (rest.length === 0) {
    throw new GridError<GridErrorCode>('GRID_USAGE', `${given} is neither a record nor a file`, {
      hint: `give grid://${bot}/COLLECTION/ID or grid://${bot}/files/KEY`,
    });
  }
  const kind = root === 'files' ? 'file' : 'record';
  return { address: formatGridAddress({ bot, path }), kind };
}
