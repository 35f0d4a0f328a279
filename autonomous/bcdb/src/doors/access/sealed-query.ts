import { GridError } from '@commongrid/base';
import type { Database } from '../../database.ts';
import type { BcdbErrorCode } from '../../errors.ts';
import type { FindQuery } from '../../projection/find.ts';

/**
 * Refuses what would have to look into sealed payloads. Objects of a private namespace can be listed
 * by their ids and fetched; their readers choose among them by themselves.
 * @throws BCDB_NAMESPACE_PRIVATE
 */
export function requireLegible(bcdb: Database, ns: string, what: string): void {
  if (!bcdb.isPrivate(ns)) return;
  throw new GridError<BcdbErrorCode>('BCDB_NAMESPACE_PRIVATE', `${ns} is private: no ${what}`, {
    hint: 'only readers see into its payloads: list the objects, open them, choose there',
    details: { ns },
  });
}

/** Lists by id are possible everywhere. @throws BCDB_NAMESPACE_PRIVATE */
export function requireFindable(
  bcdb: Database,
  ns: string,
  { where, orderBy, scan }: Pick<FindQuery, 'where' | 'orderBy' | 'scan'>,
): void {
  if (where === undefined && orderBy === undefined && scan !== true) return;
  requireLegible(bcdb, ns, 'conditions and no order of fields');
}
