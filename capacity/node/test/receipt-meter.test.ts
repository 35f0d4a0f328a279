import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seededRandom, waitFor } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import type { EventPhase, LockId, WorkloadId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import type { Observation } from '../src/index.ts';
import type { Counters } from '../src/receipts/meter.ts';
import { ReceiptMeter } from '../src/receipts/receipt-meter.ts';
import { resumeMeters } from '../src/receipts/resume-meters.ts';
import { NodeState } from '../src/reconcile/node-state.ts';
import type { KnownWorkload } from '../src/reconcile/wish.ts';

const hourMs = 3_600_000;
const contract = `contract:${'A'.repeat(43)}` as KnownWorkload['contract'];
const web: WorkloadId = fakeId.workload(contract, 'web', 0);
const [first, second]: readonly LockId[] = [fakeId.lock(1), fakeId.lock(2)];

/** A machine with one workload, its time, and the meters that come and go on it. */
class Bench {
  readonly clock = new ManualClock(1_700_000_000_000);
  readonly #folder: string;
  state: NodeState;
  meter: ReceiptMeter | undefined;
  seen: Observation = { state: 'running', sinceMs: 0 };
  bootId = 'boot-one';
  session = 1;
  isTold = true;
  /** What the machine counts of the run, also after its end. */
  counters: Counters | undefined = { cpuUs: 0, receivedBytes: 0, sentBytes: 0 };
  aheadMs = 0;

  constructor(folder: string, isProbed: boolean) {
    this.#folder = folder;
    this.state = NodeState.open(folder);
    const health = { probe: isProbed ? 'tcp' : 'process' };
    const role = { name: 'web', health, workload: { kind: 'container' } };
    const known = { id: web, key: 'key', contract, revision: 1, role } as unknown;
    this.state.accept([known as KnownWorkload], this.clock.nowMs());
  }

  async open(): Promise<void> {
    const { clock } = this;
    const observe = async (): Promise<Observation> => this.seen;
    const { state } = this;
    await resumeMeters({ state: this.state, bootId: this.bootId, observe });
    this.meter = new ReceiptMeter({
      ...{ state: this.state, clock, observe, everyMs: hourMs },
      session: () => this.session,
      logTimeMs: () => (this.isTold ? clock.nowMs() - 500_000 + this.aheadMs : undefined),
      sample: async (ids) =>
        new Map(
          ids.map((id) => [
            id,
            { cpuUs: 0, memoryBytes: 10, diskBytes: 1, receivedBytes: 0, sentBytes: 0 },
          ]),
        ),
      counters: async () => this.counters,
      onReceipts: () => {},
      onError: (error) => {
        // One that was killed goes on, and finds its state closed.
        if (this.state === state) throw error;
      },
    });
  }

  follow(lock: LockId | undefined): void {
    this.meter?.follow(lock === undefined ? new Map() : new Map([[web, lock]]));
  }

  phase(phase: EventPhase): void {
    const at = this.clock.nowMs();
    this.state.note({ workload: web, revision: 1, phase, at });
  }

  /** In steps in which everything that is due has time to happen. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 60_000) await this.clock.advance(Math.min(left, 60_000));
    await this.clock.advance(0);
  }

  /** As a kill: what was not written is forgotten. */
  kill(): void {
    this.meter = undefined;
    this.state.close();
    this.state = NodeState.open(this.#folder);
  }

  get receipts() {
    return this.state.receipts.waiting(0, 1_000).map(({ receipt }) => receipt);
  }

  /** Receipts touch or leave time out, never tell any twice. @returns healthy seconds of them all */
  check(): number {
    let atMs = 0;
    for (const { fromMs, toMs, healthySeconds } of this.receipts) {
      assert.ok(fromMs >= atMs && toMs > fromMs, `${fromMs} to ${toMs} after ${atMs}`);
      assert.ok(healthySeconds * 1000 <= toMs - fromMs);
      atMs = toMs;
    }
    return this.receipts.reduce((sum, one) => sum + one.healthySeconds, 0);
  }
}

test('an hour of health is a receipt, and so is what is left at the end', async () => {
  await using folder = await tempFolder('meter');
  const bench = new Bench(folder.path, false);
  await bench.open();
  bench.follow(first);
  await bench.pass(10_000);
  bench.phase('running');
  await bench.pass(2 * hourMs);
  assert.equal(bench.receipts.length, 2);
  assert.deepEqual(
    bench.receipts.map(({ healthySeconds, lock, session }) => [healthySeconds, lock, session]),
    [
      [3590, first, 1],
      [3600, first, 1],
    ],
  );
  bench.phase('failed');
  await bench.pass(30_000);
  bench.phase('running');
  await bench.pass(60_000);
  bench.phase('stopped');
  assert.equal(bench.check(), 2 * 3600 + 60);
  assert.equal(bench.receipts.length, 3);
  bench.follow(undefined);
  await bench.meter?.close();
  assert.equal(bench.receipts.length, 3);
  assert.deepEqual(bench.state.receipts.meters(), []);
});

test('what a run used since the last look is told, however it ends', async () => {
  await using folder = await tempFolder('meter');
  const bench = new Bench(folder.path, false);
  await bench.open();
  bench.follow(first);
  bench.phase('running');
  await bench.pass(600_000);
  // It ends by itself, two minutes after it was looked at.
  await bench.pass(120_000);
  bench.counters = { cpuUs: 7_000_000, receivedBytes: 5, sentBytes: 6 };
  await bench.meter?.noteEnd(web);
  bench.phase('failed');
  // Another run counts from 0, and the lock ends.
  bench.phase('running');
  await bench.pass(60_000);
  bench.counters = { cpuUs: 2_000_000, receivedBytes: 1, sentBytes: 1 };
  bench.follow(undefined);
  await bench.meter?.close();
  assert.equal(bench.check(), 780);
  const [use, ...others] = bench.receipts.map(({ usage }) => usage);
  assert.deepEqual(others, []);
  assert.deepEqual([use?.cpuSeconds, use?.receivedBytes, use?.sentBytes], [9, 6, 7]);
  // 10 bytes for 720 s; of the second run nobody looked at its memory.
  assert.equal(use?.memoryByteSeconds, '7200');
});

test('what is probed counts while it is healthy, not while it runs', async () => {
  await using folder = await tempFolder('meter');
  const bench = new Bench(folder.path, true);
  await bench.open();
  bench.follow(first);
  bench.phase('running');
  await bench.pass(20_000);
  bench.phase('healthy');
  await bench.pass(30_000);
  bench.phase('unhealthy');
  await bench.pass(40_000);
  await bench.meter?.close();
  assert.equal(bench.check(), 30);
  assert.equal(bench.receipts.length, 1);
});

test('a new lock begins where the last one ended, and no lock is told of nothing', async () => {
  await using folder = await tempFolder('meter');
  const bench = new Bench(folder.path, false);
  await bench.open();
  bench.phase('running');
  await bench.pass(60_000);
  bench.follow(first);
  // It ran before, so it is looked at.
  await waitFor(() => bench.state.receipts.meters()[0]?.isHealthy === true, {
    ...{ timeoutMs: 60_000, what: 'it to be seen' },
  });
  await bench.pass(10_000);
  bench.phase('failed');
  // What the node knows of log time can go back.
  bench.aheadMs = -4_000;
  bench.follow(second);
  bench.aheadMs = 0;
  bench.phase('running');
  await bench.pass(20_000);
  bench.follow(undefined);
  await bench.pass(hourMs);
  assert.deepEqual(
    bench.receipts.map(({ healthySeconds, lock }) => [healthySeconds, lock]),
    [
      [10, first],
      [20, second],
    ],
  );
  assert.equal(bench.receipts[0]?.toMs, bench.receipts[1]?.fromMs);
});

test('what ran on under no agent is counted, to its end, and once', async () => {
  await using folder = await tempFolder('meter');
  const bench = new Bench(folder.path, false);
  await bench.open();
  bench.follow(first);
  bench.phase('running');
  await bench.pass(90_000);
  bench.kill();
  await bench.pass(500_000);
  bench.isTold = false;
  await bench.open();
  await bench.pass(10_000);
  bench.isTold = true;
  await bench.pass(100_000);
  await bench.meter?.close();
  assert.equal(bench.check(), 700);

  await bench.open();
  await bench.pass(60_000);
  bench.kill();
  const endedMs = bench.clock.nowMs() + 100_000;
  await bench.pass(300_000);
  bench.seen = { state: 'ended', atMs: endedMs, exitCode: 1, isOutOfMemory: false };
  await bench.open();
  bench.phase('failed');
  await bench.pass(60_000);
  await bench.meter?.close();
  assert.equal(bench.check(), 700 + 160);
});

test('after a reboot nothing counts until it is seen, and what was before is of the session before', async () => {
  await using folder = await tempFolder('meter');
  const bench = new Bench(folder.path, false);
  await bench.open();
  bench.follow(first);
  bench.phase('running');
  await bench.pass(150_000);
  bench.kill();
  await bench.pass(100_000);
  bench.bootId = 'boot-two';
  bench.session = 2;
  bench.seen = { state: 'absent' };
  await bench.open();
  // Its phase is told as it was, and nothing is there yet.
  await bench.pass(120_000);
  bench.phase('preparing');
  bench.phase('running');
  await bench.pass(30_000);
  await bench.meter?.close();
  const told = bench.receipts.map(({ session, healthySeconds }) => [session, healthySeconds]);
  // All but what had passed since it was last kept.
  assert.ok(Number(told[0]?.[1]) >= 90 && Number(told[0]?.[1]) <= 150, JSON.stringify(told));
  assert.deepEqual([told[0]?.[0], told[1]], [1, [2, 30]]);
  bench.check();
});

test('killed at any moment, it tells every second of one long run once', async () => {
  const seed = process.env['GRID_TEST_SEED'] ?? 'receipts';
  const random = seededRandom(seed);
  for (let n = 0; n < 10; n++) {
    await using folder = await tempFolder('meter');
    const bench = new Bench(folder.path, false);
    await bench.open();
    bench.follow(first);
    bench.phase('running');
    const startedMs = bench.clock.nowMs();
    for (let kills = 0; kills < 6; kills++) {
      await bench.pass(random.int(1, 2 * hourMs));
      if (random.int(0, 3) === 0) await bench.meter?.close();
      bench.kill();
      await bench.pass(random.int(1, hourMs));
      await bench.open();
      if (random.int(0, 2) === 0) bench.follow(first);
    }
    await bench.meter?.close();
    const ranMs = bench.clock.nowMs() - startedMs;
    assert.equal(bench.check(), Math.floor(ranMs / 1000), `seed ${seed}, round ${n}`);
    bench.state.close();
  }
});
