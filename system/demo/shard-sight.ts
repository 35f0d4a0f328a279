import type { ShardState } from './frame.ts';

/** Which machine each shard is on, by its number; undefined where it is placed on none. */
export type ShardPlaces = readonly (string | undefined)[];

/** Where the shards of a placement are; one that it leaves out, and others come behind, is on no machine. */
export function shardPlacesIn(
  items: readonly { readonly role: string; readonly replica: number; readonly node: string }[],
): ShardPlaces {
  const own = items.filter(({ role }) => role === 'shards');
  const byReplica = new Map(own.map(({ replica, node }) => [replica, node]));
  const length = Math.max(-1, ...byReplica.keys()) + 1;
  return Array.from({ length }, (_, replica) => byReplica.get(replica));
}

/** So many looks a store may go on to call itself whole by places that it had before. */
const lateLooks = 3;

/** Tells shards that are where they were when the store was last whole from those that are filled again. */
export class ShardSight {
  #places: ShardPlaces = [];
  /** Looks in a row that showed these places. */
  #looks = 0;
  #wholePlaces: ShardPlaces | undefined;

  /** What a look shows: where they are, and whether the store calls itself whole. */
  look(places: ShardPlaces, isWhole: boolean): void {
    const isSame = places.length === this.#places.length && this.#places.every(isAt(places));
    this.#looks = isSame ? this.#looks + 1 : 0;
    this.#places = places;
    // Before there is any data nothing has to be filled.
    if (places.length > 0) this.#wholePlaces ??= places;
    if (isWhole && this.#looks >= lateLooks) this.#wholePlaces = places;
  }

  states(isAlive: (machine: string) => boolean): readonly ShardState[] {
    return this.#places.map((machine, at) => {
      if (machine === undefined || !isAlive(machine)) return 'lost';
      return this.#wholePlaces?.[at] === machine ? 'healthy' : 'refilling';
    });
  }
}

function isAt(places: ShardPlaces): (machine: string | undefined, at: number) => boolean {
  return (machine, at) => places[at] === machine;
}
