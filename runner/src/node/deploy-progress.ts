import type { BcdbClient } from '@commongrid/bcdb/client';
import type { Event, EventPhase, RecordOf, WorkloadId } from '@commongrid/model';

import type { PlacedWorkload } from './deploy.ts';

/** What a node said of a workload; it also speaks of itself. */
export type WorkloadEvent = Event & { readonly workload: WorkloadId };

/** How workloads came along so far. */
export interface DeployStanding {
  readonly events: ReadonlyMap<WorkloadId, WorkloadEvent>;
  /** `failed`: at least one is not there, and is not tried again, or nobody waits for that. */
  readonly is: 'coming' | 'there' | 'failed';
}

/** Where workloads stand by the newest event of each. @param isPatient what is tried again counts as coming */
export function standingOf(
  awaited: readonly PlacedWorkload[],
  events: ReadonlyMap<WorkloadId, WorkloadEvent>,
  isPatient: boolean,
): DeployStanding {
  const newest = awaited.map((one) => ({ ...one, event: events.get(one.workload) }));
  if (newest.every(({ event }) => isThere(event))) return { events, is: 'there' };
  const hasFailed = newest.some(({ event }) => {
    if (event === undefined || !badPhases.has(event.phase)) return false;
    return !(isPatient && event.isRetryable === true);
  });
  return { events, is: hasFailed ? 'failed' : 'coming' };
}

/** Healthy, or a task that has ended as it should. */
function isThere(event: WorkloadEvent | undefined): boolean {
  return event?.phase === 'healthy' || (event?.phase === 'stopped' && event.code === 'NODE_ENDED');
}

const badPhases: ReadonlySet<EventPhase> = new Set(['refused', 'failed', 'unhealthy', 'stopped']);

export interface FollowDeployOptions {
  readonly client: BcdbClient;
  /** First sequence of the log that counts. */
  readonly from: number;
  readonly isPatient: boolean;
  readonly signal: AbortSignal;
  /** Gets each event of the workloads as it comes. */
  readonly onEvent: (event: WorkloadEvent) => void;
}

/**
 * Follows workloads until they are there or failed, or the signal fires. What the events say is the
 * word of the server.
 */
export async function followDeploy(
  awaited: readonly PlacedWorkload[],
  { client, from, isPatient, signal, onEvent }: FollowDeployOptions,
): Promise<DeployStanding> {
  const nodes = new Map(awaited.map(({ workload, node }) => [workload, node]));
  const events = new Map<WorkloadId, WorkloadEvent>();
  const url = 'grid.event.1';
  for await (const { value } of client.watch('grid', { url, from, signal })) {
    const said = value as RecordOf<'grid.event.1'> | undefined;
    if (said?.workload === undefined || nodes.get(said.workload) !== said.node) continue;
    const event = said as WorkloadEvent;
    events.set(event.workload, event);
    onEvent(event);
    const standing = standingOf(awaited, events, isPatient);
    if (standing.is !== 'coming') return standing;
  }
  return standingOf(awaited, events, isPatient);
}
