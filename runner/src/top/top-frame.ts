import { isGridError } from '@commongrid/base';
import type { NodeStatus, WorkloadStats, WorkloadSummary } from '@commongrid/node';
import { rentedPlaces } from '@commongrid/wallet';
import type { RentedPlace } from '@commongrid/wallet';

import type { CommandContext } from '../command-context.ts';
import { withContractView } from '../commands/contract/contract-view.ts';
import { ownedGrid } from '../commands/node/farm.ts';
import { askNode } from '../commands/node/node-folder-option.ts';
import { workloadName } from '../node/find-workload.ts';
import { lookAt } from '../one-machine-grid.ts';
import type { ServicePhase } from '../supervisor/grid-state.ts';
import { processUse } from './process-use.ts';

/** How a grid is at a moment. */
export interface TopFrame {
  readonly schema: 'grid.top.1';
  readonly atMs: number;
  readonly services: readonly TopService[];
  readonly nodes: readonly TopNode[];
  /** What the node of this machine has given away, and runs; null where none answers. */
  readonly node: Pick<NodeStatus, 'capacity' | 'used' | 'service'> | null;
  readonly workloads: readonly TopWorkload[];
  /** Rented places by when their money ends, the first ones first. */
  readonly rents: readonly TopRent[];
  /** What could not be asked, and why. */
  readonly unknown: readonly string[];
}

export interface TopService {
  readonly name: string;
  readonly phase: ServicePhase;
  readonly restartCount: number;
  /** CPU time so far, ms; null without a process. */
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
}

export interface TopNode {
  readonly name: string;
  readonly farm: string;
  /** What its owner says of it; null while it is not adopted. */
  readonly standing: string | null;
  /** What the database says: alive, suspect, lost ...; null when it never heard it. */
  readonly presence: string | null;
  /** Since its last word, ms. */
  readonly silentMs: number | null;
}

export interface TopWorkload {
  readonly name: string;
  readonly kind: string;
  readonly phase: string;
  readonly restarts: number;
  /** Of containers: CPU time so far, ms. */
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
}

export interface TopRent {
  readonly workload: string;
  readonly standing: RentedPlace['standing'];
  /** When its money ends, ms since 1970; null where it costs nothing. */
  readonly paidUntilMs: number | null;
}

/** Rents that are shown, those first whose money ends first. */
const rentsShown = 10;

/** Rents change slowly, and reading them means reading a feed. */
const rentsEveryMs = 30_000;

/** Of places that are left or given up nobody's money runs out. */
const isOfMoney: ReadonlySet<RentedPlace['standing']> = new Set([
  'paid',
  'warned',
  'paused',
  'forfeit',
]);

/** Looks at a grid again and again. */
export class TopWatch {
  readonly #context: CommandContext;
  readonly #bot: string | undefined;
  #rents: { readonly readMs: number; readonly all: readonly TopRent[] } | undefined;

  /** @param bot of this machine whose rents are shown; default: the grid's owner */
  constructor(context: CommandContext, bot: string | undefined) {
    this.#context = context;
    this.#bot = bot;
  }

  /** What cannot be asked is named in the frame, and the rest is there. */
  async look(): Promise<TopFrame> {
    const unknown: string[] = [];
    const or = async <T>(what: string, asked: Promise<T>, none: T): Promise<T> => {
      try {
        return await asked;
      } catch (error) {
        if (!isGridError(error)) throw error;
        unknown.push(`${what}: ${error.message}`);
        return none;
      }
    };
    const [services, nodes, own, rents] = await Promise.all([
      or('services', this.#services(), []),
      or('nodes', this.#nodes(), []),
      or('node', this.#own(), undefined),
      or('money', this.#readRents(), []),
    ]);
    return {
      ...{ schema: 'grid.top.1', atMs: Date.now() },
      ...{ services, nodes, rents, unknown },
      ...{ node: own?.node ?? null, workloads: own?.workloads ?? [] },
    };
  }

  async #services(): Promise<readonly TopService[]> {
    const { state } = await lookAt(this.#context.environment.home);
    return Promise.all(
      Object.entries(state?.services ?? {}).map(async ([name, service]) => {
        const { phase, restartCount, process } = service;
        const use = process === null ? undefined : await processUse(process.pid);
        const { cpuMs = null, memoryBytes = null } = use ?? {};
        return { name, phase, restartCount, cpuMs, memoryBytes };
      }),
    );
  }

  async #nodes(): Promise<readonly TopNode[]> {
    const { client, grid } = await ownedGrid(this.#context, {});
    const nodes = await grid.nodes();
    return Promise.all(
      nodes.map(async ({ node, farm, standing = null }) => {
        const heard = await client.read<Heard>(`/v1/presence/${node.id}`).catch(unlessUnheard);
        const { standing: presence = null, silentMs = null } = heard ?? {};
        return { name: node.name, farm: farm.name, standing, presence, silentMs };
      }),
    );
  }

  async #own(): Promise<Own> {
    const ask = <T>(action: string, args = {}): Promise<T> =>
      askNode<T>(this.#context, {}, action, args);
    const [{ capacity, used, service }, all] = await Promise.all([
      ask<NodeStatus>('status'),
      ask<readonly WorkloadSummary[]>('workloads'),
    ]);
    const workloads = all.map(async (one) => {
      const { id, kind, phase, restarts } = one;
      // One that ended meanwhile uses nothing.
      const stats =
        kind === 'container'
          ? await ask<WorkloadStats>('stats', { workload: id }).catch(unlessRefused)
          : undefined;
      const cpuMs = stats === undefined ? null : stats.cpuUsageUs / 1_000;
      const use = { cpuMs, memoryBytes: stats?.memoryBytes ?? null };
      return { name: workloadName(one), kind, phase, restarts, ...use };
    });
    return { node: { capacity, used, service }, workloads: await Promise.all(workloads) };
  }

  async #readRents(): Promise<readonly TopRent[]> {
    const isFresh = this.#rents !== undefined && Date.now() - this.#rents.readMs < rentsEveryMs;
    if (this.#rents !== undefined && isFresh) return this.#rents.all;
    const options = this.#bot === undefined ? {} : { bot: this.#bot };
    const all = await withContractView(this.#context, options, async ({ fold, now, bot }) =>
      rentedPlaces({ fold, at: now.at }).flatMap((place): TopRent[] => {
        const { workload, standing, contract, paidUntilMs = null } = place;
        const isOurs = fold.current('grid.contract.1', contract)?.owner === bot;
        return isOurs && isOfMoney.has(standing) ? [{ workload, standing, paidUntilMs }] : [];
      }),
    );
    const ends = ({ paidUntilMs }: TopRent): number => paidUntilMs ?? Number.MAX_SAFE_INTEGER;
    const first = all.toSorted((a, b) => ends(a) - ends(b)).slice(0, rentsShown);
    this.#rents = { readMs: Date.now(), all: first };
    return first;
  }
}

interface Own {
  readonly node: NonNullable<TopFrame['node']>;
  readonly workloads: readonly TopWorkload[];
}

interface Heard {
  readonly standing: string;
  readonly silentMs: number;
}

function unlessUnheard(error: unknown): undefined {
  if (!isGridError(error, 'BCDB_NOT_FOUND')) throw error;
}

function unlessRefused(error: unknown): undefined {
  if (!isGridError(error)) throw error;
}
