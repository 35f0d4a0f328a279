/** Farms that units may go to: each belongs to an owner and lies in a country. */
export interface FlowFarm {
  readonly owner: number;
  readonly country: number;
  readonly room: number;
  /** Of one unit. */
  readonly cost: bigint;
}

export interface FlowQuestion {
  readonly count: number;
  readonly farms: readonly FlowFarm[];
  readonly ownerRoom: (owner: number) => number;
  readonly countryRoom: (country: number) => number;
}

export interface Flow {
  /** Units of each farm. */
  readonly units: readonly number[];
  /** How many units found a place: all that can, where it is fewer than were asked for. */
  readonly placed: number;
  /** Of those. */
  readonly cost: bigint;
}

/**
 * The cheapest way to give units to farms within the room of farms, owners and countries: a flow of
 * least cost from owners through farms, which are its edges, to countries, by shortest augmenting paths
 * (Ahuja, Magnanti, Orlin, Network Flows, 9.7). It is exact. Of ways that cost the same it takes that
 * which spreads them over more farms: the next unit in a farm counts a little more than the one before.
 */
export function cheapestFlow(question: FlowQuestion): Flow {
  const { count, farms } = question;
  const network = new Network(question);
  let placed = 0;
  while (placed < count && network.augment()) placed++;
  const { units } = network;
  const cost = units.reduce(
    (sum, number, at) => sum + (farms[at]?.cost ?? 0n) * BigInt(number),
    0n,
  );
  return { units, placed, cost };
}

/** The way to an owner or country so far: its length, and the farm by which one came there. */
interface Step {
  readonly distance: bigint;
  readonly farm: number;
  /** By a unit that leaves that farm. */
  readonly isBack: boolean;
}

/** Owners or countries as indexes, with the room that each has left. */
class Places {
  readonly left: number[] = [];
  readonly #indexes = new Map<number, number>();
  readonly #roomOf: (place: number) => number;

  constructor(roomOf: (place: number) => number) {
    this.#roomOf = roomOf;
  }

  indexOf(place: number): number {
    const known = this.#indexes.get(place);
    if (known !== undefined) return known;
    this.#indexes.set(place, this.left.length);
    return this.left.push(this.#roomOf(place)) - 1;
  }

  take(index: number): void {
    this.left[index] = (this.left[index] ?? 0) - 1;
  }
}

interface Edge {
  readonly owner: number;
  readonly country: number;
  readonly room: number;
  /** Above all that spreading can come to, so that cost alone decides where it differs. */
  readonly weight: bigint;
}

class Network {
  readonly units: number[];
  readonly #edges: readonly Edge[];
  readonly #owners: Places;
  readonly #countries: Places;

  constructor({ count, farms, ownerRoom, countryRoom }: FlowQuestion) {
    const factor = BigInt(count) ** 2n + 1n;
    this.#owners = new Places(ownerRoom);
    this.#countries = new Places(countryRoom);
    this.units = farms.map(() => 0);
    this.#edges = farms.map(({ owner, country, room, cost }) => ({
      owner: this.#owners.indexOf(owner),
      country: this.#countries.indexOf(country),
      ...{ room, weight: cost * factor },
    }));
  }

  /** Places one more unit; false when none finds a place. */
  augment(): boolean {
    const { owners, countries } = this.#shortest();
    let last: number | undefined;
    for (const [country, left] of this.#countries.left.entries()) {
      const step = countries[country];
      const best = last === undefined ? undefined : countries[last];
      if (left <= 0 || step === undefined) continue;
      if (best === undefined || step.distance < best.distance) last = country;
    }
    if (last === undefined) return false;
    this.#countries.take(last);
    for (let country = last; ;) {
      const farm = countries[country]?.farm ?? -1;
      this.#change(farm, 1);
      const owner = this.#edges[farm]?.owner ?? -1;
      const step = owners[owner];
      if (step?.isBack !== true) {
        this.#owners.take(owner);
        return true;
      }
      this.#change(step.farm, -1);
      country = this.#edges[step.farm]?.country ?? -1;
    }
  }

  /** The shortest ways over what is left of the network, by Bellman and Ford. */
  #shortest() {
    const start = { distance: 0n, farm: -1, isBack: false };
    const owners: (Step | undefined)[] = this.#owners.left.map((left) =>
      left > 0 ? start : undefined,
    );
    const countries: (Step | undefined)[] = this.#countries.left.map(() => undefined);
    for (let isNew = true; isNew;) {
      isNew = false;
      for (const [farm, { owner, country, room, weight }] of this.#edges.entries()) {
        const units = this.units[farm] ?? 0;
        const from = owners[owner];
        if (from !== undefined && units < room) {
          const distance = from.distance + weight + BigInt(units);
          isNew = improve(countries, country, { distance, farm, isBack: false }) || isNew;
        }
        const to = countries[country];
        if (to !== undefined && units > 0) {
          const distance = to.distance - weight - BigInt(units - 1);
          isNew = improve(owners, owner, { distance, farm, isBack: true }) || isNew;
        }
      }
    }
    return { owners, countries };
  }

  #change(farm: number, by: number): void {
    this.units[farm] = (this.units[farm] ?? 0) + by;
  }
}

function improve(steps: (Step | undefined)[], place: number, step: Step): boolean {
  const known = steps[place];
  if (known !== undefined && known.distance <= step.distance) return false;
  steps[place] = step;
  return true;
}
