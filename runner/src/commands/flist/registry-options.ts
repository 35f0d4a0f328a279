import { GridError } from '@commongrid/base';
import type { RegistryOptions } from '@commongrid/flist';
import type { Command } from 'commander';

import type { GridErrorCode } from '../../errors.ts';
import { readSecret } from '../zdb/connection.ts';

/** How a registry is spoken to. */
export interface RegistryFlags {
  readonly user?: string;
  readonly passwordFile?: string;
  readonly plainHttp?: true;
}

export function withRegistry(command: Command): Command {
  return command
    .option('--user <name>', 'who you are to the registry')
    .option('--password-file <file>', 'the password or token of that user')
    .option('--plain-http', 'speak HTTP to a registry on another machine');
}

/** @throws GRID_USAGE, GRID_SECRET_UNREADABLE */
export async function registryOptionsOf(flags: RegistryFlags): Promise<RegistryOptions> {
  const { user, passwordFile, plainHttp = false } = flags;
  if ((user === undefined) !== (passwordFile === undefined)) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'a user and a password go together', {
      hint: 'give --user and --password-file, or neither',
    });
  }
  if (user === undefined || passwordFile === undefined) return { allowPlainHttp: plainHttp };
  const password = await readSecret(passwordFile);
  return { allowPlainHttp: plainHttp, credentials: { user, password } };
}
