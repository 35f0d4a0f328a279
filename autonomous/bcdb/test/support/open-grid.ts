import type { Bcdb } from '../../src/bcdb.ts';
import { Town } from '../../src/testing/feeds-town.ts';
import type { Citizen, Machine } from '../../src/testing/feeds-town.ts';

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

export interface TwoNodes {
  readonly town: Town;
  /** Owns the farm of both. */
  readonly ada: Citizen;
  readonly nodes: readonly [Machine, Machine];
}

/** Such a town with two nodes on one farm. */
export async function openTwoNodes(bcdb: Bcdb): Promise<TwoNodes> {
  const town = await openGrid(bcdb);
  const ada = await town.citizen('ada');
  const farm = await town.farm(ada, 1);
  const nodes = [await town.node(ada, farm, 'one'), await town.node(ada, farm, 'two')] as const;
  return { town, ada, nodes };
}
