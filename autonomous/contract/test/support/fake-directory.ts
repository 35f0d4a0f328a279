import { fakeId } from '@commongrid/model/testing';
import type { BotId, FarmId, Node } from '@commongrid/model';
import type { Directory, DirectoryFarm, DirectoryNode } from '../../src/index.ts';

export const countries = ['BE', 'CH', 'EG', 'US', 'AT', 'ZA'];

export interface FakeFarm {
  /** Number of its owner. Default the farm's own number. */
  readonly owner?: number;
  readonly country?: string;
  readonly nodes: number;
  readonly freeIpv4?: number;
  /** Of a thousand unit-hours, smallest units; nothing is for sale without it. Storage costs nothing. */
  readonly cu?: number;
}

/** Each node has 4 cores, 8 GiB of memory, 100 GiB of SSD, unless `change` says otherwise. */
export function fakeDirectory(
  farms: readonly FakeFarm[],
  change: (node: number) => Partial<DirectoryNode> = () => ({}),
): Directory {
  const listed = farms.map((farm, at): DirectoryFarm => {
    const { owner = at + 1, country = countries[at % 6] ?? 'BE', freeIpv4 = 0, cu } = farm;
    const price = cu === undefined ? {} : { cu: fakeId.amount(cu), su: fakeId.amount(0) };
    return {
      ...{ id: fakeId.farm(at + 1), name: `farm-${at + 1}`, owner: fakeId.bot(owner) },
      prices: { currency: 'EUR', unitHours: 1000, ...price },
      ...{ country, city: 'Town', freeIpv4 },
    };
  });
  const capacity: Node['capacity'] = {
    ...{ cpuMilli: 4_000, memoryBytes: 2 ** 33, ssdBytes: 100 * 2 ** 30, hddBytes: 0 },
  };
  const nodes = farms.flatMap(({ nodes: count }, at) =>
    Array.from({ length: count }, () => fakeId.farm(at + 1)),
  );
  return {
    nodes: nodes.map((farm, at): DirectoryNode => ({
      ...{ id: fakeId.node(at + 1), name: `node-${at + 1}`, farm, addresses: [] },
      ...{ isInService: true, presence: 'alive', uptime: 1, capacity, free: capacity },
      features: new Set(['containers', 'volumes', 'zdb']),
      ...change(at),
    })),
    farms: new Map<FarmId, DirectoryFarm>(listed.map((farm) => [farm.id, farm])),
    bots: new Map<BotId, string>(listed.map(({ owner, name }) => [owner, `owner-of-${name}`])),
  };
}
