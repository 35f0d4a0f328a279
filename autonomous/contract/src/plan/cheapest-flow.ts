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

/** A place on the way to an owner or country, and by which farm one came there. */
interface Step {
  readonly distance: bigint;
  readonly farm: number;
  readonly isBack: boolean;
}

class Network {
  readonly units: number[];
  readonly #question: FlowQuestion;
  readonly #weight: bigint;
  readonly #owners = new Map<number, number>();
  readonly #countries = new Map<number, number>();

  constructor(question: FlowQuestion) {
    this.#question = question;
    this.units = question.farms.map(() => 0);
    // Above all that spreading can come to, so that cost alone decides where it differs.
    this.#weight = BigInt(question.count) ** 2n + 1n;
    for (const { owner, country } of question.farms) {
      this.#owners.set(owner, 0);
      this.#countries.set(country, 0);
    }
  }

  /** Places one more unit; false when none finds a place. */
  augment(): boolean {
    const { owners, countries } = this.#shortest();
    let best: { readonly country: number; readonly distance: bigint } | undefined;
    for (const [country, { distance }] of countries) {
      const isFull = (this.#countries.get(country) ?? 0) >= this.#question.countryRoom(country);
      if (isFull || (best !== undefined && best.distance <= distance)) continue;
      best = { country, distance };
    }
    if (best === undefined) return false;
    this.#countries.set(best.country, (this.#countries.get(best.country) ?? 0) + 1);
    for (let country = best.country; ;) {
      const there = countries.get(country)?.farm ?? -1;
      this.#change(there, 1);
      const owner = this.#question.farms[there]?.owner ?? -1;
      const back = owners.get(owner);
      if (back === undefined || !back.isBack) {
        this.#owners.set(owner, (this.#owners.get(owner) ?? 0) + 1);
        return true;
      }
      this.#change(back.farm, -1);
      country = this.#question.farms[back.farm]?.country ?? -1;
    }
  }

  /** Distances from the source over what is left of the network, by Bellman and Ford. */
  #shortest() {
    const owners = new Map<number, Step>();
    const countries = new Map<number, Step>();
    for (const [owner, used] of this.#owners) {
      if (used >= this.#question.ownerRoom(owner)) continue;
      owners.set(owner, { distance: 0n, farm: -1, isBack: false });
    }
    for (let isNew = true; isNew;) {
      isNew = false;
      for (const [at, farm] of this.#question.farms.entries()) {
        const units = this.units[at] ?? 0;
        const from = owners.get(farm.owner);
        if (from !== undefined && units < farm.room) {
          const distance = from.distance + farm.cost * this.#weight + BigInt(units);
          isNew = improve(countries, farm.country, { distance, farm: at, isBack: false }) || isNew;
        }
        const to = countries.get(farm.country);
        if (to !== undefined && units > 0) {
          const distance = to.distance - farm.cost * this.#weight - BigInt(units - 1);
          isNew = improve(owners, farm.owner, { distance, farm: at, isBack: true }) || isNew;
        }
      }
    }
    return { owners, countries };
  }

  #change(farm: number, by: number): void {
    this.units[farm] = (this.units[farm] ?? 0) + by;
  }
}

function improve(steps: Map<number, Step>, place: number, step: Step): boolean {
  const known = steps.get(place);
  if (known !== undefined && known.distance <= step.distance) return false;
  steps.set(place, step);
  return true;
}
