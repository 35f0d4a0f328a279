import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delay, GridError, seededRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { Lease, LeaseName } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import { LeaseHolder } from './lease-holder.ts';
import type { LeaseDoor } from './lease-holder.ts';
import { LeaseTable } from './lease-table.ts';
import { renewal } from './renewal.ts';

const name = fakeId.contract(1) as string as LeaseName;
const ttlMs = 10_000;
const log = fakeId.hash(0);

/** A sequencer of one lease behind a network that is slow and loses words. */
class SlowDoor implements LeaseDoor {
  readonly logged: Lease[] = [];
  epoch = fakeId.nonce16(1);
  /** Longest way there, and back, ms; longer ones are lost. */
  delayMaxMs = 0;
  lossPercent = 0;
  readonly #clock: ManualClock;
  readonly #random: Random;
  #table: LeaseTable;

  constructor(clock: ManualClock, seed = 'door') {
    this.#clock = clock;
    this.#random = seededRandom(seed);
    this.#table = this.#begin();
  }

  async current(): Promise<Lease | undefined> {
    await this.#travel();
    return this.logged.at(-1);
  }

  async write(lease: Lease): Promise<void> {
    await this.#travel();
    const envelope = { ns: 'grid', url: 'grid.lease.1', obj: name };
    const held = this.#table.admit({ envelope, value: { ...lease } });
    if (held !== undefined) throw held;
    const next = (this.logged.at(-1)?.fence ?? 0) + 1;
    if (lease.isReleased !== true && lease.fence !== next) {
      throw new GridError('BCDB_RULE_BROKEN', 'fence', { details: { rule: 'LEASE_FENCE' } });
    }
    this.logged.push(lease);
    this.#table.follow([lease], this.logged.length);
    await this.#travel();
  }

  async renew(message: Uint8Array): Promise<void> {
    await this.#travel();
    const said = renewal.read(message);
    if (said.epoch !== this.epoch) {
      throw new GridError('BCDB_EPOCH_OVER', 'epoch', { details: { epoch: this.epoch } });
    }
    this.#table.renew(said);
    await this.#travel();
  }

  restart(): void {
    this.epoch = fakeId.nonce16(this.logged.length + 100);
    this.#table = this.#begin();
  }

