import type { Random } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import type { KeyText, NodeId } from '@commongrid/model';
import {
  actor,
  examples,
  fakeId,
  found,
  installNode,
  keyEntry,
  settleFarm,
} from '@commongrid/model/testing';
import type { Actor } from '@commongrid/model/testing';
import { Farmer } from './farmer.ts';
import { Machine } from './machine.ts';
import type { ClockFault } from './machine.ts';
import { Network } from './network.ts';
import { Sequencer } from './sequencer.ts';
import type { SequencerOptions } from './sequencer.ts';
import { SimulatedNode } from './simulated-node.ts';
import type { VirtualTime } from './virtual-time.ts';
import { TrueWitness } from './witness.ts';

/** A farm that a town begins with. */
export interface FarmPlan {
  /** Number of its owner, from 1. */
  readonly owner: number;
  readonly country: string;
  readonly nodes: number;
}

export interface TownOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly farms: readonly FarmPlan[];
  /** Bots beside, who own no farm: numbers above those of the farmers. */
  readonly buyers: readonly number[];
  readonly delayMs: readonly [number, number];
  readonly loss: number;
  /** How wrong the clock of each machine is. */
  readonly clock: () => ClockFault;
  readonly sequencer: Pick<SequencerOptions, 'suspectAfterMs' | 'goneAfterMs' | 'summaryEveryMs'>;
  readonly capacity: (typeof examples)['grid.node.1']['capacity'];
  /** Of all farms. */
  readonly prices: (typeof examples)['grid.farm.1']['prices'];
}

/** A person of a town, with the keys of two controllers. */
export interface Person extends Actor {
  readonly controllers: readonly [SigningKey, SigningKey];
}

/** Currency of the town, and what each buyer has of it. */
export const currency = 'EUR';
/** A small place costs so much that seconds of it are paid in whole units. */
export const townPrices: TownOptions['prices'] = {
  ...{ currency, unitHours: 1, cu: fakeId.amount(57_600), su: fakeId.amount(0) },
  ...{ nu: fakeId.amount(0), ipv4: fakeId.amount(0) },
};
const wealth = 1_000_000_000;
/** What nodes can run. */
const features = ['containers', 'overlay', 'volumes', 'zdb'];
const firstNodeKey = 200_000;

/** Farms with their nodes, people with their bots, and money: a simulated grid before any contract. */
export class Town {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly sequencer: Sequencer;
  readonly witness: TrueWitness;
  readonly nodes: readonly SimulatedNode[];
  readonly people = new Map<number, Person>();
  readonly farmers: readonly Farmer[];
  readonly #options: TownOptions;
  readonly #byId = new Map<NodeId, SimulatedNode>();

  constructor(options: TownOptions) {
    const { time, random, farms, buyers, delayMs, loss, clock } = options;
    this.#options = options;
    this.time = time;
    this.network = new Network({ time, random, delayMs, loss });
    this.sequencer = new Sequencer({ time, random, ...options.sequencer, clock: clock() });
    const { fold } = this.sequencer;
    this.witness = new TrueWitness((workload, revision) => {
      return (fold.current('grid.tombstone.1', workload)?.revision ?? 0) >= revision;
    });
    const owners = new Set([...farms.map(({ owner }) => owner), ...buyers]);
    for (const n of owners) this.people.set(n, this.#found(n));
    this.#mint();
    this.nodes = farms.flatMap((farm, index) => this.#settle(farm, index + 1));
    for (const node of this.nodes) this.#byId.set(node.id, node);
    const selling = new Set(farms.map(({ owner }) => owner));
    this.farmers = [...selling].map((n) => this.#farmer(n));
  }

  person(n: number): Person {
    const person = this.people.get(n);
    if (person === undefined) throw new Error(`there is no person ${n}`);
    return person;
  }

  node(id: NodeId): SimulatedNode | undefined {
    return this.#byId.get(id);
  }

  #found(n: number): Person {
    const { random } = this.#options;
    const who = actor(n);
    const controllers = [
      SigningKey.fromSeed(random.bytes(32)),
      SigningKey.fromSeed(random.bytes(32)),
    ] as const;
    const ground = this.#ground();
    const keys = [
      keyEntry(ground, who.id, who.device, 'device'),
      ...controllers.map(({ publicKey }) =>
        keyEntry(ground, who.id, publicKey.text as KeyText, 'controller'),
      ),
    ];
    found(ground, n, `person-${n}`, { keys });
    return { ...who, controllers };
  }

  /** The first of them issues the money of the town. */
  #mint(): void {
    const [issuer] = this.people.values();
    if (issuer === undefined) return;
    this.sequencer.put('grid.currency.1', issuer.device, {
      ...{ code: currency, name: 'Money of the town', decimals: 2, issuer: issuer.id },
    });
    for (const [n, { id }] of this.people) {
      if (id === issuer.id) continue;
      this.sequencer.put('grid.transfer.1', issuer.device, {
        ...{ id: fakeId.transfer(n), from: issuer.id, to: id, currency },
        ...{ amount: fakeId.amount(wealth), expMs: this.sequencer.at + 3_600_000 },
      });
    }
  }

  #settle({ owner, country, nodes }: FarmPlan, farm: number): readonly SimulatedNode[] {
    const person = this.person(owner);
    const example = examples['grid.farm.1'];
    const { prices } = this.#options;
    settleFarm(
      {
        log: this.sequencer.log,
        put: (url, author, value) => {
          const location = { ...example.location, country };
          const placed = url === 'grid.farm.1' ? { ...value, location, prices } : value;
          this.sequencer.put(url, author, placed);
          return { code: undefined, readers: [] };
        },
      },
      ...([person, farm, `farm-${farm}`] as const),
    );
    return Array.from({ length: nodes }, (_, index) => this.#install(person, farm, index));
  }

  #install(owner: Person, farm: number, index: number): SimulatedNode {
    const { time, random, clock, capacity } = this.#options;
    const key = firstNodeKey + farm * 1_000 + index;
    const id = installNode(this.#ground(capacity), owner, farm, key);
    const machine = new Machine(`node ${farm}/${index}`, time, clock());
    const { network, sequencer, witness } = this;
    return new SimulatedNode({ id, machine, network, sequencer, random, witness });
  }

  #farmer(n: number): Farmer {
    const { time, random, clock, prices } = this.#options;
    const { id, device: key } = this.person(n);
    const machine = new Machine(`farmer ${n}`, time, clock());
    const { network, sequencer } = this;
    return new Farmer({ id, key, machine, network, sequencer, random, prices });
  }

  #ground(capacity = this.#options.capacity) {
    const { sequencer } = this;
    return {
      log: sequencer.log,
      put: ((url, author, value) => {
        const whole = url === 'grid.node.1' ? { ...value, capacity, features } : value;
        sequencer.put(url, author, whole);
        return { code: undefined, readers: [] };
      }) as Parameters<typeof found>[0]['put'],
    };
  }
}
