import type { BcdbClient } from '@commongrid/bcdb/client';
import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '@commongrid/bcdb';
import { canonicalHash } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';

/** What a database says of its log. */
export interface LogFacts {
  /** Log time, ms since 1970. */
  readonly at: number;
  /** Sequence of the next record. */
  readonly size: number;
  /** Keys that sign releases: of the genesis, which is held to its hash. */
  readonly releaseKeys: readonly string[];
}

/** @throws BCDB_OTHER_LOG */
export async function readLogFacts(client: BcdbClient, log: string): Promise<LogFacts> {
  const { genesis, at, size } = await client.read<LogAnswer>('/v1/log');
  const is = Buffer.from(canonicalHash(genesis)).toString('base64url');
  if (is === log) return { at, size, releaseKeys: genesis.releaseKeys };
  throw new GridError<BcdbErrorCode>('BCDB_OTHER_LOG', `that is the log ${is}`, {
    hint: 'name the database of the log that you trust',
    details: { expected: log, actual: is },
  });
}

interface LogAnswer {
  readonly genesis: JsonValue & { readonly releaseKeys: readonly string[] };
  readonly at: number;
  readonly size: number;
}
