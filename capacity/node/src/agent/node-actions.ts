import { abortError, GridError } from '@commongrid/base';
import type { ControlAction, ControlArguments } from '@commongrid/base';
import type { SourceStatus } from '@commongrid/flist';
import { nodeStanding } from '@commongrid/model';
import type { BotId, EventPhase, WorkloadId } from '@commongrid/model';

import type { NodeErrorCode } from '../errors.ts';
import type { Room } from '../reconcile/admission.ts';
import type { NumberedEvent } from '../reconcile/node-state.ts';
import { unknownWorkload } from '../reconcile/reconciler.ts';
import type { Service, WorkloadStatus } from '../reconcile/reconciler.ts';
import type { Releases, ReleaseStatus } from '../release/releases.ts';
import { shortIdOf } from '../short-id.ts';
import type { CgroupUsage } from '../sys/cgroup.ts';
import type { ZdbStatus } from '../zdb/zdb-driver.ts';
import type { NodeAgent } from './node-agent.ts';

/** A node as it shows itself to those who operate it. */
export interface NodeStatus {
  readonly id: string;
  readonly name: string;
  readonly farm: string;
  readonly log: string;
  readonly standing: string;
  /** Number of its boots, as the log has it; null before the first is told. */
  readonly session: number | null;
  /** How old its newest word on the log is, s; null when there is none to be trusted. */
  readonly viewAgeSeconds: number | null;
  /** Log time as the node knows it, ms since 1970. */
  readonly logTimeMs: number;
  /** `cordoned`: nothing new comes; `draining`: what runs leaves as well. */
  readonly service: Service;
  /** Kinds of workloads that it can run. */
  readonly drivers: readonly string[];
  readonly capacity: Room;
  readonly used: Room;
  /** Where namespaces of workloads are; each is called by the key of its workload. */
  readonly zdb: readonly ZdbStatus[];
  /** What of the agent runs, and is to run; null where no keeper starts other releases. */
  readonly release: ReleaseStatus | null;
  /** Where content of images comes from; null while that does not answer, and where there are none. */
  readonly images: readonly SourceStatus[] | null;
  /** Workloads by phase. */
  readonly phases: Readonly<Record<string, number>>;
}

/** A workload as the node shows it. */
export interface WorkloadSummary {
  readonly id: WorkloadId;
  /** Its name on the machine. */
  readonly key: string;
  readonly contract: string;
  /** As its header says; null where the node does not have it. */
  readonly contractName: string | null;
  /** Bot that owns the contract. */
  readonly owner: BotId;
  readonly role: string;
  readonly replica: number;
  readonly kind: string;
  readonly revision: number;
  readonly phase: EventPhase;
  readonly code: string | null;
  /** When the phase began, ms since 1970. */
  readonly sinceMs: number;
  /** Times in a row that it was started again. */
  readonly restarts: number;
  /** What verified records want it to be; null until they were looked at. */
  readonly wish: string | null;
  readonly progress: {
    readonly what: string;
    readonly doneBytes: number;
    readonly totalBytes: number;
  } | null;
  readonly retryAtMs: number | null;
  readonly isStuck: boolean;
  readonly cpuMilli: number;
  readonly memoryBytes: number;
}

/** What is asked of `events`: those after a number, or the newest. */
export interface EventsQuery {
  readonly after?: number;
  readonly limit: number;
  readonly workload?: WorkloadId;
  /** Waits until there is one. */
  readonly wait: boolean;
}

export interface WorkloadStats extends CgroupUsage {
  readonly workload: WorkloadId;
  readonly atMs: number;
}

/** Events of one answer. */
const eventsAnsweredMax = 400;

/** What those who operate a node may ask of it, at its control socket. */
export function nodeActions(
  agent: NodeAgent,
  releases?: Pick<Releases, 'status'>,
): Readonly<Record<string, ControlAction>> {
  const { reconciler, state } = agent;
  return {
    status: async () => {
      const { machine } = agent;
      const images = (await machine.imageSources?.()) ?? null;
      const zdb = (await machine.zdb?.status()) ?? [];
      return { ...statusOf(agent), release: releases?.status ?? null, images, zdb };
    },
    workloads: async () => reconciler.workloads().map((one) => summaryOf(agent, one)),
    events: (args, { signal }) => eventsOf(agent, queryFrom(args), signal),
    serve: async ({ service }) => {
      agent.serve(serviceFrom(service));
      return { id: agent.id, name: agent.facts.name, service: reconciler.service };
    },
    orphans: (_args, { signal }) => reconciler.orphans(signal),
    collect: (_args, { signal }) => reconciler.collect(signal),
    stats: async (args): Promise<WorkloadStats> => {
      const workload = workloadFrom(args);
      if (state.workload(workload) === undefined) throw unknownWorkload(workload);
      const usage = await agent.machine.containers?.stats(shortIdOf(workload));
      if (usage === undefined) throw notRunning(workload);
      return { workload, atMs: Date.now(), ...usage };
    },
  };
}

