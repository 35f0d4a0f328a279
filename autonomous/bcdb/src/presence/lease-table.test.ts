import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorCode } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { judgeLease } from '@commongrid/model';
import type { Lease, LeaseName } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import * as fc from 'fast-check';
import { LeaseTable } from './lease-table.ts';
import type { Renewal } from './renewal.ts';

const ttlMs = 10_000;
const contract = fakeId.contract(1);
const name = contract as string as LeaseName;
const keys = [fakeId.key(1), fakeId.key(2), fakeId.key(3)];
const header = { ...examples['grid.contract.1'], controllers: keys };

/** The sequencer as far as leases go: a log of one lease, judged by the rules, and the table. */
class LeaseWorld {
  readonly clock = new ManualClock();
  readonly logged: Lease[] = [];
  /** Keys that their holder ended. */
  readonly ended = new Set<string>();
  /** Records at the end of the log that are not durable yet. */
  #inFlight = 0;
  readonly name: LeaseName;
  #table = this.#begin();

  constructor(of: LeaseName = name) {
    this.name = of;
  }

  put(lease: Lease): string | undefined {
    const envelope = { ns: 'grid', url: 'grid.lease.1', obj: this.name };
    const held = this.#table.admit({ envelope, value: { ...lease } });
    if (held !== undefined) return held.code;
    const current = (url: string) => this.#current(url) as never;
    const nobody = () => undefined;
    const view = { reader: undefined, current, bot: nobody, holderOf: nobody };
    const moment = { seq: this.logged.length, at: this.clock.nowMs() };
    const verdict = judgeLease(view, { author: lease.holder, value: lease, moment });
    if (!verdict.isAccepted) return verdict.code;
    this.logged.push(lease);
    this.#inFlight++;
    return undefined;
  }

  settle(): void {
    const durable = this.logged.slice(this.logged.length - this.#inFlight);
    this.#inFlight = 0;
    this.#table.follow(durable, this.logged.length);
  }

  renew(fence: number, counter: number): string | undefined {
    const renewal: Renewal = {
      ...{ log: fakeId.hash(0), epoch: fakeId.nonce16(0), fence, counter },
      name: this.name,
    };
    try {
      this.#table.renew(renewal);
      return undefined;
    } catch (error) {
      return errorCode(error);
    }
  }

  restart(): void {
    this.logged.length -= this.#inFlight;
    this.#inFlight = 0;
    this.#table = this.#begin();
  }

  #begin(): LeaseTable {
    const leaseOf = () => {
      const value = this.logged.at(-1);
      return value && { seq: this.logged.length - 1, value };
    };
    const table = new LeaseTable({
      ...{ clock: this.clock, leaseOf },
      maySpeak: (key) => !this.ended.has(key),
    });
    table.begin(this.logged.slice(-1), this.logged.length);
    return table;
  }

  #current(url: string): unknown {
    return url === 'grid.lease.1' ? this.logged.at(-1) : header;
  }
}

/** What one key believes: the fence that it was given, and until when it acts. */
interface Belief {
  fence: number;
  counter: number;
  actsUntilMs: number;
}

const who = fc.nat(keys.length - 1);
const action = fc.oneof(
  fc.record({ kind: fc.constant('acquire' as const), who }),
  fc.record({ kind: fc.constant('renew' as const), who }),
  fc.record({ kind: fc.constant('release' as const), who }),
  fc.record({ kind: fc.constant('replay' as const), who }),
  fc.record({ kind: fc.constant('settle' as const), who }),
  fc.record({ kind: fc.constant('restart' as const), who }),
  fc.record({ kind: fc.constant('wait' as const), who, ms: fc.integer({ min: 1, max: ttlMs }) }),
  fc.record({ kind: fc.constant('jump' as const), who, ms: fc.integer({ min: -1e9, max: 1e9 }) }),
);

