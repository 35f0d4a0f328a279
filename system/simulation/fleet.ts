import { seededRandom } from '@commongrid/base';
import { Controller } from '@commongrid/contract';
import type { ContractDefinition } from '@commongrid/contract';
import { Machine, soundClock } from './machine.ts';
import { order } from './orders.ts';
import type { Order } from './orders.ts';
import { SimulatedBot } from './simulated-bot.ts';
import { Town, townPrices } from './town.ts';
import { VirtualTime } from './virtual-time.ts';

export interface FleetOptions {
  readonly nodes: number;
  /** Nodes of one farm. */
  readonly nodesOfFarm: number;
  readonly workloads: number;
  /** Replicas of one contract. */
  readonly replicas: number;
  /** Part of the nodes that dies, 0 to 1. */
  readonly dying: number;
  readonly seed: number;
}

/** What it took to place a fleet, and to make good what died. Virtual time, and real processor time. */
export interface FleetReport {
  /** From the first look until everything ran, s of virtual time. */
  readonly placedSeconds: number;
  /** From the death of the nodes until everything ran again, s of virtual time. */
  readonly healedSeconds: number;
  /** Replicas that were lost. */
  readonly lost: number;
  /** Of what the controller and its view did while it healed, s. */
  readonly controllerCpuSeconds: number;
  /** The same for its first placement. */
  readonly placingCpuSeconds: number;
  /** Memory of the process with the whole simulated world, after the end, bytes. */
  readonly heapBytes: number;
}

const startMs = 1_700_000_000_000;
const gib = 2 ** 30;
/** Longest that either may take, ms of virtual time. */
const patienceMs = 600_000;
const lookMs = 500;

/** Places many contracts on many nodes, lets some of them die, and waits until all is well again. */
export async function runFleet(options: FleetOptions): Promise<FleetReport> {
  const fleet = await Fleet.found(options);
  const placed = await fleet.untilWell('placed');

  const lost = fleet.kill(options.dying);
  const healed = await fleet.untilWell('healed');
  return {
    ...{ placedSeconds: placed.seconds, placingCpuSeconds: placed.cpuSeconds, lost },
    ...{ healedSeconds: healed.seconds, controllerCpuSeconds: healed.cpuSeconds },
    heapBytes: usedHeapBytes(),
  };
}

/** What is in use, without what is garbage already where that can be told. */
function usedHeapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

interface FleetBot {
  readonly machine: Machine;
  readonly controller: Controller;
}

class Fleet {
  readonly #town: Town;
  readonly #orders: readonly Order[];
  readonly #bot: FleetBot;

  private constructor(town: Town, orders: readonly Order[], bot: FleetBot) {
    this.#town = town;
    this.#orders = orders;
    this.#bot = bot;
  }

  static async found(options: FleetOptions): Promise<Fleet> {
    const { seed, nodes, nodesOfFarm, workloads, replicas } = options;
    const random = seededRandom(`fleet ${seed}`);
    const countries = ['BE', 'CH', 'EG', 'DE', 'NL'];
    const farms = Array.from({ length: Math.ceil(nodes / nodesOfFarm) }, (_, index) => {
      return { owner: 1, country: countries[index % countries.length] ?? 'BE', nodes: nodesOfFarm };
    });
    const town = new Town({
      ...{ time: new VirtualTime(startMs), random, farms, buyers: [], delayMs: [1, 20], loss: 0 },
      clock: () => soundClock,
      sequencer: { suspectAfterMs: 3_000, goneAfterMs: 10_000, summaryEveryMs: 3_600_000 },
      // Room for 12: there is some to spare, and nothing can crowd on a few nodes.
      capacity: { cpuMilli: 3_000, memoryBytes: 16 * gib, ssdBytes: 500 * gib, hddBytes: 0 },
      prices: townPrices,
    });
    const orders: Order[] = [];
    for (let n = 0; n < workloads / replicas; n++) {
      orders.push(await order({ town, random, owner: 1, definition: fleetContract(n, replicas) }));
    }
    const bot = new Machine('bot', town.time);
    const controller = startController(town, bot, orders);
    for (const node of town.nodes) node.boot();
    return new Fleet(town, orders, { machine: bot, controller });
  }

  /** Turns off a part of the nodes, each farm losing some. @returns replicas that were on them */
  kill(part: number): number {
    const { nodes, sequencer } = this.#town;
    // 7 has no factor in common with how nodes are counted in farms.
    const count = Math.round(nodes.length * part);
    const dying = Array.from({ length: count }, (_, index) => nodes[(index * 7) % nodes.length]);
    for (const node of new Set(dying)) node?.crash();
    let lost = 0;
    for (const { items } of sequencer.fold.objects('grid.placement.1')) {
      lost += items.filter(({ node }) => this.#town.node(node)?.machine.isOn === false).length;
    }
    return lost;
  }

  /** @returns how long it took, in virtual time, and what the controller's machine did for it */
  async untilWell(what: string): Promise<{ seconds: number; cpuSeconds: number }> {
    const { time } = this.#town;
    const fromMs = time.nowMs;
    time.countCosts();
    while (!this.#isWell()) {
      if (time.nowMs > fromMs + patienceMs) throw new Error(`not ${what}: ${this.#waiting()}`);
      await time.runUntil(time.nowMs + lookMs);
    }
    return {
      seconds: (time.nowMs - fromMs) / 1000,
      cpuSeconds: time.costSecondsOf(this.#bot.machine.name),
    };
  }

  #waiting(): string {
    const told = this.#bot.controller.status().flatMap(({ blocked }) => blocked);
    return `${told.length} wait; ${told[0]?.code}: ${told[0]?.message}`;
  }

  /** Whether all replicas of all contracts run where the log has them. */
  #isWell(): boolean {
    const { fold } = this.#town.sequencer;
    return this.#orders.every(({ draft: { id, openings } }) => {
      const items = fold.current('grid.placement.1', id)?.items ?? [];
      if (items.length < (openings[0]?.role.replicas ?? 0)) return false;
      return items.every(({ role, replica, node }) => {
        return this.#town.node(node)?.host.isRunning(`${id}/${role}/${replica}` as never) === true;
      });
    });
  }
}

function fleetContract(n: number, replicas: number): ContractDefinition {
  const container = { flist: 'b'.repeat(64), stop: { graceSeconds: 1 } };
  return {
    name: `fleet ${n}`,
    heal: { replaceAfterMs: 10_000, maxPerHour: 1_000 },
    roles: [
      {
        ...{ name: 'web', replicas, container, cpu: 0.25, memory: '256MiB' },
        spread: { distinctNodes: true, perFarm: 2 },
      },
    ],
  };
}

function startController(town: Town, machine: Machine, orders: readonly Order[]): Controller {
  const { network, sequencer } = town;
  const { id, controllers } = town.person(1);
  const bot = new SimulatedBot({
    ...{ id, machine, network, sequencer, key: controllers[0], leaseTtlMs: 15_000 },
    machineOf: (node) => town.node(node)?.machine,
    market: undefined,
  });
  const papers = new Map(orders.map((paper) => [paper.draft.id, paper]));
  const ports = bot.ports({ ids: () => [...papers.keys()], of: (one) => papers.get(one) });
  return Controller.open({ ...ports, clock: machine });
}
