import type { NodeId, RecordOf } from '@commongrid/model';

export const placementUrl = 'grid.placement.1';

export type Placement = RecordOf<typeof placementUrl>;

/** Where contracts run, by their newest placements: to find the nodes on which something ends. */
export class Placements {
  readonly #places = new Map<string, ReadonlyMap<string, NodeId>>();

  /** Takes a newer revision. @returns the nodes on which a replica does not run any more */
  follow({ contract, items }: Placement): ReadonlySet<NodeId> {
    const before = this.#places.get(contract);
    const now = new Map(
      items.map(({ role, replica, node }) => [`${role}/${replica}/${node}`, node]),
    );
    if (now.size === 0) this.#places.delete(contract);
    else this.#places.set(contract, now);
    const ended = [...(before ?? [])].filter(([place]) => !now.has(place));
    return new Set(ended.map(([, node]) => node));
  }
}
