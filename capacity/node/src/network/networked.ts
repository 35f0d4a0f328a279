import type { BotId, WorkloadId } from '@commongrid/model';

export interface NetworkPort {
  /** In the container. */
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  /** The port of the node's address where it can be reached from outside. */
  readonly publish?: number;
}

/** What a workload wants from the network of its node. */
export interface NetworkRequest {
  readonly id: WorkloadId;
  readonly tenant: BotId;
  readonly ports: readonly NetworkPort[];
}

/** A workload that has an address. */
export interface Networked extends NetworkRequest {
  readonly address: string;
}
