import type { Bcdb } from '../../src/bcdb.ts';
import { Town } from './feeds-town.ts';

/** A town whose namespace anybody may read. */
export async function openGrid(bcdb: Bcdb): Promise<Town> {
  const town = await Town.found(bcdb);
  const grants = [
    { to: bcdb.owner, rights: ['admin'] },
    { to: 'anyone', rights: ['read', 'write'] },
  ];
  const namespace = { ns: 'grid', url: 'bcdb.namespace.1', obj: 'namespace' } as const;
  await bcdb.write({ ...namespace, op: 'put', value: { grants, validator: 'grid@1' } });
  return town;
}
