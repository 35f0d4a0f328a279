import type { BcdbServerOptions } from '@commongrid/bcdb';

import { readSecret } from '../zdb/connection.ts';

export interface PostgresOption {
  readonly postgresFile?: string;
  readonly single?: true;
}

/** Connection strings hold passwords, which are never on a command line. */
export async function postgresOf({
  postgresFile,
  single,
}: PostgresOption): Promise<Pick<BcdbServerOptions, 'postgres'>> {
  if (postgresFile === undefined) return {};
  const urls = (await readSecret(postgresFile)).split(/\s+/);
  return { postgres: { urls, single: single === true } };
}
