import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { askControl, isGridError, throwIfAborted, waitFor } from '@commongrid/base';
import { TestGrid } from '../e2e/grid-process.ts';
import { Outpost } from '../e2e/outpost.ts';
import { withChildren } from './cpu-shares.ts';
import type { Programs } from './cpu-shares.ts';
import { readLogTimes } from './log-times.ts';
import type { LoggedRecord } from './log-times.ts';

interface Up {
  readonly services: Record<string, { readonly address: string }>;
  readonly hub: { readonly image: { readonly digest: string } | null };
  readonly node: { readonly id: string; readonly lack: string | null };
  readonly bots: { readonly ids: Readonly<Record<string, string>>; readonly lack: string | null };
}

interface Status {
  readonly services: Record<string, { readonly pid: number | null; readonly phase: string }>;
}

/** What a node tells of a workload. */
export interface ToldEvent {
  readonly seq: number;
  readonly workload?: string;
  readonly phase: string;
  readonly code?: string;
  readonly message?: string;
  /** Of the clock of this machine, ms since 1970. */
  readonly at: number;
}

/** A workload that is waited for, and its contract. */
export interface Ordered {
  readonly id: string;
  readonly workload: string;
}

export interface LiveNode {
  readonly id: string;
  /** Control socket of its agent. */
  readonly socket: string;
}

/** A machine in a network namespace, and the node on it. */
export interface LiveMachine {
  readonly outpost: Outpost;
  readonly node: LiveNode;
}

/** What each machine gives to others of its disk: what namespaces of the benchmark take. */
const volumeSize = '8GiB';
/** How long anything may take before a benchmark is given up, ms. */
const patienceMs = 120_000;
/** Between two looks of a benchmark at something, ms. */
const lookEveryMs = 20;

/**
 * A grid of real processes with two machines on which a buyer's bot rents places from the farmer's. All
 * clocks are one. It is taken off the machine in the end, also when it could not be opened.
 */