test('a lease never has two holders who act, and its fences only grow', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 80 }), async (actions) => {
      const world = new LeaseWorld();
      const beliefs: Belief[] = keys.map(() => ({ fence: 0, counter: 0, actsUntilMs: -1 }));
      /** The plain model: until when nobody else may be let in. */
      let freeAtMs = 0;
      for (const step of actions) {
        const holder = keys[step.who];
        const belief = beliefs[step.who];
        assert.ok(holder !== undefined && belief !== undefined);
        const nowMs = world.clock.monotonicMs();
        const newest = world.logged.at(-1);
        const isNewest = belief.fence > 0 && newest?.fence === belief.fence;
        const isMine = isNewest && newest.isReleased !== true && newest.holder === holder;
        switch (step.kind) {
          case 'acquire': {
            const fence = (newest?.fence ?? 0) + 1;
            const code = world.put({ name, holder, fence, ttlMs });
            assert.equal(code, nowMs < freeAtMs ? 'BCDB_LEASE_HELD' : undefined);
            if (code !== undefined) break;
            world.settle();
            freeAtMs = nowMs + ttlMs;
            Object.assign(belief, { fence, counter: 0, actsUntilMs: nowMs + 0.6 * ttlMs });
            break;
          }
          case 'renew': {
            const code = world.renew(belief.fence, belief.counter + 1);
            const isTaken = isMine && nowMs < freeAtMs;
            assert.equal(code, isTaken ? undefined : 'BCDB_LEASE_LOST');
            if (code !== undefined) break;
            belief.counter++;
            freeAtMs = nowMs + ttlMs;
            if (nowMs < belief.actsUntilMs) belief.actsUntilMs = nowMs + 0.6 * ttlMs;
            break;
          }
          case 'replay':
            assert.ok(
              belief.counter === 0 || world.renew(belief.fence, belief.counter) !== undefined,
            );
            break;
          case 'release': {
            belief.actsUntilMs = Math.min(belief.actsUntilMs, nowMs);
            const { fence } = belief;
            const code = world.put({ name, holder, fence, ttlMs, isReleased: true });
            assert.equal(code === undefined, isMine);
            if (code !== undefined) break;
            world.settle();
            freeAtMs = 0;
            break;
          }
          case 'restart':
            world.restart();
            if (newest !== undefined && newest.isReleased !== true) freeAtMs = nowMs + ttlMs;
            // The epoch is another: what was signed before is not taken any more.
            for (const one of beliefs) one.counter = 0;
            break;
          case 'settle':
            world.settle();
            break;
          case 'jump':
            world.clock.jump(step.ms);
            break;
          case 'wait':
            await world.clock.advance(step.ms);
        }
        const acting = beliefs.filter((one) => world.clock.monotonicMs() < one.actsUntilMs);
        assert.ok(acting.length <= 1, 'two act at one time');
        const fences = world.logged.filter((one) => one.isReleased !== true);
        assert.ok(fences.every((one, index) => one.fence === index + 1));
      }
    }),
    { numRuns: 300 },
  );
});

test('a lease on its way to the log is nobody else’s, however long the log takes', async () => {
  const world = new LeaseWorld();
  const [holder = fakeId.key(1), rival = fakeId.key(2)] = keys;
  assert.equal(world.put({ name, holder, fence: 1, ttlMs }), undefined);
  await world.clock.advance(10 * ttlMs);
  assert.equal(world.put({ name, holder: rival, fence: 2, ttlMs }), 'BCDB_LEASE_HELD');
  world.settle();
  assert.equal(world.put({ name, holder: rival, fence: 2, ttlMs }), 'BCDB_LEASE_HELD');
  await world.clock.advance(ttlMs);
  assert.equal(world.put({ name, holder: rival, fence: 2, ttlMs }), undefined);
});

test('a key that was ended renews nothing, and lets the next one in where only the log is acted on', () => {
  const world = new LeaseWorld();
  const [holder = fakeId.key(1), rival = fakeId.key(2)] = keys;
  assert.equal(world.put({ name, holder, fence: 1, ttlMs }), undefined);
  world.settle();
  assert.equal(world.renew(1, 1), undefined);
  world.ended.add(holder);
  assert.equal(world.renew(1, 2), 'BCDB_LEASE_LOST');
  assert.equal(world.put({ name, holder: rival, fence: 2, ttlMs }), undefined);
  const ofRole = new LeaseWorld(`${contract}/head` as LeaseName);
  const mine = { name: ofRole.name, ttlMs };
  assert.equal(ofRole.put({ ...mine, holder, fence: 1 }), undefined);
  ofRole.settle();
  ofRole.ended.add(holder);
  assert.equal(ofRole.renew(1, 1), 'BCDB_LEASE_LOST');
  assert.equal(ofRole.put({ ...mine, holder: rival, fence: 2 }), 'BCDB_LEASE_HELD');
});
