import type { BcdbServerOptions } from '@commongrid/bcdb';

import { readSecret } from '../zdb/connection.ts';

export interface PostgresOption {
  readonly postgresFile?: string;
  readonly single?: true;
}

/** Where the log of a stopped folder is. */
export const postgresFlag = '--postgres-file <file>';
export const postgresHelp = 'with --data: as for serve, where the log is in PostgreSQL';

/** Connection strings hold passwords, which are never on a command line. */
export async function postgresOf({
  postgresFile,
  single,
}: PostgresOption): Promise<Pick<BcdbServerOptions, 'postgres'>> {
  if (postgresFile === undefined) return {};
  const urls = (await readSecret(postgresFile)).split(/\s+/);
  return { postgres: { urls, single: single === true } };
}
