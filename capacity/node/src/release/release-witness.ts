import { readFile } from 'node:fs/promises';
import type { EventPhase, WorkloadId } from '@commongrid/model';
import type { Driver, Observation } from '../driver.ts';
import type { NodeState, NumberedEvent } from '../reconcile/node-state.ts';
import type { Reconciler, WorkloadStatus } from '../reconcile/reconciler.ts';
import type { KnownWorkload } from '../reconcile/wish.ts';
import type { FactStore, Machine } from '../machine/machine.ts';

/** What of an agent its state shows, for the next one to be compared with. */
export interface WitnessedNode {
  readonly state: Pick<NodeState, 'workloads' | 'workload' | 'events' | 'newestEvents'>;
  readonly reconciler: Pick<Reconciler, 'workloads'>;
  readonly machine: Pick<Machine, 'drivers'>;
}

/** What ran under the agent before. Plain JSON: the next agent may be of another release. */
export interface ReleaseWitness {
  readonly v: 1;
  /** Of the machine: what ran before it booted does not run on. */
  readonly bootId: string;
  /** Number of the newest event then. */
  readonly seq: number;
  readonly workloads: readonly WitnessedWorkload[];
}

interface WitnessedWorkload {
  readonly id: WorkloadId;
  readonly revision: number;
  /** When what runs was started, ms since 1970. */
  readonly sinceMs: number;
}

/** How long what runs may seem to have run longer or shorter, ms: the clock is set meanwhile. */
const sinceMsApartMax = 2_000;
/** Events of one workload during a trial. */
const eventsLookedAt = 1_000;

/** Notes what runs, just before an agent makes way for the next. */
export async function takeWitness(
  { state, reconciler, machine }: WitnessedNode,
  signal: AbortSignal,
): Promise<ReleaseWitness> {
  const workloads: WitnessedWorkload[] = [];
  for (const status of reconciler.workloads()) {
    if (status.wish !== 'running' || !status.isSettled) continue;
    const seen = await observed(machine, status, signal);
    if (seen?.state !== 'running' || seen.lost !== undefined) continue;
    const { id, revision } = status.known;
    workloads.push({ id, revision, sinceMs: seen.sinceMs });
  }
  return { v: 1, bootId: await bootId(), seq: state.newestEvents(1).at(-1)?.seq ?? 0, workloads };
}

/** Keeps it for the next agent. */
export function keepWitness(facts: FactStore, witness: ReleaseWitness): void {
  facts.setFact(witnessFact, JSON.stringify(witness));
}

/** What ran does not run on: the node was taken off its machine. */
export function dropWitness(facts: FactStore): void {
  facts.setFact(witnessFact, '');
}

/** What the agent before noted in this run of the machine; undefined when there is nothing to compare. */
export async function readWitness(facts: FactStore): Promise<ReleaseWitness | undefined> {
  const text = facts.fact(witnessFact) ?? '';
  if (text === '') return undefined;
  const witness = JSON.parse(text) as Pick<ReleaseWitness, 'v' | 'bootId'>;
  const isOfNow = witness.v === 1 && witness.bootId === (await bootId());
  return isOfNow ? (witness as ReleaseWitness) : undefined;
}

const witnessFact = 'release witness';

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/** Undefined: as it was. `wait`: not yet. `changed`: the agent touched it. */
export type WitnessVerdict =
  | { readonly is: 'wait' | 'changed'; readonly message: string }
  | undefined;

/**
 * Whether an agent finds what ran before it running on, untouched. What verified records changed
 * meanwhile, and what ended by itself, does not count.
 */
export async function compareWitness(
  node: WitnessedNode,
  witness: ReleaseWitness,
  signal: AbortSignal,
): Promise<WitnessVerdict> {
  const statuses = new Map(node.reconciler.workloads().map((one) => [one.known.id, one]));
  let verdict: WitnessVerdict;
  for (const workload of witness.workloads) {
    const status = statuses.get(workload.id);
    const one = await compareOne(node, { workload, status, seq: witness.seq }, signal);
    if (one?.is === 'changed') return one;
    verdict ??= one;
  }
  return verdict;
}

interface Compared {
  readonly workload: WitnessedWorkload;
  readonly status: WorkloadStatus | undefined;
  /** Events after that are new. */
  readonly seq: number;
}

async function compareOne(
  { state, machine }: WitnessedNode,
  { workload: { id, revision, sinceMs }, status, seq }: Compared,
  signal: AbortSignal,
): Promise<WitnessVerdict> {
  const events = state.events(seq, eventsLookedAt, id);
  if (status === undefined) {
    const isDeleted = events.some(({ phase }) => phase === 'deleted');
    return isDeleted ? undefined : { is: 'changed', message: `${id} is not known any more` };
  }
  const { wish, isSettled, known } = status;
  if (wish === undefined) return { is: 'wait', message: `${id} was not looked at` };
  if (wish !== 'running' || known.revision !== revision) return undefined;
  const seen = await observed(machine, status, signal);
  const isSame = seen?.state === 'running' && isSameRun(known, seen.sinceMs - sinceMs);
  if (events.some(endedByItself)) return undefined;
  if (!isSame || events.some(({ phase }) => touching.has(phase))) {
    return { is: 'changed', message: `${id} does not run on as it was` };
  }
  return isSettled ? undefined : { is: 'wait', message: `${id} is not settled` };
}

/** Of other kinds it is not the workload that has a process. */
function isSameRun({ role }: KnownWorkload, apartMs: number): boolean {
  return role.workload.kind !== 'container' || Math.abs(apartMs) <= sinceMsApartMax;
}

async function observed(
  { drivers }: Pick<Machine, 'drivers'>,
  { known }: WorkloadStatus,
  signal: AbortSignal,
): Promise<Observation | undefined> {
  const driver: Driver | undefined = drivers.get(known.role.workload.kind);
  return driver?.observe(known.key, signal);
}

/** What an agent does to a workload. */
const touching: ReadonlySet<EventPhase> = new Set([
  ...(['preparing', 'pulling', 'starting', 'stopping', 'deleting'] as const),
]);

/** It would have happened under any agent. */
function endedByItself({ code }: NumberedEvent): boolean {
  return code !== undefined && byThemselves.has(code);
}

const byThemselves: ReadonlySet<string> = new Set([
  ...['NODE_ENDED', 'NODE_OUT_OF_MEMORY', 'NODE_IMAGE_LOST', 'NODE_SUPERVISOR_LOST'],
]);