export class LiveGrid implements AsyncDisposable {
  readonly grid: TestGrid;
  /** The node of `grid up`. */
  readonly node: LiveNode;
  readonly outpost: Outpost;
  /** The node of the outpost. */
  readonly far: LiveNode;
  readonly buyer: string;
  /** Digest of the image that the hub begins with. */
  readonly image: string;
  readonly #up: Up;
  readonly #signal: AbortSignal;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    {
      grid,
      up,
      second: { outpost, node: far },
    }: { readonly grid: TestGrid; readonly up: Up; readonly second: LiveMachine },
    signal: AbortSignal,
    stack: AsyncDisposableStack,
  ) {
    this.grid = grid;
    this.node = { id: up.node.id, socket: join(grid.home, 'node', 'control.sock') };
    this.outpost = outpost;
    this.far = far;
    this.#up = up;
    this.buyer = up.bots.ids['buyer'] ?? '';
    this.image = up.hub.image?.digest ?? '';
    this.#signal = signal;
    this.#stack = stack;
  }

  static async open(signal: AbortSignal): Promise<LiveGrid> {
    await using stack = new AsyncDisposableStack();
    const grid = stack.use(await TestGrid.open({ hasNode: true, hasBots: true }));
    const up = await grid.json<Up>('up', '--port-base', '0');
    const lack = up.node.lack ?? up.bots.lack ?? (up.hub.image === null ? 'no image' : null);
    if (lack !== null) throw new Error(`there is no grid to measure: ${lack}`);
    throwIfAborted(signal);
    const second = await openMachine(grid, up);
    stack.use(second.outpost);
    return new LiveGrid({ grid, up, second }, signal, stack.move());
  }

  /** One more machine like the outpost; whoever asked for it takes it off again. */
  join(): Promise<LiveMachine> {
    return openMachine(this.grid, this.#up);
  }

  /** Calls a method of the buyer's bot, as its owner. */
  async call<T>(method: string, input: unknown): Promise<T> {
    return (await this.#askBuyer('call', { method, input })) as T;
  }

  /** Appends a record by the key of the buyer's bot, and waits until it is durable. */
  async say(url: string, obj: string, value: object): Promise<void> {
    await this.#askBuyer('write', { ns: 'grid', op: 'put', url, obj, value });
  }

  /** What a node tells of a workload, the oldest of it first. */
  events(node: LiveNode, workload: string): Promise<readonly ToldEvent[]> {
    return this.#events(node, { workload, after: 0 });
  }

  /**
   * The event by which a workload reached a phase.
   * @throws when the node refuses it, when it fails, and, with what its controller says, when it takes too long
   */
  async reached(node: LiveNode, { id, workload }: Ordered, phase: string): Promise<ToldEvent> {
    try {
      return await this.#reached(node, workload, phase);
    } catch (error) {
      if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
      const standing = await this.call('contracts.status', { contract: id });
      const text = `${workload} is not ${phase} yet: ${JSON.stringify(standing)}`;
      throw new Error(text, { cause: error });
    }
  }

  /** Waits until the agent of a node answers, and takes part in the grid. */
  async inService({ socket }: LiveNode): Promise<void> {
    await this.until('the node to be in service', async () => {
      try {
        const status = await askControl(socket, 'status', {}, { signal: this.#signal });
        return (status as { readonly standing: string }).standing === 'inService';
      } catch (error) {
        if (isGridError(error, 'BASE_ABORTED')) throw error;
        return false;
      }
    });
  }

  /** @returns what kills the process of the buyer's bot, and says when, ms since 1970 */
  async buyerToKill(): Promise<() => number> {
    const pid = await this.until('the bot of the buyer to run', async () => {
      const service = (await this.#services())['bot-buyer'];
      return service?.phase === 'running' && (service.pid ?? undefined);
    });
    return () => {
      const atMs = Date.now();
      process.kill(pid, 'SIGKILL');
      return atMs;
    };
  }

  /** What works for an order, by what it is. */
  async processes(): Promise<Programs> {
    const services = await this.#services();
    const names = [
      ['the database', 'bcdb'],
      ["the buyer's bot", 'bot-buyer'],
      ["the farmer's bot", 'bot-farmer'],
      ['the node', 'node'],
    ] as const;
    const all = names.map(async ([name, service]) => {
      const pid = services[service]?.pid ?? undefined;
      if (pid === undefined) throw new Error(`${service} does not run`);
      return [name, await withChildren(pid)] as const;
    });
    return new Map(await Promise.all(all));
  }

  /** All records of the log so far. */
  async log(): Promise<readonly LoggedRecord[]> {
    const file = join(this.grid.home, 'log.jsonl');
    await this.grid.json('bcdb', 'export', file);
    try {
      return readLogTimes(await readFile(file, 'utf8'));
    } finally {
      await rm(file, { force: true });
    }
  }

  /** Looks until there is something. @throws BASE_TIMEOUT, BASE_ABORTED */
  until<T>(
    what: string,
    look: () => Promise<T | false | undefined>,
    everyMs = lookEveryMs,
  ): Promise<T> {
    const options = { timeoutMs: patienceMs, everyMs, signal: this.#signal };
    return waitFor(look, { ...options, what });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  #askBuyer(action: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    const socket = join(this.grid.home, 'bots', 'buyer', 'control.sock');
    const options = { signal: this.#signal, timeoutMs: patienceMs };
    return askControl(socket, action, args, options);
  }

  async #reached(node: LiveNode, workload: string, phase: string): Promise<ToldEvent> {
    for (let after = 0; ;) {
      // Asked once: whoever asks again and again is in the way of what is measured.
      for (const event of await this.#events(node, { workload, after, wait: true })) {
        if (event.phase === phase) return event;
        if (event.phase === 'failed' || event.phase === 'refused') {
          const why = `${event.code ?? ''} ${event.message ?? ''}`;
          throw new Error(`${workload} ${event.phase}, not ${phase}: ${why}`);
        }
        after = event.seq;
      }
    }
  }

  async #services(): Promise<Status['services']> {
    return (await this.grid.json<Status>('status')).services;
  }

  async #events(
    { socket }: LiveNode,
    query: { readonly workload: string; readonly after: number; readonly wait?: boolean },
  ): Promise<readonly ToldEvent[]> {
    const options = { signal: this.#signal, timeoutMs: patienceMs };
    return (await askControl(socket, 'events', query, options)) as readonly ToldEvent[];
  }
}

async function openMachine(grid: TestGrid, up: Up): Promise<LiveMachine> {
  await using stack = new AsyncDisposableStack();
  const outpost = stack.use(await Outpost.open(grid, up, { volumeSize }));
  const socket = join(outpost.folder, 'control.sock');
  const { id } = (await askControl(socket, 'status')) as { readonly id: string };
  // Nothing is to be taken off here.
  stack.move();
  return { outpost, node: { id, socket } };
}
