import type { BotId, Farm, FarmId, Node, NodeId, Resources } from '@commongrid/model';

/** What there is to place on: what the log says of nodes and farms, as of one moment. */
export interface Directory {
  readonly nodes: readonly DirectoryNode[];
  readonly farms: ReadonlyMap<FarmId, DirectoryFarm>;
  /** Names of bots that are owners or signers. */
  readonly bots: ReadonlyMap<BotId, string>;
}

export interface DirectoryNode extends Pick<Node, 'id' | 'name' | 'farm' | 'addresses'> {
  /** Adopted by the farm that it names, let go by nobody, and it does not drain. */
  readonly isInService: boolean;
  /** By its heartbeats; `unseen`: none was ever heard, or not for a day. */
  readonly presence: 'alive' | 'suspect' | 'gone' | 'unseen';
  /** Part of the time of its newest hourly summary that it was there; undefined: there is none yet. */
  readonly uptime: number | undefined;
  readonly features: ReadonlySet<string>;
  readonly capacity: Node['capacity'];
  /** Capacity less what is placed there, what is kept by locks, and disks with data of others. */
  readonly free: Node['capacity'];
}

export interface DirectoryFarm extends Pick<Farm, 'id' | 'name' | 'owner' | 'prices'> {
  readonly country: string;
  readonly city: string;
  /** Public addresses of IPv4 that nobody has. */
  readonly freeIpv4: number;
}

/** Resources that a node itself has, in the order in which they are told. */
export const nodeResources = ['cpuMilli', 'memoryBytes', 'ssdBytes', 'hddBytes'] as const;

/** What somebody uses of a node. */
export interface Use extends Resources {
  readonly node: NodeId;
}

/** Free capacity of a node. Below nothing there is nothing: a node may have shrunk. */
export function freeOf(capacity: Node['capacity'], uses: readonly Use[]): Node['capacity'] {
  const left = (name: (typeof nodeResources)[number]): number =>
    Math.max(0, capacity[name] - uses.reduce((sum, use) => sum + use[name], 0));
  return {
    cpuMilli: left('cpuMilli'),
    memoryBytes: left('memoryBytes'),
    ssdBytes: left('ssdBytes'),
    hddBytes: left('hddBytes'),
  };
}
