import type { ContractStatus } from '@commongrid/contract';

import type { DemoNode } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';

/** For all of a contract to run, ms. */
const readyTimeoutMs = 300_000;

type Workloads = ContractStatus['workloads'];

/** Waits until so many places of the archive are ready, and none is on these nodes. */
export function untilReady(
  town: DemoTown,
  wanted: number,
  except: readonly DemoNode[] = [],
): Promise<ContractStatus> {
  const lost = new Set<string>(except.map(({ id }) => id));
  const look = async (): Promise<ContractStatus | false> => {
    const status = await town.as<ContractStatus>('buyer', 'contract', 'status', 'archive');
    const isElsewhere = status.workloads.every(({ node }) => !lost.has(node));
    return (
      status.readyCount === wanted && status.workloads.length === wanted && isElsewhere && status
    );
  };
  return town.until(`${wanted} places to be ready`, look, readyTimeoutMs);
}

/** Machines that have replicas of a role, in the order of the town. */
export function placedOn(
  { nodes }: DemoTown,
  workloads: Workloads,
  role: string,
): readonly DemoNode[] {
  const ids = new Set<string>(workloads.filter((one) => one.role === role).map(({ node }) => node));
  return nodes.filter(({ id }) => ids.has(id));
}
