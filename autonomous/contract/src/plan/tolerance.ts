import type { ContractRole } from '@commongrid/model';
import type { ShardCode } from '../definition/read-role.ts';

/** Where a replica is. */
export interface ReplicaPlace {
  readonly node: string;
  readonly farm: string;
  readonly owner: string;
  readonly country: string;
}

/** So many of each may be lost at once, whichever they are. */
export interface Tolerance {
  readonly nodes: number;
  readonly farms: number;
  readonly owners: number;
  readonly countries: number;
}

/** What a role bears where it is placed. */
export interface RoleTolerance extends Tolerance {
  readonly role: string;
  readonly data: ContractRole['data'];
  /** Its own, and those of the roles beside which it keeps shards of one store. */
  readonly replicas: number;
  /** So many of them must be left; undefined where nobody said what its shards are. */
  readonly needed: number | undefined;
  /** Roles whose shards are of the same store. */
  readonly beside: readonly string[];
}

type ToldRole = Pick<ContractRole, 'name' | 'data' | 'replicas'>;

/** Roles without shards that a store has: a majority of the first 2m + 1 of their replicas is needed. */
const memberRoles: ReadonlySet<string> = new Set(['log', 'keys']);

/**
 * What each role bears. Of replicas without data one must be left; data that is on one node alone bears
 * nothing. Shards of all roles of a contract are of one store, and of those of a chunk m may be lost: no
 * more where there are more replicas than k + m, as all that is lost may be of the same chunk.
 * @param placesOf where replicas of a role are
 */
export function tolerancesOf(
  roles: readonly ToldRole[],
  placesOf: (role: string) => readonly ReplicaPlace[],
  shards: ReadonlyMap<string, ShardCode>,
): readonly RoleTolerance[] {
  const store = roles.filter(({ name }) => shards.has(name));
  const parity = Math.min(...store.map(({ name }) => shards.get(name)?.parityShards ?? Infinity));
  return roles.map((role) => {
    const { name, data } = role;
    const own = data === 'dispersed' && shards.has(name) ? store : [role];
    const replicas = own.reduce((sum, one) => sum + one.replicas, 0);
    const spare = spareOf(role, { isShard: own === store, parity });
    const places = own.flatMap((one) => placesOf(one.name));
    const beside = own.flatMap((one) => (one === role ? [] : [one.name]));
    const needed = spare === undefined ? undefined : replicas - spare;
    return { role: name, data, replicas, needed, beside, ...borneBy(places, spare ?? 0) };
  });
}

/** What all roles together bear; undefined where that is not known of one of them. */
export function wholeTolerance(roles: readonly RoleTolerance[]): Tolerance | undefined {
  if (roles.some(({ needed }) => needed === undefined)) return undefined;
  // What each of them bears, whichever is lost, all of them bear.
  const least = (place: keyof Tolerance): number => Math.min(...roles.map((role) => role[place]));
  return {
    ...{ nodes: least('nodes'), farms: least('farms') },
    ...{ owners: least('owners'), countries: least('countries') },
  };
}

/** What all data bears: what has none is placed anew. Undefined where there is none, or where that is not known. */
export function dataTolerance(roles: readonly RoleTolerance[]): Tolerance | undefined {
  const keeping = roles.filter(({ data }) => data !== 'none');
  return keeping.length === 0 ? undefined : wholeTolerance(keeping);
}

/** Replicas that may be lost, whichever they are; undefined where nobody said what its shards are. */
function spareOf(
  { name, data, replicas }: ToldRole,
  { isShard, parity }: { readonly isShard: boolean; readonly parity: number },
): number | undefined {
  if (data === 'none') return replicas - 1;
  if (data === 'local') return 0;
  if (isShard) return parity;
  if (!memberRoles.has(name) || parity === Infinity) return undefined;
  return Math.floor((Math.min(replicas, 2 * parity + 1) - 1) / 2);
}

function borneBy(places: readonly ReplicaPlace[], spare: number): Tolerance {
  const borne = (place: keyof ReplicaPlace): number => lossesBorne(places, place, spare);
  return {
    ...{ nodes: borne('node'), farms: borne('farm') },
    ...{ owners: borne('owner'), countries: borne('country') },
  };
}

/**
 * How many places may be lost, whichever they are, until more than `spare` replicas are: none is worse
 * than to lose those with the most.
 */
function lossesBorne(
  places: readonly ReplicaPlace[],
  place: keyof ReplicaPlace,
  spare: number,
): number {
  const sizes = [...Map.groupBy(places, (one) => one[place]).values()]
    .map(({ length }) => length)
    .toSorted((a, b) => b - a);
  let gone = 0;
  let lost = 0;
  for (const size of sizes) {
    gone += size;
    if (gone > spare) break;
    lost++;
  }
  return lost;
}
