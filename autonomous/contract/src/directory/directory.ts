import type { BotId, Farm, FarmId, Lock, Node, NodeId, Resources } from '@commongrid/model';

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
  /** What its farmer said when he was asked; without it its prices are those of its record. */
  readonly answer?: FarmerAnswer;
}

/** What a farmer says of what roles of a contract cost in one of his farms. */
export type FarmerAnswer =
  | {
      readonly is: 'quoted';
      /** By the name of the role: for one replica. */
      readonly prices: ReadonlyMap<string, Lock['price']>;
      /** By the clock of the farmer, ms since 1970. */
      readonly untilMs: number;
    }
  /** Nothing is sold to this buyer there. */
  | { readonly is: 'declined'; readonly code: string; readonly message: string }
  /** Nothing that a price follows from. */
  | { readonly is: 'silent'; readonly code: string; readonly message: string };

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
