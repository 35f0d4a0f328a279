import { GridError } from '@commongrid/base';

import type { GridErrorCode } from '../../errors.ts';
import type { BotFolder } from '../bot/bot-folder.ts';

/** A record or a file of the bot that acts. */
export type OwnPath =
  | { readonly kind: 'record'; readonly collection: string; readonly id: string }
  | { readonly kind: 'file'; readonly path: string };

/**
 * Reads an address that has to be of the bot itself; its paths may stand alone.
 * @throws GRID_USAGE
 */
export async function ownPath(folder: BotFolder, address: string): Promise<OwnPath> {
  const { id, name } = await folder.config();
  const { bot, path } = address.startsWith('grid://')
    ? (await import('@commongrid/threebot')).parseGridAddress(address)
    : { bot: id, path: address };
  const [, root = '', rest = ''] = /^([a-z][a-z0-9-]*)\/(.+)$/.exec(path) ?? [];
  if (root === '' || (bot !== name && bot !== id)) {
    throw new GridError<GridErrorCode>('GRID_USAGE', `${address} is no object of ${name}`, {
      hint: `give grid://${name}/COLLECTION/ID or grid://${name}/files/KEY`,
    });
  }
  if (root === 'files') return { kind: 'file', path: rest };
  return { kind: 'record', collection: root, id: rest };
}
