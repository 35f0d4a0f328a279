import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delay, seededRandom, silentLogger } from '@commongrid/base';
import type { Clock, Random } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import fc from 'fast-check';
import { firstState, follow } from '../src/catalog/chain.ts';
import type { ChainState } from '../src/catalog/chain.ts';
import { findLog, foundLog } from '../src/catalog/found-log.ts';
import { LogHead } from '../src/catalog/log-head.ts';
import type { LogApplier } from '../src/catalog/take-over.ts';
import { TlogCipher } from '../src/catalog/tlog-cipher.ts';
import { bodyOf } from '../src/catalog/tlog-record.ts';
import type { TlogRecord } from '../src/catalog/tlog-record.ts';
import { isLinearisable } from '../src/testing/check-register.ts';
import type { RegisterOperation } from '../src/testing/check-register.ts';
import { ModelMember, ModelNetwork } from '../src/testing/model-members.ts';
import type { ModelHead } from '../src/testing/model-members.ts';

const metadataKey = Buffer.alloc(32, 3);
const fiveNames = ['m0', 'm1', 'm2', 'm3', 'm4'];
const headNames = ['a', 'b', 'c'];
const registers = ['x', 'y'];
const spareName = 's0';

interface Write {
  readonly register: string;
  readonly value: number;
}

/** A clock that runs a little too fast or too slow. */
class DriftingClock implements Clock {
  readonly #clock: Clock;
  readonly #rate: number;

  constructor(clock: Clock, rate: number) {
    this.#clock = clock;
    this.#rate = rate;
  }

  nowMs(): number {
    return this.#clock.nowMs() * this.#rate;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs() * this.#rate;
  }

  setTimer(ms: number, fn: () => void): ReturnType<Clock['setTimer']> {
    return this.#clock.setTimer(ms / this.#rate, fn);
  }
}

/** What the tables are to a head: here a list of all writes. Survives the head, unless it is thrown away. */
class ModelTables implements LogApplier {
  state: ChainState;
  readonly writes: Write[] = [];
  readonly #registers = new Map<string, number>();

  constructor(state: ChainState) {
    this.state = state;
  }

  apply(records: readonly TlogRecord[]): void {
    for (const record of records) {
      this.state = follow(this.state, record);
      if (record.kind !== 'changes') continue;
      const write: Write = JSON.parse(bodyOf(record).toString());
      this.writes.push(write);
      this.#registers.set(write.register, write.value);
    }
  }

  load(): Promise<void> {
    return Promise.reject(new Error('there are no snapshots'));
  }

  get(register: string): number | undefined {
    return this.#registers.get(register);
  }
}