  async #travel(): Promise<void> {
    const isLost = this.#random.int(0, 100) < this.lossPercent;
    const ms = isLost ? ttlMs : this.#random.int(0, this.delayMaxMs + 1);
    if (ms > 0) await delay(ms, { clock: this.#clock });
    if (isLost) throw new GridError('BCDB_UNREACHABLE', 'lost on the way');
  }

  #begin(): LeaseTable {
    const leaseOf = () => {
      const value = this.logged.at(-1);
      return value && { seq: this.logged.length - 1, value };
    };
    const table = new LeaseTable({ clock: this.#clock, leaseOf, maySpeak: () => true });
    table.begin(this.logged.slice(-1), this.logged.length);
    return table;
  }
}

function optionsAt(clock: ManualClock, door: LeaseDoor, who = 'ada') {
  const key = SigningKey.fromSeed(seededRandom(who).bytes(32));
  return { clock, door, key, log, name, ttlMs };
}

test('LeaseHolder holds for as long as it is answered, over restarts and leaps of the clock', async () => {
  const clock = new ManualClock();
  const door = new SlowDoor(clock);
  await using holder = await LeaseHolder.acquire(optionsAt(clock, door));
  await clock.advance(5 * ttlMs);
  assert.equal(holder.isHeld(), true);
  door.restart();
  clock.jump(86_400_000);
  await clock.advance(5 * ttlMs);
  clock.jump(-172_800_000);
  await clock.advance(5 * ttlMs);
  assert.equal(holder.isHeld(), true);
  assert.equal(holder.fence, 1);
});

test('LeaseHolder stops by itself 0.6 ttl after the last answer was asked for', async () => {
  const clock = new ManualClock();
  const door = new SlowDoor(clock);
  await using holder = await LeaseHolder.acquire(optionsAt(clock, door));
  await clock.advance(ttlMs);
  door.lossPercent = 100;
  await clock.advance(0.6 * ttlMs - 1);
  assert.equal(holder.signal.aborted, false);
  await clock.advance(1);
  assert.equal(holder.signal.aborted, true);
  door.lossPercent = 0;
  await clock.advance(ttlMs);
  assert.equal(holder.isHeld(), false);
});

test('LeaseHolder counts from when it asked, not from when it was answered', async () => {
  const clock = new ManualClock();
  const door = new SlowDoor(clock);
  let isSilent = false;
  let askedAtMs = 0;
  const slow: LeaseDoor = {
    current: () => door.current(),
    write: async (lease) => {
      askedAtMs = clock.monotonicMs();
      await door.write(lease);
      await delay(1500, { clock });
    },
    renew: async (message) => {
      const sentAtMs = clock.monotonicMs();
      if (isSilent) await delay(ttlMs, { clock });
      await door.renew(message);
      await delay(1500, { clock });
      askedAtMs = sentAtMs;
    },
  };
  for (const runsMs of [1500, 20_000]) {
    isSilent = runsMs === 1500;
    const acquiring = LeaseHolder.acquire(optionsAt(clock, slow));
    await clock.advance(runsMs);
    await using holder = await acquiring;
    isSilent = true;
    // One more answer can be on its way.
    await clock.advance(1500);
    await clock.advance(askedAtMs + 0.6 * ttlMs - clock.monotonicMs() - 1);
    assert.equal(holder.signal.aborted, false);
    await clock.advance(1);
    assert.equal(holder.signal.aborted, true);
    await clock.advance(2 * ttlMs);
  }
});

test('LeaseHolder lets a rival in at once when it lets go', async () => {
  const clock = new ManualClock();
  const door = new SlowDoor(clock);
  const holder = await LeaseHolder.acquire(optionsAt(clock, door));
  await holder.release();
  assert.equal(holder.isHeld(), false);
  await using rival = await LeaseHolder.acquire(optionsAt(clock, door, 'bob'));
  assert.equal(rival.fence, 2);
  assert.equal(clock.monotonicMs(), 0);
});

test('LeaseHolder waits for its turn, and gives up when its signal fires', async () => {
  const clock = new ManualClock();
  const door = new SlowDoor(clock);
  await using holder = await LeaseHolder.acquire(optionsAt(clock, door));
  const controller = new AbortController();
  const rival = LeaseHolder.acquire({
    ...optionsAt(clock, door, 'bob'),
    signal: controller.signal,
  });
  await clock.advance(3 * ttlMs);
  assert.equal(door.logged.length, 1);
  controller.abort();
  await assert.rejects(rival, { code: 'BASE_ABORTED' });
  assert.equal(holder.isHeld(), true);
});

test('LeaseHolders never act at one time, however slow and lossy the network is', async () => {
  for (let seed = 0; seed < 12; seed++) {
    const clock = new ManualClock();
    const door = new SlowDoor(clock, `seed ${seed}`);
    const random = seededRandom(`test ${seed}`);
    const holders: LeaseHolder[] = [];
    const controller = new AbortController();
    const run = async (who: string): Promise<void> => {
      while (!controller.signal.aborted) {
        try {
          const options = { ...optionsAt(clock, door, who), signal: controller.signal };
          const holder = await LeaseHolder.acquire(options);
          holders.push(holder);
          await new Promise((resolve) => {
            holder.signal.addEventListener('abort', resolve);
          });
        } catch {
          await delay(500, { clock });
        }
      }
    };
    const running = ['ada', 'bob', 'eve'].map(run);
    for (let step = 0; step < 300; step++) {
      if (step % 20 === 0) {
        door.delayMaxMs = random.int(0, ttlMs / 2);
        door.lossPercent = random.int(0, 40);
        clock.jump(random.int(-1_000_000, 1_000_001));
      }
      if (random.int(0, 60) === 0) door.restart();
      await clock.advance(random.int(1, 3001));
      const held = holders.filter((holder) => holder.isHeld());
      assert.ok(held.length <= 1, `seed ${seed}: two hold at one time`);
      assert.equal(held[0]?.fence ?? door.logged.at(-1)?.fence, door.logged.at(-1)?.fence);
    }
    controller.abort();
    await Promise.all(holders.map((holder) => holder.close()));
    await clock.advance(30 * ttlMs);
    await Promise.all(running);
    const fences = door.logged.map(({ fence }) => fence);
    assert.deepEqual(
      fences,
      [...fences].toSorted((a, b) => a - b),
      `seed ${seed}`,
    );
    assert.ok(fences.length > 1, `seed ${seed}: nobody ever followed`);
  }
});
