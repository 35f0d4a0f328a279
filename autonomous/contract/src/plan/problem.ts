/**
 * A choice of nodes as numbers alone. Units of a kind are alike and go on one node each, with all that
 * they have; indexes name nodes, farms, kinds.
 */
export interface Problem {
  readonly kinds: readonly ProblemKind[];
  readonly roles: readonly ProblemRole[];
  readonly nodes: readonly ProblemNode[];
  readonly farms: readonly ProblemFarm[];
  /**
   * Replicas of roles that stay where they are, and count for the limits of their role. What they take
   * is not free on their nodes any more. None without it.
   */
  readonly kept?: readonly KeptReplica[];
}

export interface KeptReplica {
  readonly role: number;
  readonly node: number;
}

export interface ProblemKind {
  /** Units of it. */
  readonly count: number;
  /** What each takes of a node, in the order of `ProblemNode.free`. */
  readonly need: readonly number[];
  /** Public addresses that each takes of a farm. */
  readonly addresses: number;
  /** Roles of which each unit has a replica. */
  readonly roles: readonly number[];
  /** What one costs a month in each farm, smallest units; undefined: not for sale there. */
  readonly costs: readonly (bigint | undefined)[];
  /** Whether a node suits, by all but its room. */
  readonly suits: readonly boolean[];
}

/** Most replicas of a role in one place. */
export interface ProblemRole {
  readonly perNode: number;
  readonly perFarm: number;
  readonly perOwner: number;
  readonly perCountry: number;
}

export interface ProblemNode {
  readonly farm: number;
  readonly free: readonly number[];
}

export interface ProblemFarm {
  readonly owner: number;
  readonly country: number;
  readonly freeAddresses: number;
}

/** Nodes of the units of each kind; a node comes as often as it has units. */
export type Choice = readonly (readonly number[])[];

/** What farms have left, and how many replicas of each role are where: a choice on its way. */
export class Occupancy {
  readonly #problem: Problem;
  /** Of nodes and farms that something was put on. */
  readonly #free = new Map<number, readonly number[]>();
  readonly #addresses = new Map<number, number>();
  readonly #byNode: Map<string, number> = new Map();
  readonly #byFarm: Map<string, number> = new Map();
  readonly #byOwner: Map<string, number> = new Map();
  readonly #byCountry: Map<string, number> = new Map();

  constructor(problem: Problem) {
    this.#problem = problem;
    for (const { role, node } of problem.kept ?? []) this.#count(role, node, 1);
  }

  /** How many more units of a kind a node has room for; perFarm and the like are not looked at. */
  nodeRoom(kind: number, node: number): number {
    const { need = [], roles = [], suits = [] } = this.#problem.kinds[kind] ?? {};
    if (suits[node] !== true) return 0;
    const free = this.#freeOf(node);
    let room = Infinity;
    for (const [at, one] of need.entries()) {
      if (one > 0) room = Math.min(room, Math.floor((free[at] ?? 0) / one));
    }
    for (const role of roles) {
      const { perNode = Infinity } = this.#problem.roles[role] ?? {};
      room = Math.min(room, perNode - (this.#byNode.get(`${role} ${node}`) ?? 0));
    }
    return Math.max(0, room);
  }

  /** How many more units of a kind a farm may have, by its addresses and the spread of roles. */
  farmRoom(kind: number, farm: number): number {
    const { addresses = 0 } = this.#problem.kinds[kind] ?? {};
    const left = this.#addressesOf(farm);
    const byAddress = addresses > 0 ? Math.floor(left / addresses) : Infinity;
    return Math.min(byAddress, this.#spreadRoom(kind, 'perFarm', this.#byFarm, farm));
  }

  ownerRoom(kind: number, owner: number): number {
    return this.#spreadRoom(kind, 'perOwner', this.#byOwner, owner);
  }

  countryRoom(kind: number, country: number): number {
    return this.#spreadRoom(kind, 'perCountry', this.#byCountry, country);
  }

  /** Puts `count` units on a node, or takes them away where it is negative. */
  add(kind: number, node: number, count: number): void {
    const { need = [], roles = [], addresses = 0 } = this.#problem.kinds[kind] ?? {};
    const farm = this.#problem.nodes[node]?.farm ?? 0;
    const free = this.#freeOf(node);
    this.#free.set(
      node,
      free.map((left, at) => left - (need[at] ?? 0) * count),
    );
    this.#addresses.set(farm, this.#addressesOf(farm) - addresses * count);
    for (const role of roles) this.#count(role, node, count);
  }

  #count(role: number, node: number, count: number): void {
    const farm = this.#problem.nodes[node]?.farm ?? 0;
    const { owner = 0, country = 0 } = this.#problem.farms[farm] ?? {};
    increase(this.#byNode, `${role} ${node}`, count);
    increase(this.#byFarm, `${role} ${farm}`, count);
    increase(this.#byOwner, `${role} ${owner}`, count);
    increase(this.#byCountry, `${role} ${country}`, count);
  }

  /** Two nodes of a farm with the same text are alike for all that is still to come. */
  standing(node: number): string {
    const { kinds, roles } = this.#problem;
    const suits = kinds.map(({ suits: all }) => (all[node] === true ? 1 : 0)).join('');
    const used = roles.map((_role, role) => this.#byNode.get(`${role} ${node}`) ?? 0);
    return [...this.#freeOf(node), suits, ...used].join(' ');
  }

  #freeOf(node: number): readonly number[] {
    return this.#free.get(node) ?? this.#problem.nodes[node]?.free ?? [];
  }

  #addressesOf(farm: number): number {
    return this.#addresses.get(farm) ?? this.#problem.farms[farm]?.freeAddresses ?? 0;
  }

  #spreadRoom(
    kind: number,
    limit: 'perFarm' | 'perOwner' | 'perCountry',
    used: ReadonlyMap<string, number>,
    place: number,
  ): number {
    const { roles = [] } = this.#problem.kinds[kind] ?? {};
    const rooms = roles.map((role) => {
      const max = this.#problem.roles[role]?.[limit] ?? Infinity;
      return max - (used.get(`${role} ${place}`) ?? 0);
    });
    return Math.max(0, Math.min(Infinity, ...rooms));
  }
}

/** Nodes by farm, in their order. */
export function nodesInFarms({ nodes }: Problem): ReadonlyMap<number, readonly number[]> {
  return Map.groupBy(nodes.keys(), (node) => nodes[node]?.farm ?? -1);
}

/** What a choice costs a month. */
export function costOf({ kinds, nodes }: Problem, choice: Choice): bigint {
  let sum = 0n;
  for (const [kind, places] of choice.entries()) {
    for (const node of places) sum += kinds[kind]?.costs[nodes[node]?.farm ?? -1] ?? 0n;
  }
  return sum;
}

function increase(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}
