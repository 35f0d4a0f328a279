import type { Problem } from './problem.ts';
import { Relaxation } from './relaxation.ts';
import type { Need, Screening } from './screening.ts';
import type { UnitKind } from './units.ts';

/** Limits of a place that keep units from nodes that have room for them. */
export type SpreadLimit = 'perNode' | 'perFarm' | 'perOwner' | 'perCountry';

/** Why there is no plan, with figures. */
export type Obstacle =
  | {
      /** Too few places for the units of some roles, were they alone. */
      readonly is: 'places';
      readonly roles: readonly string[];
      readonly wanted: number;
      /** As many find a place. */
      readonly placed: number;
      readonly nodes: number;
      /** Nodes that suit it by all but the limits of its spread. */
      readonly suiting: number;
      readonly lacking: Screening['lacking'];
      /** As many would find a place without one of these limits. */
      readonly without: readonly { readonly limit: SpreadLimit; readonly placed: number }[];
    }
  /** Each would fit alone, and all together do not. */
  | { readonly is: 'together'; readonly roles: readonly (readonly string[])[] }
  | {
      readonly is: 'budget';
      readonly currency: string;
      readonly cost: Money;
      /** What no choice costs less than. */
      readonly least: Money;
      readonly budget: Money;
      readonly isCheapest: boolean;
    };

interface Money {
  readonly perMonth: bigint;
  readonly total: bigint;
}

const spreadLimits = ['perNode', 'perFarm', 'perOwner', 'perCountry'] as const;

/** What is in the way of a problem for which no choice was found. */
export function obstaclesOf(
  problem: Problem,
  kinds: readonly UnitKind[],
  screenings: readonly Screening[],
): readonly Obstacle[] {
  const relaxation = new Relaxation(problem);
  const obstacles = kinds.flatMap(({ roles, replicas }, kind): readonly Obstacle[] => {
    const { placed } = relaxation.reach(kind);
    if (placed >= replicas.length) return [];
    const { suits = [], lacking = [] } = screenings[kind] ?? {};
    return [
      {
        ...{ is: 'places', roles: roles.map(({ name }) => name), wanted: replicas.length, placed },
        ...{ nodes: suits.length, suiting: suits.filter(Boolean).length, lacking },
        without: withoutLimits(problem, kind, placed),
      },
    ];
  });
  if (obstacles.length > 0) return obstacles;
  return [{ is: 'together', roles: kinds.map(({ roles }) => roles.map(({ name }) => name)) }];
}

function withoutLimits(problem: Problem, kind: number, placed: number) {
  return spreadLimits.flatMap((limit) => {
    const roles = problem.roles.map((role) => ({ ...role, [limit]: Infinity }));
    const reach = new Relaxation({ ...problem, roles }).reach(kind);
    return reach.placed > placed ? [{ limit, placed: reach.placed }] : [];
  });
}

/** What is said of a need. */
export const needTexts: Readonly<Record<Need, string>> = {
  service: 'are not in service',
  presence: 'are not heard of',
  choice: 'were not named',
  farm: 'are in other farms than the contract allows',
  country: 'are in other countries than the contract allows',
  feature: 'cannot run this kind of workload',
  cpuMilli: 'have too few free cores',
  memoryBytes: 'have too little free memory',
  ssdBytes: 'have too little free SSD',
  hddBytes: 'have too little free hard disk',
  ipv4: 'are in farms without free public addresses',
  price: 'are not for sale in the currency of the budget',
  answer: 'are in farms that declined when they were asked',
  uptime: 'were away too much',
  latency: 'are too far, or do not answer',
};
