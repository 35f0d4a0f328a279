import type { Contract, NodeId } from '@commongrid/model';
import { nodeResources } from '../directory/directory.ts';
import type { Directory, DirectoryFarm, DirectoryNode } from '../directory/directory.ts';
import { priceFor } from './unit-price.ts';
import type { UnitKind } from './units.ts';

/** What a node may lack for a unit. */
export type Need =
  | 'service'
  | 'presence'
  | 'choice'
  | 'farm'
  | 'country'
  | 'feature'
  | 'cpuMilli'
  | 'memoryBytes'
  | 'ssdBytes'
  | 'hddBytes'
  | 'ipv4'
  | 'price'
  | 'answer'
  | 'uptime'
  | 'latency';

/** What whoever plans asks of nodes beyond the contract. */
export interface NodeWishes {
  /** Only these. */
  readonly only?: ReadonlySet<NodeId> | undefined;
  /** Not these. */
  readonly except?: ReadonlySet<NodeId> | undefined;
  /** Least part of the time that it was there, as far as the directory looked. */
  readonly uptimeMin?: number | undefined;
  readonly latencyMsMax?: number | undefined;
  /** Measured, ms; undefined where a node did not answer. */
  readonly latencies?: ReadonlyMap<NodeId, number | undefined> | undefined;
}

export interface ScreeningInput {
  readonly header: Pick<Contract, 'owner' | 'budget' | 'heal'>;
  readonly directory: Directory;
  readonly wishes: NodeWishes;
}

/** Which nodes suit a kind of unit, and what the others lack. */
export interface Screening {
  /** In the order of the directory. */
  readonly suits: readonly boolean[];
  /** How many nodes lack something, and how many of those lack nothing else. */
  readonly lacking: readonly {
    readonly need: Need;
    readonly nodes: number;
    readonly only: number;
  }[];
}

export function screen(kind: UnitKind, input: ScreeningInput): Screening {
  const { nodes, farms } = input.directory;
  const lacks = nodes.map((node) => lacksOf(kind, node, farms.get(node.farm), input));
  const needs = new Set(lacks.flat());
  const lacking = [...needs].map((need) => {
    const own = lacks.filter((all) => all.includes(need));
    return { need, nodes: own.length, only: own.filter((all) => all.length === 1).length };
  });
  return {
    suits: lacks.map((all) => all.length === 0),
    lacking: lacking.toSorted((a, b) => b.nodes - a.nodes || (a.need < b.need ? -1 : 1)),
  };
}

function lacksOf(
  { need, roles, features }: UnitKind,
  node: DirectoryNode,
  farm: DirectoryFarm | undefined,
  { header, wishes }: ScreeningInput,
): readonly Need[] {
  const { mayMoveTo } = header.heal;
  const isDeclined = farm?.owner !== header.owner && farm?.answer?.is === 'declined';
  const { only, except, uptimeMin = 0, latencyMsMax = Infinity, latencies } = wishes;
  const faults: readonly (readonly [Need, boolean])[] = [
    ['service', !node.isInService || farm === undefined],
    ['presence', node.presence !== 'alive'],
    ['choice', only?.has(node.id) === false || except?.has(node.id) === true],
    // Where a replacement may not go the first one has no business either.
    ['farm', mayMoveTo.farms?.includes(node.farm) === false],
    ['country', mayMoveTo.countries?.includes(farm?.country ?? '') === false],
    ['feature', !features.every((feature) => node.features.has(feature))],
    ...nodeResources.map((name) => [name, need[name] > node.free[name]] as const),
    ['ipv4', need.ipv4 > (farm?.freeIpv4 ?? 0)],
    ['price', farm !== undefined && !isDeclined && priceFor(roles, farm, header) === undefined],
    ['answer', isDeclined],
    ['uptime', (node.uptime ?? 0) < uptimeMin],
    ['latency', latencyMsMax < (latencies?.get(node.id) ?? Infinity) && latencyMsMax !== Infinity],
  ];
  return faults.flatMap(([name, isLacking]) => (isLacking ? [name] : []));
}
