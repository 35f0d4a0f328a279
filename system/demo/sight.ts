import { isGridError, repeat } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';

import type { DemoNode } from './demo-node.ts';
import type { DemoTown } from './demo-town.ts';
import type { DemoFrame, MachineState, TrafficSight } from './frame.ts';
import { recordsOf } from './records-of.ts';
import { shardPlacesIn, ShardSight } from './shard-sight.ts';
import type { StepListener, StepResult } from './steps.ts';

/** Between two looks, ms. */
const everyMs = 1_000;

/** What there is to look at; more of it as the demo goes on. */
export interface Scenery {
  readonly town: DemoTown;
  readonly contract?: { readonly id: ContractId };
  readonly traffic?: { figures(): SeenTraffic };
}

interface SeenCounts {
  readonly done: number;
  readonly bytes: number;
  readonly failed: number;
}

interface SeenTraffic {
  readonly reads: SeenCounts;
  readonly writes: SeenCounts;
}

/** What the controller says of the archive. */
interface Standing {
  readonly silent: readonly { readonly node: string }[];
  readonly store: { readonly isWhole: boolean } | null;
}

/** Looks at a demo once a second, for people who watch it. What it cannot ask it takes as it was. */
export class DemoSight implements StepListener, AsyncDisposable {
  scenery: Scenery | undefined;
  readonly #onFrame: (frame: DemoFrame) => void;
  readonly #startedMs = performance.now();
  readonly #over = new AbortController();
  readonly #looking: Promise<void>;
  #step: { readonly name: string; readonly sinceMs: number } | undefined;
  #results: readonly StepResult[] = [];
  #silent: ReadonlySet<string> = new Set();
  readonly #shards = new ShardSight();

  constructor(onFrame: (frame: DemoFrame) => void) {
    this.#onFrame = onFrame;
    const { signal } = this.#over;
    this.#looking = repeat(everyMs, () => this.#look(signal), { signal, onError: unlessGrid });
    // It is thrown by whoever ends it.
    this.#looking.catch(() => {});
  }

  onStart(name: string): void {
    this.#step = { name, sinceMs: performance.now() };
    this.#show();
  }

  onResult(result: StepResult): void {
    this.#results = [...this.#results, result];
    this.#step = undefined;
    this.#show();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#looking;
  }

  async #look(signal: AbortSignal): Promise<void> {
    try {
      if (this.scenery?.contract !== undefined) {
        await this.#ask(this.scenery.town, this.scenery.contract.id, signal);
      }
    } finally {
      if (!signal.aborted) this.#show();
    }
  }

  async #ask(town: DemoTown, contract: ContractId, signal: AbortSignal) {
    const { buyer } = town;
    const placements = await recordsOf(town, 'grid.placement.1');
    const items = placements.find((one) => one.contract === contract)?.items ?? [];
    const places = shardPlacesIn(items);
    let isWhole = false;
    try {
      const input = { contract };
      const { silent, store } = await buyer.call<Standing>('contracts.status', input, signal);
      this.#silent = new Set(silent.map(({ node }) => node));
      isWhole = store?.isWhole === true;
    } finally {
      // The bot of the buyer is down now and then.
      this.#shards.look(places, isWhole);
    }
  }

  #show(): void {
    const nowMs = performance.now();
    const step = this.#step && {
      name: this.#step.name,
      forMs: nowMs - this.#step.sinceMs,
    };
    const passed = this.#results.filter((one) => one.passed).length;
    const nodes = this.scenery?.town.nodes ?? [];
    const alive = new Set(nodes.filter((one) => this.#machineState(one) === 'alive').map(idOf));
    this.#onFrame({
      ...{ sinceMs: nowMs - this.#startedMs, passed, failed: this.#results.length - passed, step },
      farms: this.#farms(),
      shards: this.#shards.states((machine) => alive.has(machine)),
      traffic: trafficOf(this.scenery?.traffic?.figures()),
    });
  }

  #farms(): DemoFrame['farms'] {
    const farms = this.scenery?.town.farms ?? [];
    return farms.map(({ plan, nodes }) => {
      return { code: plan.code, machines: nodes.map((node) => this.#machineState(node)) };
    });
  }

  #machineState({ id, hasPower }: DemoNode): MachineState {
    if (!hasPower) return 'lost';
    return this.#silent.has(id) ? 'silent' : 'alive';
  }
}

function idOf({ id }: DemoNode): string {
  return id;
}

function trafficOf(figures: SeenTraffic | undefined): TrafficSight | undefined {
  if (figures === undefined) return undefined;
  const { reads, writes } = figures;
  return {
    ...{ reads: reads.done, writes: writes.done, failed: reads.failed + writes.failed },
    ...{ readBytes: reads.bytes, writtenBytes: writes.bytes },
  };
}

/** What does not answer is asked again. */
function unlessGrid(error: unknown): void {
  if (!isGridError(error)) throw error;
}
