import type { ShardState } from './frame.ts';

/** Which machine each shard is on, by its number; undefined where it is placed on none. */
export type ShardPlaces = readonly (string | undefined)[];

/** Tells shards that are where they were when the store was last whole from those that are filled again. */
export class ShardSight {
  #places: ShardPlaces = [];
  #wholePlaces: ShardPlaces | undefined;

  /** Where they are now. */
  place(places: ShardPlaces): void {
    this.#places = places;
    // Before there is any data nothing has to be filled.
    if (places.length > 0) this.#wholePlaces ??= places;
  }

  /** All data are where they are now. */
  noteWhole(): void {
    this.#wholePlaces = this.#places;
  }

  states(isAlive: (machine: string) => boolean): readonly ShardState[] {
    return this.#places.map((machine, at) => {
      if (machine === undefined || !isAlive(machine)) return 'lost';
      return this.#wholePlaces?.[at] === machine ? 'healthy' : 'refilling';
    });
  }
}
