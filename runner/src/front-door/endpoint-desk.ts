import { createHash } from 'node:crypto';

import { delay, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { GridNow } from '@commongrid/bcdb/client';
import type { BotId, Node, NodeId } from '@commongrid/model';

import type { Endpoint, EndpointNews } from './endpoint.ts';
import { endpointsOf, placedContracts } from './endpoints-of.ts';

/** The grid as a bot has it. */
export interface EndpointGrid {
  now(options: { readonly signal: AbortSignal }): Promise<GridNow>;
  node(id: NodeId, options: { readonly signal: AbortSignal }): Promise<Node | undefined>;
  /** Resolves with the next news, or when the signal fires. */
  changed(signal: AbortSignal): Promise<void>;
}

export interface EndpointDeskOptions {
  /** Whose contracts. */
  readonly owner: BotId;
  readonly grid: EndpointGrid;
  readonly clock?: Clock;
}

/** What is known to whoever asks. */
export interface EndpointQuestion {
  readonly version?: string | undefined;
  /** How long it is waited for something else, ms. */
  readonly waitMs?: number | undefined;
}

/** Least time between two looks: news come in crowds, ms. */
const lookRestMs = 100;
/** For how long it is not asked again where a node is reached, ms. */
const nodeMs = 10_000;

/** Says where what the contracts of an owner publish is reached, and when that changes. */
export class EndpointDesk implements AsyncDisposable {
  readonly #options: EndpointDeskOptions;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #nodes = new Map<NodeId, { readonly node: Node | undefined; readonly atMs: number }>();

  constructor(options: EndpointDeskOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * All endpoints; with a version that is known only once they are others, or time is over.
   * @throws what the database is refused with: nothing is known then
   */
  async look(
    { version: known, waitMs = 0 }: EndpointQuestion,
    caller: AbortSignal,
  ): Promise<EndpointNews> {
    const signal = AbortSignal.any([caller, this.#closing.signal]);
    const untilMs = this.#clock.monotonicMs() + waitMs;
    for (;;) {
      const over = new AbortController();
      const either = AbortSignal.any([signal, over.signal]);
      // From before the look on: what comes meanwhile may be too late for it.
      const news = this.#options.grid.changed(either);
      try {
        const found = await this.#endpoints(signal);
        const leftMs = untilMs - this.#clock.monotonicMs();
        if (known === undefined || found.version !== known || leftMs <= 0) return found;
        const pause = delay(leftMs, { signal: either, clock: this.#clock });
        await Promise.race([news, pause.catch(() => undefined)]);
      } finally {
        over.abort();
      }
      await delay(lookRestMs, { signal, clock: this.#clock });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
  }

  async #endpoints(signal: AbortSignal): Promise<EndpointNews> {
    const { grid, owner } = this.#options;
    const { fold, at } = await grid.now({ signal });
    const placed = placedContracts(fold, owner, at);
    const ids = placed.flatMap(({ status }) => status.workloads.map(({ node }) => node));
    const nodes = await this.#nodesOf(new Set(ids), signal);
    const endpoints: Endpoint[] = placed.flatMap((one) => [...endpointsOf(fold, one, nodes)]);
    const version = createHash('sha256').update(JSON.stringify(endpoints)).digest('base64url');
    return { version, endpoints };
  }

  async #nodesOf(
    ids: ReadonlySet<NodeId>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<NodeId, Node>> {
    const nowMs = this.#clock.monotonicMs();
    const asked = [...ids].map(async (id) => {
      const known = this.#nodes.get(id);
      if (known !== undefined && nowMs - known.atMs < nodeMs) return [id, known] as const;
      const node = await this.#options.grid.node(id, { signal });
      return [id, { node, atMs: nowMs }] as const;
    });
    this.#nodes = new Map(await Promise.all(asked));
    return new Map([...this.#nodes].flatMap(([id, { node }]) => (node ? [[id, node]] : [])));
  }
}