/** Some heads, five members, a bad network, and everything that happens to them, from one seed. */
class World {
  readonly clock = new ManualClock();
  readonly random: Random;
  readonly network: ModelNetwork;
  readonly #names: readonly string[];
  readonly history = new Map<string, RegisterOperation[]>(registers.map((name) => [name, []]));
  readonly acknowledged: Write[] = [];
  readonly epochs: number[] = [];
  readonly tables = new Map<string, ModelTables>();
  cipher = new TlogCipher(metadataKey, Buffer.alloc(16));
  /** In some worlds heads that race bring the same fence. */
  readonly headRandom: Random;
  #values = 0;
  isOver = false;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const isTied = this.random.float() < 0.5;
    this.headRandom = isTied ? { ...this.random, int: (min) => min } : this.random;
    this.#names = fiveNames.slice(0, this.random.float() < 0.5 ? 3 : 5);
    this.network = new ModelNetwork([...this.#names, spareName], this.clock, this.random);
  }

  async begin(): Promise<void> {
    const { network, random } = this;
    network.loss = 0;
    const head = { name: 'founder', isAlive: true };
    const openMember = (name: string): ModelMember => new ModelMember(name, network, head);
    const place = { metadataKey, members: this.#names, openMember };
    await foundLog(place, random);
    const { logId, membership } = await findLog(place);
    this.cipher = new TlogCipher(metadataKey, logId);
    for (const name of headNames) {
      this.tables.set(name, new ModelTables({ ...firstState([]), membership }));
    }
    network.loss = 0.02;
  }

  /** One head: is started, takes over, serves, is killed or deposed; again and again. */
  async live(name: string): Promise<void> {
    const clock = new DriftingClock(this.clock, 0.93 + 0.14 * this.random.float());
    while (!this.isOver) {
      await delay(this.random.int(100, 12_000), { clock: this.clock });
      const process: ModelHead = { name, isAlive: true };
      const tables = this.#tablesOf(name);
      const openMember = (member: string): ModelMember =>
        new ModelMember(member, this.network, process);
      // In the middle of anything: what it sent may still arrive.
      const dies = (): void => void (process.isAlive = false);
      const death = this.clock.setTimer(this.random.int(0, 20_000), dies);
      try {
        await using head = await LogHead.open({
          cipher: this.cipher,
          openMember,
          applier: tables,
          schema: 1,
          clock,
          random: this.headRandom,
          logger: silentLogger,
          onLost: () => {},
        });
        this.epochs.push(head.state.epoch);
        const endMs = this.clock.monotonicMs() + this.random.int(500, 12_000);
        await this.#serve(head, tables, endMs);
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error, String(error));
      }
      death.cancel();
    }
  }

  /** Partitions, losses and a member that is emptied. */
  async disturb(): Promise<void> {
    while (!this.isOver) {
      await delay(this.random.int(200, 6_000), { clock: this.clock });
      this.network.loss = this.random.float() < 0.5 ? 0 : 0.1 * this.random.float();
      this.network.delayMsMax = this.random.float() < 0.8 ? 40 : 700;
      const alone = this.random.float() < 0.4 ? headNames[this.random.int(0, 3)] : undefined;
      for (const head of headNames) {
        for (const { name } of this.network.servers) {
          this.network.setOpen(head, name, head !== alone && this.random.float() < 0.9);
        }
      }
    }
  }

  heal(): void {
    this.network.loss = 0;
    this.network.delayMsMax = 20;
    for (const head of [...headNames, 'last']) {
      for (const { name } of this.network.servers) this.network.setOpen(head, name, true);
    }
  }

  /** The log as a head finds it that knows nothing. */
  async readAll(): Promise<ModelTables> {
    const process: ModelHead = { name: 'last', isAlive: true };
    const openMember = (name: string): ModelMember => new ModelMember(name, this.network, process);
    const { membership } = await findLog({ metadataKey, members: this.#names, openMember });
    const tables = new ModelTables({ ...firstState([]), membership });
    await using _head = await LogHead.open({
      cipher: this.cipher,
      openMember,
      applier: tables,
      schema: 1,
      clock: this.clock,
      random: this.headRandom,
      logger: silentLogger,
      onLost: () => {},
    });
    return tables;
  }

  async #serve(head: LogHead, tables: ModelTables, endMs: number): Promise<void> {
    // Some heads hardly write: what they read is only as good as their lease.
    const writes = this.random.float() < 0.5 ? 0.02 : 0.6;
    while (!this.isOver && head.lost === undefined && this.clock.monotonicMs() < endMs) {
      const chance = this.random.float();
      if (chance < writes) await this.#write(head, tables);
      else if (chance < 0.97) await this.#read(head, tables);
      else await this.#replaceMember(head, tables);
      await delay(this.random.int(1, 150), { clock: this.clock });
    }
  }

  async #write(head: LogHead, tables: ModelTables): Promise<void> {
    const write = { register: this.#anyRegister(), value: ++this.#values };
    const calledMs = this.clock.monotonicMs();
    let answeredMs = Infinity;
    try {
      const record = await head.append('changes', Buffer.from(JSON.stringify(write)));
      tables.apply([record]);
      head.requireLease();
      answeredMs = this.clock.monotonicMs();
      this.acknowledged.push(write);
    } catch (error) {
      assert.ok(error instanceof Error && 'code' in error, String(error));
    }
    this.#note(write.register, { kind: 'write', value: write.value, calledMs, answeredMs });
  }

  async #read(head: LogHead, tables: ModelTables): Promise<void> {
    const register = this.#anyRegister();
    const calledMs = this.clock.monotonicMs();
    const value = tables.get(register);
    // As if the process stood still: the lease is looked at long after the rows were.
    await delay(this.random.float() < 0.2 ? this.random.int(0, 5_000) : 0, { clock: this.clock });
    try {
      head.requireLease();
    } catch {
      return;
    }
    const answeredMs = this.clock.monotonicMs();
    this.#note(register, { kind: 'read', value, calledMs, answeredMs });
  }

  async #replaceMember(head: LogHead, tables: ModelTables): Promise<void> {
    const { members } = head.state.membership;
    const lost = members[this.random.int(0, members.length)];
    const free = this.network.servers.find(({ name }) => members.every((who) => who.name !== name));
    if (lost === undefined || free === undefined) return;
    try {
      await head.replaceMember(lost.id, free.name, (run) => run());
    } catch (error) {
      assert.ok(error instanceof Error && 'code' in error, String(error));
    }
    // The record that changed the members is no write: it is only passed.
    if (head.lost === undefined) tables.state = head.state;
    if (!head.state.membership.members.some(({ id }) => id === lost.id)) {
      this.network.server(lost.name).wipe();
    }
  }

