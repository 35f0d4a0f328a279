import type { Endpoint } from './endpoint.ts';
import { doorKey } from './door-book.ts';
import type { Target } from './target.ts';

/** A door that there is to be. */
export interface DoorPlan {
  readonly key: string;
  /** What it is of now: of contracts that replace each other the newest. */
  readonly endpoint: Endpoint;
  readonly targets: readonly Target[];
}

/** Doors for what bots say; more endpoints than that are left out. */
export const doorsMax = 500;

/** Where a replica was before it moved, and until when that counts, ms of the monotonic clock. */
export interface FormerPlace {
  readonly address: string;
  readonly untilMs: number;
}

/** How long a node that drains goes on with what leaves it. */
const leavingMs = 300_000;

/**
 * What doors there are to be, by what all bots said last, in the order of their names.
 * @param former of each replica, by `replicaKey`
 */
export function planDoors(
  endpoints: readonly Endpoint[],
  former: ReadonlyMap<string, FormerPlace>,
): readonly DoorPlan[] {
  const groups = Map.groupBy(endpoints, doorKey);
  const plans = [...groups].flatMap(([key, group]): DoorPlan[] => {
    const newestFirst = uniqueOf(group).toSorted((a, b) => b.generation - a.generation);
    const [endpoint] = newestFirst;
    if (endpoint === undefined) return [];
    return [{ key, endpoint, targets: newestFirst.flatMap((one) => targetsOf(one, former)) }];
  });
  return plans.slice(0, doorsMax);
}

/** Places that replicas leave by way of a drain: there they go on until they are ready elsewhere. */
export function formerPlaces(
  before: readonly Endpoint[],
  now: readonly Endpoint[],
  known: ReadonlyMap<string, FormerPlace>,
  nowMs: number,
): ReadonlyMap<string, FormerPlace> {
  const places = new Map<string, FormerPlace>();
  for (const endpoint of now.filter(({ isLeaving }) => isLeaving)) {
    const was = before.find(
      (one) => one.contract === endpoint.contract && isSamePort(one, endpoint),
    );
    for (const { replica, address, isReady } of endpoint.replicas) {
      const key = replicaKey(endpoint, replica);
      const last = was?.replicas.find((one) => one.replica === replica)?.address ?? address;
      const place =
        last === address ? known.get(key) : { address: last, untilMs: nowMs + leavingMs };
      if (!isReady && place !== undefined && place.untilMs > nowMs) places.set(key, place);
    }
  }
  return places;
}

function replicaKey({ contract, role, port }: Endpoint, replica: number): string {
  return `${contract}/${role}/${port}/${replica}`;
}

function isSamePort(one: Endpoint, other: Endpoint): boolean {
  return one.role === other.role && one.port === other.port;
}

function targetsOf(
  endpoint: Endpoint,
  former: ReadonlyMap<string, FormerPlace>,
): readonly Target[] {
  const { contract, replicas } = endpoint;
  return replicas.flatMap(({ replica, address, isReady }): Target[] => {
    const place = former.get(replicaKey(endpoint, replica));
    const target = { address, contract, isReady, isFormer: false };
    if (place === undefined) return [target];
    return [target, { address: place.address, contract, isReady: false, isFormer: true }];
  });
}

/** Bots of one owner say the same. */
function uniqueOf(group: readonly Endpoint[]): readonly Endpoint[] {
  return [...new Map(group.map((one) => [one.contract, one])).values()];
}
