/** How a machine is: `silent` has power, and its controller does not hear it. */
export type MachineState = 'alive' | 'silent' | 'lost';

/** How the place of a shard is: `refilling` has another machine than when the store was last whole. */
export type ShardState = 'healthy' | 'refilling' | 'lost';

/** What clients did so far. */
export interface TrafficSight {
  readonly reads: number;
  readonly writes: number;
  readonly failed: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** A demo at a moment. */
export interface DemoFrame {
  /** Since it began, ms. */
  readonly sinceMs: number;
  readonly passed: number;
  readonly failed: number;
  /** What is done now, and for how long, ms. */
  readonly step: { readonly name: string; readonly forMs: number } | undefined;
  readonly farms: readonly {
    readonly code: string;
    readonly machines: readonly MachineState[];
  }[];
  /** In their order; none before they are placed. */
  readonly shards: readonly ShardState[];
  readonly traffic: TrafficSight | undefined;
}