function statusOf(agent: NodeAgent): Omit<NodeStatus, 'release' | 'images' | 'zdb'> {
  const { id, facts, view, log, logTimeMs, viewAgeSeconds, machine, reconciler } = agent;
  const known = view.node(id);
  const phases: Record<string, number> = {};
  for (const { phase } of reconciler.workloads()) phases[phase] = (phases[phase] ?? 0) + 1;
  return {
    ...{ id, name: facts.name, farm: facts.farm, log, logTimeMs, phases },
    standing: known === undefined ? 'unknown' : nodeStanding(known),
    session: known?.session?.n ?? null,
    viewAgeSeconds: Number.isFinite(viewAgeSeconds) ? Math.round(viewAgeSeconds) : null,
    service: reconciler.service,
    drivers: [...machine.drivers.keys()],
    capacity: reconciler.admission.capacity,
    used: reconciler.admission.used,
  };
}

function summaryOf({ view }: NodeAgent, status: WorkloadStatus): WorkloadSummary {
  const { known, phase, code, phaseAtMs, restart, wish, progress, retryAtMs, isStuck } = status;
  const { id, key, contract, tenant: owner, revision, replica, role } = known;
  const { cpuMilli, memoryBytes } = role.resources;
  return {
    ...{ id, key, contract, role: role.name, replica, kind: role.workload.kind, revision, phase },
    ...{ sinceMs: phaseAtMs, restarts: restart.restarts, isStuck, cpuMilli, memoryBytes },
    contractName: view.current('grid.contract.1', contract)?.name ?? null,
    owner,
    code: code ?? null,
    wish: wish ?? null,
    progress: progress ?? null,
    retryAtMs: retryAtMs ?? null,
  };
}

async function eventsOf(
  agent: NodeAgent,
  query: EventsQuery,
  signal: AbortSignal,
): Promise<readonly NumberedEvent[]> {
  const { after, limit, workload, wait } = query;
  if (after === undefined) return agent.state.newestEvents(limit, workload);
  for (;;) {
    const fresh = Promise.withResolvers<void>();
    using _watch = agent.watchEvents(() => fresh.resolve());
    const events = agent.state.events(after, limit, workload);
    if (events.length > 0 || !wait) return events;
    await untilAborted(fresh.promise, signal);
  }
}

/** @throws BASE_ABORTED */
async function untilAborted(fresh: Promise<void>, signal: AbortSignal): Promise<void> {
  const stopped = Promise.withResolvers<never>();
  const onAbort = (): void => stopped.reject(abortError(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) throw abortError(signal);
    await Promise.race([fresh, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function queryFrom(args: ControlArguments): EventsQuery {
  const { after, limit, workload, wait } = args;
  const isCount = Number.isSafeInteger(limit) && Number(limit) > 0;
  return {
    limit: isCount ? Math.min(Number(limit), eventsAnsweredMax) : eventsAnsweredMax,
    wait: wait === true,
    ...(Number.isSafeInteger(after) ? { after: Number(after) } : {}),
    ...(typeof workload === 'string' ? { workload: workload as WorkloadId } : {}),
  };
}

/** @throws NODE_SERVICE_UNKNOWN */
function serviceFrom(service: unknown): Service {
  if (service === 'open' || service === 'cordoned' || service === 'draining') return service;
  throw new GridError<NodeErrorCode>('NODE_SERVICE_UNKNOWN', `no node is ${String(service)}`, {
    hint: 'use the same version on both sides',
  });
}

function workloadFrom({ workload }: ControlArguments): WorkloadId {
  return String(workload) as WorkloadId;
}

function notRunning(workload: string): GridError<NodeErrorCode> {
  return new GridError('NODE_CONTAINER_NOT_RUNNING', `${workload} has no process now`, {
    hint: 'see why: grid events',
    details: { workload },
  });
}
