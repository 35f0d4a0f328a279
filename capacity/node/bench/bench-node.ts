import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { collectionFlags, waitFor } from '@commongrid/base';
import type { ContractRole, EventPhase, WorkloadId } from '@commongrid/model';

import { shortIdOf } from '../src/short-id.ts';
import { NodeTown } from '../test/support/node-town.ts';
import type { NodePlan, RoleChange } from '../test/support/node-town.ts';
import { CpuMeter } from './cpu-meter.ts';

/** What the process of the agent tells. */
export type AgentWord =
  | {
      readonly is: 'event';
      readonly workload: WorkloadId;
      readonly phase: EventPhase;
      readonly why: string;
      /** Once it is kept; ms since 1970, with fractions. */
      readonly atMs: number;
    }
  | { readonly is: 'settled'; readonly atMs: number };

/** When a workload was accepted, and when its first process ran. */
export interface StartTimes {
  readonly acceptedMs: number;
  readonly runningMs: number;
}

const mib = 2 ** 20;
const startsTimeoutMs = 120_000;

/** A town whose node is a process of its own. */
export class BenchNode implements AsyncDisposable {
  readonly town: NodeTown;
  readonly #meter: CpuMeter;
  readonly #stack: AsyncDisposableStack;
  readonly #events = new Map<WorkloadId, Map<EventPhase, number>>();
  #agent: ChildProcess | undefined;
  #failure: string | undefined;
  #settledMs: number | undefined;

  private constructor(town: NodeTown, meter: CpuMeter, stack: AsyncDisposableStack) {
    this.town = town;
    this.#meter = meter;
    this.#stack = stack;
  }

  static async open(room: NodePlan['room']): Promise<BenchNode> {
    await using stack = new AsyncDisposableStack();
    const meter = stack.use(await CpuMeter.open());
    const town = stack.use(await NodeTown.open(room));
    const node = new BenchNode(town, meter, stack.move());
    try {
      await node.startAgent();
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#agent?.pid ?? 0;
  }

  /** @returns how long it took until all was seen to be as it has to be, ms */
  async startAgent(): Promise<number> {
    const program = fileURLToPath(new URL('agent-main.ts', import.meta.url));
    const beganMs = performance.timeOrigin + performance.now();
    this.#settledMs = undefined;
    const agent = fork(program, [JSON.stringify(this.town.plan)], {
      execArgv: [...collectionFlags.waiting],
    });
    this.#agent = agent;
    this.#meter.add(this.pid);
    agent.on('message', (word) => this.#hear(word as AgentWord));
    const isSettled = (): boolean => {
      if (agent.exitCode !== null) throw new Error(`the node ended with ${agent.exitCode}`);
      return this.#settledMs !== undefined;
    };
    await waitFor(isSettled, { timeoutMs: startsTimeoutMs, what: 'the node to be there' });
    return (this.#settledMs ?? Number.NaN) - beganMs;
  }

  /** As a crash ends it, or as its owner does. */
  async endAgent(how: 'killed' | 'closed'): Promise<void> {
    const agent = this.#agent;
    this.#agent = undefined;
    if (agent === undefined || agent.exitCode !== null) return;
    const ended = once(agent, 'exit');
    if (how === 'killed') agent.kill('SIGKILL');
    else agent.send('close');
    await ended;
  }

  /**
   * A container that waits. Its limits hold for the last steps of runc, too: with 10 thousandths of a
   * CPU it would be those that are measured.
   */
  role(name: string, replicas: number, change: RoleChange['container'] = {}): ContractRole {
    return this.town.role(name, 'exec sleep 100000', {
      replicas,
      resources: {
        ...{ cpuMilli: 500, memoryBytes: 16 * mib, ssdBytes: 16 * mib, hddBytes: 0, ipv4: 0 },
      },
      container: { rootBytes: 16 * mib, pids: 8, ...change },
    });
  }

  /** Deploys a contract of one role and waits until all of it runs. */
  async run(role: ContractRole): Promise<ReadonlyMap<WorkloadId, StartTimes>> {
    const workloads = await this.town.deploy(this.town.draft([role]));
    const ids = [...workloads.values()];
    const areRunning = (): boolean => {
      if (this.#failure !== undefined) throw new Error(this.#failure);
      return ids.every((id) => this.#events.get(id)?.has('running'));
    };
    const what = `${ids.length} containers to run`;
    await waitFor(areRunning, { timeoutMs: startsTimeoutMs, what });
    return new Map(ids.map((id) => [id, this.#timesOf(id)]));
  }

  /** CPU time of all that the node does, and of its containers, since it was opened, ms. */
  cpuMs(): Promise<number> {
    return this.#meter.usedMs(`${this.town.plan.prefix}.containers`);
  }

  /** Where the bundle of a workload is. */
  bundleOf(id: WorkloadId): string {
    return join(this.town.plan.folder, 'machine/bundles', shortIdOf(id));
  }

  /** Number of the first process of a container. */
  async processOf(id: WorkloadId): Promise<number> {
    return Number(await readFile(join(this.bundleOf(id), 'pid'), 'utf8'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endAgent('closed');
    await this.#stack.disposeAsync();
  }

  #hear(word: AgentWord): void {
    if (word.is === 'settled') {
      this.#settledMs = word.atMs;
      return;
    }
    const { workload, phase, why, atMs } = word;
    if (phase === 'failed' || phase === 'refused') this.#failure = `${workload} ${phase}: ${why}`;
    const phases = this.#events.get(workload) ?? new Map<EventPhase, number>();
    this.#events.set(workload, phases.set(phase, atMs));
  }

  #timesOf(id: WorkloadId): StartTimes {
    const phases = this.#events.get(id);
    const [acceptedMs, runningMs] = [phases?.get('accepted'), phases?.get('running')];
    if (acceptedMs === undefined || runningMs === undefined) throw new Error(`${id} does not run`);
    return { acceptedMs, runningMs };
  }
}
