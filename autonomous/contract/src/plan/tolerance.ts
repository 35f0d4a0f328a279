import type { ContractRole } from '@commongrid/model';
import type { ShardCode } from '../definition/read-role.ts';

/** Where a replica is. */
export interface ReplicaPlace {
  readonly node: string;
  readonly farm: string;
  readonly owner: string;
  readonly country: string;
}

/** What a role bears where it is placed: any so many of each may be lost at once. */
export interface RoleTolerance {
  readonly role: string;
  readonly data: ContractRole['data'];
  readonly replicas: number;
  /** So many replicas must be left; undefined where nobody said what its shards are. */
  readonly needed: number | undefined;
  readonly nodes: number;
  readonly farms: number;
  readonly owners: number;
  readonly countries: number;
}

/**
 * What the role bears. Of shards k of k + m must be left, of replicas without data one; data that is on
 * one node alone bears nothing.
 */
export function toleranceOf(
  { name, data, replicas }: Pick<ContractRole, 'name' | 'data' | 'replicas'>,
  places: readonly ReplicaPlace[],
  shards: ShardCode | undefined,
): RoleTolerance {
  const needed = neededOf({ data, replicas }, shards);
  const bears = (place: keyof ReplicaPlace): number =>
    needed === undefined ? 0 : lossesBorne(places, place, needed);
  return {
    ...{ role: name, data, replicas, needed },
    ...{ nodes: bears('node'), farms: bears('farm') },
    ...{ owners: bears('owner'), countries: bears('country') },
  };
}

function neededOf(
  { data, replicas }: Pick<ContractRole, 'data' | 'replicas'>,
  shards: ShardCode | undefined,
): number | undefined {
  if (data === 'none') return 1;
  if (data === 'local') return replicas;
  return shards?.dataShards;
}

/** How many places may be lost, whichever they are, until fewer than `needed` replicas are left. */
function lossesBorne(
  places: readonly ReplicaPlace[],
  place: keyof ReplicaPlace,
  needed: number,
): number {
  const sizes = [...Map.groupBy(places, (one) => one[place]).values()]
    .map(({ length }) => length)
    .toSorted((a, b) => b - a);
  let left = places.length;
  let lost = 0;
  for (const size of sizes) {
    left -= size;
    if (left < needed) break;
    lost++;
  }
  return lost;
}
