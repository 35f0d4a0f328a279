import type { Random } from '@commongrid/base';

import { faultKinds, traitsOf } from './fault-kinds.ts';
import type { FaultKind, FaultTraits, ServiceName } from './fault-kinds.ts';

/** Whom a fault befalls: a machine or a farmer by its number in the town. */
export type Target =
  | { readonly place: 'machine' | 'farmer'; readonly at: number }
  | { readonly place: 'service'; readonly name: ServiceName }
  | { readonly place: 'head' };

export interface Fault {
  readonly kind: FaultKind;
  readonly target: Target;
  /** Before it begins, s. */
  readonly pauseSeconds: number;
  /** How long it lasts, s. */
  readonly seconds: number;
  /** How bad it is, from 0 to 1, where that makes a difference. */
  readonly part: number;
  /** Whether it may begin while others go on, if that is borne. */
  readonly joins: boolean;
}

export interface TownSizes {
  readonly machines: number;
  readonly farmers: number;
  /** Machines that may be harmed at once: each has at most one shard, one member of the log and one of the keys. */
  readonly borne: number;
  /** How often what a machine has may be placed elsewhere: it keeps all of that for a day. */
  readonly movesMax: number;
}

/** Longest pause before a fault, s. */
const pauseSecondsMax = 6;
/** One in so many waits for nobody. */
const joinsEvery = 3;

/** Faults without an end, all by what is random. What is borne together, `isBorne` says. */
export function* faultSchedule(random: Random, town: TownSizes): Generator<Fault, never> {
  const moves = Array.from({ length: town.machines }, () => 0);
  for (;;) {
    const left = moves.flatMap((count, at) => (count < town.movesMax ? [at] : []));
    const machinesFor = ({ moves: mayMove, machines }: FaultTraits): readonly number[] => {
      const all = mayMove === true ? left : moves.map((_, at) => at);
      return machines === undefined ? all : all.filter((at) => machines.includes(at));
    };
    const kind = drawnKind(random, (one) => machinesFor(one).length > 0);
    const traits = traitsOf(kind);
    const machines = machinesFor(traits);
    const target = drawnTarget(kind, random, { machines, farmers: town.farmers });
    if (traits.moves === true && target.place === 'machine') {
      moves[target.at] = (moves[target.at] ?? 0) + 1;
    }
    const [least, most] = traits.seconds;
    yield {
      ...{ kind, target },
      pauseSeconds: random.float() * pauseSecondsMax,
      seconds: least + random.float() * (most - least),
      part: random.float(),
      joins: random.int(0, joinsEvery) === 0,
    };
  }
}

/** Whether a fault may begin while others go on. */
export function isBorne(active: readonly Fault[], next: Fault, town: TownSizes): boolean {
  const all = [...active, next].map(({ target }) => target);
  const machines = all.flatMap((one) => (one.place === 'machine' ? [one.at] : []));
  const services = all.filter(({ place }) => place === 'service').length;
  const farmers = all.filter(({ place }) => place === 'farmer').length;
  // Who serves is seen only when it begins, so whatever else is harmed might be the machine of the other head.
  if (all.some(({ place }) => place === 'head')) return all.length === 1;
  if (new Set(machines).size < machines.length) return false;
  if (services > 1 || farmers > 1) return false;
  return machines.length <= (services === 0 ? town.borne : town.borne - 1);
}

function drawnKind(random: Random, hasMachine: (traits: FaultTraits) => boolean): FaultKind {
  const all = (Object.keys(faultKinds) as FaultKind[]).filter((kind) => {
    const traits = traitsOf(kind);
    return traits.place !== 'machine' || hasMachine(traits);
  });
  let at = random.int(
    0,
    all.reduce((sum, kind) => sum + traitsOf(kind).weight, 0),
  );
  for (const kind of all) {
    at -= traitsOf(kind).weight;
    if (at < 0) return kind;
  }
  throw new Error('there is no fault');
}

function drawnTarget(
  kind: FaultKind,
  random: Random,
  { machines, farmers }: { readonly machines: readonly number[]; readonly farmers: number },
): Target {
  const { place, services = [] } = traitsOf(kind);
  const oneOf = <T>(all: readonly T[]): T => {
    const one = all[random.int(0, all.length)];
    if (one === undefined) throw new Error(`nobody is there for ${kind}`);
    return one;
  };
  if (place === 'machine') return { place, at: oneOf(machines) };
  if (place === 'farmer') return { place, at: random.int(0, farmers) };
  return place === 'service' ? { place, name: oneOf(services) } : { place };
}
