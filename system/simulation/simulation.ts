import { seededRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { Controller } from '@commongrid/contract';
import type { ControlledContract } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';
import { drawAffairs } from './affairs.ts';
import type { Affair } from './affairs.ts';
import { checkAtRest, reasonsOf } from './at-rest.ts';
import { LogWatch } from './log-watch.ts';
import { soundClock, Machine } from './machine.ts';
import { drawClock, drawFaults } from './faults.ts';
import type { Fault, Way } from './faults.ts';
import { order, removeOrder } from './orders.ts';
import type { Order } from './orders.ts';
import { SimulatedBot } from './simulated-bot.ts';
import { townOrders } from './town-orders.ts';
import { Town, townPrices } from './town.ts';
import { VirtualTime } from './virtual-time.ts';

const gib = 2 ** 30;
const startMs = 1_700_000_000_000;
/** For first placements before anything goes wrong, ms. */
const calmMs = 45_000;
const faultsWindowMs = 120_000;
/** After the last fault, until all that can be well is well, ms. */
const restMs = 150_000;

/** What became of a seed. */
export interface SimulationReport {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** Which promise was broken; undefined where none was. */
  readonly problem: Error | undefined;
  readonly eventCount: number;
  readonly recordCount: number;
  /** Placements of contracts that healing made. */
  readonly healCount: number;
  /** Those by which something left a node that was taken out of service. */
  readonly drainCount: number;
  /** Why replicas wait at the end, by code. */
  readonly waiting: readonly string[];
  /** What farmers earned, smallest units. */
  readonly earned: bigint;
  /** True time that passed, ms. */
  readonly tookMs: number;
}

/** A bot of the town that controls contracts. */
interface ControlledBot {
  readonly bot: SimulatedBot;
  /** Papers of its contracts, on its disk. */
  readonly papers: Map<ContractId, Order>;
  readonly owner: number;
  controller: Controller | undefined;
}

/**
 * Runs one small grid through what goes wrong with it, and holds it to its promises after each event
 * and at its end. @param faults in place of those that the seed draws
 */
export async function simulate(seed: number, faults?: readonly Fault[]): Promise<SimulationReport> {
  const simulation = await Simulation.found(seed, faults);
  let problem: Error | undefined;
  try {
    await simulation.run();
  } catch (error) {
    problem = error as Error;
  }
  return simulation.report(problem);
}

class Simulation {
  readonly #seed: number;
  readonly #random: Random;
  readonly #town: Town;
  readonly #bots: readonly ControlledBot[];
  readonly #faults: readonly Fault[];
  readonly #affairs: readonly Affair[];
  readonly #orders: readonly Order[];
  readonly #watch: LogWatch;

  private constructor(
    seed: number,
    parts: {
      readonly town: Town;
      readonly random: Random;
      readonly bots: readonly ControlledBot[];
      readonly faults: readonly Fault[];
      readonly affairs: readonly Affair[];
      readonly orders: readonly Order[];
    },
  ) {
    this.#seed = seed;
    this.#random = parts.random;
    this.#town = parts.town;
    this.#bots = parts.bots;
    this.#faults = parts.faults;
    this.#affairs = parts.affairs;
    this.#orders = parts.orders;
    this.#watch = new LogWatch(parts.town, parts.orders);
  }

  static async found(seed: number, given: readonly Fault[] | undefined): Promise<Simulation> {
    const random = seededRandom(`simulation ${seed}`);
    const town = foundTown(random);
    const orders: Order[] = [];
    const wanted = townOrders(town, random);
    for (const one of wanted) orders.push(await order({ town, random, ...one }));
    const bots = [...Map.groupBy(orders, ({ owner }) => owner)].flatMap(([owner, own]) =>
      [0, 1].map((which) => botOf(town, random, owner, which as 0 | 1, own)),
    );
    const { length: nodes } = town.nodes;
    const drawn = drawFaults({ random, nodes, bots: bots.length, windowMs: faultsWindowMs });
    const affairs = drawAffairs(random, orders, wanted, faultsWindowMs);
    return new Simulation(seed, { town, random, bots, orders, affairs, faults: given ?? drawn });
  }

  async run(): Promise<void> {
    const { time, witness, nodes } = this.#town;
    const look = (): void => {
      witness.check();
      this.#watch.check();
    };
    for (const node of nodes) node.boot();
    for (const bot of this.#bots) this.#start(bot);
    const beganMs = time.nowMs + calmMs;
    for (const fault of this.#faults) {
      time.after(calmMs + fault.atMs, () => this.#begin(fault));
    }
    for (const affair of this.#affairs) {
      time.after(calmMs + affair.atMs, () => void this.#settle(affair));
    }
    const lastMs = Math.max(
      0,
      ...this.#affairs.map(({ atMs }) => atMs),
      ...this.#faults.map(({ atMs, forMs }) => atMs + forMs),
    );
    time.after(calmMs + lastMs + 1, () => this.#mendClocks());
    await time.runUntil(beganMs + lastMs + restMs, look);
    checkAtRest(this.#town, this.#statuses());
  }

  report(problem: Error | undefined): SimulationReport {
    const { time, sequencer } = this.#town;
    return {
      ...{ seed: this.#seed, faults: this.#faults, problem },
      ...{ eventCount: time.eventCount, recordCount: sequencer.size },
      ...{ healCount: this.#watch.healCount, drainCount: this.#watch.drainCount },
      earned: earnedIn(this.#town),
      waiting: [...this.#statuses().values()].flatMap((told) => reasonsOf(told)),
      tookMs: time.nowMs - startMs,
    };
  }

  /** What controllers say of their contracts: of two with one contract, the one that acts. */
  #statuses(): ReadonlyMap<ContractId, readonly ControlledContract[]> {
    const all = this.#bots.flatMap(({ controller }) => controller?.status() ?? []);
    return Map.groupBy(all, ({ id }) => id);
  }

  #start(one: ControlledBot): void {
    const { papers } = one;
    const ports = one.bot.ports({ ids: () => [...papers.keys()], of: (id) => papers.get(id) });
    one.controller = Controller.open({ ...ports, clock: one.bot.machine });
  }

  /** An owner has his way. */
  async #settle(affair: Affair): Promise<void> {
    const former = this.#orders[affair.order];
    if (former === undefined) return;
    if (affair.is === 'remove') return removeOrder(this.#town, former);
    const { definition } = affair;
    const next = await order({
      ...{ town: this.#town, random: this.#random, owner: former.owner, definition },
    });
    this.#watch.add(next);
    for (const { owner, papers } of this.#bots) {
      if (owner === former.owner) papers.set(next.draft.id, next);
    }
  }

  #begin(fault: Fault): void {
    const { time, sequencer } = this.#town;
    const later = (fn: () => void): void => void time.after(fault.forMs, fn);
    switch (fault.is) {
      case 'node-off':
      case 'node-dead': {
        const node = this.#town.nodes[fault.node];
        if (node === undefined || !node.machine.isOn) return;
        node.crash();
        if (fault.is === 'node-off') later(() => node.boot());
        return;
      }
      case 'nodes-cut': {
        const cut = fault.nodes.flatMap((index) => this.#town.nodes[index]?.machine ?? []);
        return later(this.#cut(cut, fault.way));
      }
      case 'bot-cut': {
        const machine = this.#bots[fault.bot]?.bot.machine;
        return later(this.#cut(machine === undefined ? [] : [machine], fault.way));
      }
      case 'bot-off': {
        const one = this.#bots[fault.bot];
        if (one === undefined || !one.bot.machine.isOn) return;
        one.bot.machine.turnOff();
        return later(() => {
          one.bot.machine.turnOn();
          this.#start(one);
        });
      }
      case 'sequencer-off': {
        if (!sequencer.machine.isOn) return;
        sequencer.crash();
        return later(() => sequencer.restart(fault.clock));
      }
      case 'node-drains': {
        const node = this.#town.nodes[fault.node];
        node?.drain(true);
        return later(() => node?.drain(false));
      }
      case 'node-fails': {
        const host = this.#town.nodes[fault.node]?.host;
        if (host === undefined) return;
        host.hasImages = false;
        return later(() => void (host.hasImages = true));
      }
      case 'bot-slow': {
        const machine = this.#bots[fault.bot]?.bot.machine;
        if (machine === undefined) return;
        return later(this.#town.network.slow(machine, sequencer.machine, fault.byMs));
      }
      case 'node-clock':
        this.#town.nodes[fault.node]?.machine.setClock(fault.clock);
    }
  }

  /** Cuts machines off from all others; they still reach each other. */
  #cut(cut: readonly Machine[], way: Way): () => void {
    const others = this.#machines().filter((one) => !cut.includes(one));
    const ways = cut.flatMap((one) =>
      others.flatMap((other) => [
        ...(way === 'in' ? [] : [[one, other] as const]),
        ...(way === 'out' ? [] : [[other, one] as const]),
      ]),
    );
    return this.#town.network.cut(ways);
  }

  #machines(): readonly Machine[] {
    const { sequencer, nodes, farmers } = this.#town;
    return [
      sequencer.machine,
      ...nodes.map(({ machine }) => machine),
      ...farmers.map(({ machine }) => machine),
      ...this.#bots.map(({ bot }) => bot.machine),
    ];
  }

  /** Somebody sets all clocks right. */
  #mendClocks(): void {
    for (const machine of this.#machines()) machine.setClock(soundClock);
  }
}

function earnedIn({ sequencer: { fold } }: Town): bigint {
  return [...fold.moneyOf('escrow')].reduce((sum, { released }) => sum + BigInt(released), 0n);
}

function foundTown(random: Random): Town {
  const farMs = [5, 40, 400][random.int(0, 3)] ?? 5;
  return new Town({
    time: new VirtualTime(startMs),
    random,
    farms: [
      { owner: 1, country: 'BE', nodes: random.int(2, 4) },
      { owner: 2, country: 'CH', nodes: random.int(2, 4) },
      { owner: 3, country: 'BE', nodes: random.int(1, 3) },
    ],
    buyers: [9],
    delayMs: [1, farMs],
    loss: random.int(0, 3) / 100,
    clock: () => drawClock(random),
    sequencer: { suspectAfterMs: 3_000, goneAfterMs: 10_000, summaryEveryMs: 60_000 },
    capacity: { cpuMilli: 4_000, memoryBytes: 8 * gib, ssdBytes: 100 * gib, hddBytes: 0 },
    prices: townPrices,
  });
}

function botOf(
  town: Town,
  random: Random,
  owner: number,
  which: 0 | 1,
  orders: readonly Order[],
): ControlledBot {
  const person = town.person(owner);
  const machine = new Machine(`bot ${owner}/${which}`, town.time, drawClock(random));
  const { network, sequencer, farmers } = town;
  const bot = new SimulatedBot({
    ...{ id: person.id, machine, network, sequencer, key: person.controllers[which] },
    leaseTtlMs: 15_000,
    machineOf: (node) => town.node(node)?.machine,
    market: {
      obtain: (wish, { signal }) => {
        signal.throwIfAborted();
        const farmer = farmers.find(({ id }) => id === wish.farmer);
        if (farmer === undefined) return Promise.reject(new Error('nobody sells there'));
        return farmer.obtain(machine, wish);
      },
    },
  });
  const papers = new Map(orders.map((paper) => [paper.draft.id, paper]));
  return { bot, papers, owner, controller: undefined };
}