  #tablesOf(name: string): ModelTables {
    const kept = this.tables.get(name);
    assert.ok(kept);
    // Sometimes the local tables are lost, and made again from the whole log.
    if (this.random.float() < 0.8) return kept;
    const { membership } = kept.state;
    const empty = new ModelTables({ ...firstState([]), membership });
    this.tables.set(name, empty);
    return empty;
  }

  #anyRegister(): string {
    return registers[this.random.int(0, registers.length)] ?? '';
  }

  #note(register: string, operation: RegisterOperation): void {
    this.history.get(register)?.push(operation);
  }
}

async function simulate(seed: number): Promise<World> {
  const world = new World(seed);
  const { clock } = world;
  const steps = { begun: world.begin() };
  await clock.advance(1_000);
  await steps.begun;
  const lives = headNames.map((name) => world.live(name));
  const disturbed = world.disturb();
  await clock.advance(60_000);
  world.isOver = true;
  await clock.advance(60_000);
  await Promise.all([...lives, disturbed]);
  world.heal();
  const reading = world.readAll();
  await clock.advance(20_000);
  const all = await reading;
  check(world, all);
  return world;
}

function check(world: World, all: ModelTables): void {
  const position = new Map(all.writes.map(({ value }, i) => [value, i]));
  assert.equal(position.size, all.writes.length, 'a write is there twice');
  for (const write of world.acknowledged) {
    assert.ok(position.has(write.value), `write ${write.value} was acknowledged and is lost`);
  }
  assert.equal(new Set(world.epochs).size, world.epochs.length, 'two heads served in one epoch');
  for (const [name, tables] of world.tables) {
    const same = all.writes.slice(0, tables.writes.length);
    assert.deepEqual(tables.writes, same, `the tables of ${name} are another history`);
  }
  for (const [register, operations] of world.history) {
    const calledMs = world.clock.monotonicMs();
    const value = all.get(register);
    const last = { kind: 'read' as const, value, calledMs, answeredMs: calledMs + 1 };
    assert.ok(isLinearisable([...operations, last]), `register ${register} is not linearisable`);
  }
}

/** Each is a minute of simulated time. CATALOG_SIMULATIONS asks for more of them. */
const runs = Number(process.env['CATALOG_SIMULATIONS'] ?? 60);

test('no acknowledged change is lost, and no answer is stale, in whatever happens', async () => {
  let acknowledged = 0;
  let takeOvers = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const world = await simulate(seed);
      acknowledged += world.acknowledged.length;
      takeOvers += world.epochs.length;
    }),
    { numRuns: runs },
  );
  // A simulation in which nothing gets done would prove nothing.
  assert.ok(acknowledged > 3 * runs, `only ${acknowledged} writes`);
  assert.ok(takeOvers > runs, `only ${takeOvers} take-overs`);
});
