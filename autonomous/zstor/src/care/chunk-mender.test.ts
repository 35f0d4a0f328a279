import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom, silentLogger, systemClock } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import type { Random } from '@commongrid/base';
import { shardKey } from '../backends/backend.ts';
import { nowhere } from '../blob/chunk-record.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { openStreamBudget } from '../blob/stream-budget.ts';
import { Blob } from '../chunk/blob.ts';
import { sealChunk } from '../chunk/chunk.ts';
import { digestOf } from '../chunk/shard.ts';
import { MemoryLocations } from '../testing/memory-locations.ts';
import { ModelBackend } from '../testing/model-backends.ts';
import { CodingThreads } from '../threads/coding-threads.ts';
import { ByteBudget } from './byte-budget.ts';
import { ChunkMender } from './chunk-mender.ts';

const dataShards = 4;
const shardCount = 6;
const policy = {
  dataShards,
  parityShards: 2,
  chunkSizeBytes: 4 * 2 ** 20,
  compression: 'none',
} as const;
const chunkId = Buffer.alloc(16, 7);
const place = new Blob(seededRandom(1)).nextPlace(true);
const sealed = sealChunk(policy, place, chunkId, seededRandom(2).bytes(1000));
const values = sealed.shards.map(({ value }) => Buffer.from(value));
const digests = sealed.shards.map((shard) => Uint8Array.from(digestOf(shard)));
const { bodyBytes } = sealed.shards[0] ?? { bodyBytes: 0 };
const never = new AbortController().signal;

/** One chunk on some backends, and what repair makes of it. */
class Model {
  readonly backends: readonly ModelBackend[];
  readonly locations = new MemoryLocations();
  readonly lost = new Set<number>();
  /** `index on number` of what must not be there. */
  readonly givenUp = new Set<string>();
  readonly #threads = CodingThreads.open({ count: 0 });
  readonly #random: Random;
  /** Indexes that were written. */
  readonly written: number[] = [];

  constructor(backendCount: number, random: Random) {
    this.#random = random;
    const turns = (): number => random.int(1, 6);
    this.backends = Array.from(
      { length: backendCount },
      (_, at) => new ModelBackend(at + 1, turns),
    );
  }

  async begin(): Promise<void> {
    const all = values.map((_, index) => index + 1);
    for (const [index, no] of all.entries()) this.put(index, no);
    const shape = { id: chunkId, kind: 'coded' as const, dataShards, parityShards: 2, bodyBytes };
    await this.locations.register([{ ...shape, locations: all, digests }]);
    for (const backend of this.backends) {
      backend.onPut = (key, value) => {
        const index = key[17] ?? 0;
        // Whatever is written is right: a good shard is never replaced by a bad one.
        assert.equal(Buffer.compare(value, values[index] ?? chunkId), 0);
        this.written.push(index);
      };
    }
  }

  get record(): ChunkRecord {
    return this.locations.find(chunkId) ?? assert.fail('the chunk is gone');
  }

  backend(no: number): ModelBackend | undefined {
    return this.lost.has(no) ? undefined : this.backends[no - 1];
  }

  put(index: number, no: number, change: (value: Buffer) => Buffer = (value) => value): void {
    const value = change(Buffer.from(values[index] ?? chunkId));
    this.backend(no)?.values.set(shardKey(chunkId, index).toString('latin1'), value);
  }

  /** Indexes that the record has on a backend which has the right value. */
  good(locations = this.record.locations): number[] {
    return locations.flatMap((no, index) => {
      const value = this.backend(no)?.values.get(shardKey(chunkId, index).toString('latin1'));
      return value?.equals(values[index] ?? chunkId) === true ? [index] : [];
    });
  }

  /** What happens to a store: some backends answer no more, some shards are wrong or gone. */
  harm(): void {
    const random = this.#random;
    const isFull = random.int(0, 3) === 0;
    for (const backend of this.backends) {
      backend.answers = random.int(0, 5) > 0;
      backend.refusesWrites = isFull || random.int(0, 7) === 0;
      if (random.int(0, 9) === 0) this.lost.add(backend.no);
    }
    for (const [index, no] of this.record.locations.entries()) {
      const kind = random.int(0, 9);
      if (kind === 0) this.backend(no)?.values.clear();
      if (kind === 1) this.put(index, no, (value) => (value.writeUInt8(1, 100), value));
      if (kind === 2) this.put(index, no, () => values[(index + 1) % shardCount] ?? chunkId);
    }
  }

  mender({ rate = new ByteBudget(1e12), budget = openStreamBudget() } = {}): ChunkMender {
    const backends = {
      all: this.backends.filter(({ no }) => !this.lost.has(no)),
      byNo: (no: number) => this.backend(no),
    };
    return new ChunkMender({
      ...{ backends, threads: this.#threads, budget, limits: {} },
      chunks: {
        find: (id) => this.locations.find(id),
        compareAndSet: async (id, expected, next) => {
          await Promise.resolve();
          const before = this.good();
          const isSame = String(this.record.locations) === String(expected);
          // A location is changed for one that is as good, or better.
          if (isSame)
            assert.deepEqual(
              before.filter((at) => !this.good(next).includes(at)),
              [],
            );
          return this.locations.compareAndSet(id, expected, next);
        },
        wasGivenUp: (_, index, no) => this.givenUp.has(`${index} on ${no}`),
      },
      view: {
        classOf: (no) => {
          const backend = this.backend(no);
          if (backend === undefined) return 'lost';
          return backend.answers ? 'good' : 'overdue';
        },
        nodeOf: (no) => this.backend(no)?.place.node,
        writableNodes: () => new Set(backends.all.map((backend) => backend.place.node)),
      },
      ...{ rate, moveRate: rate },
      onFault: () => {},
      clock: systemClock,
      logger: silentLogger,
    });
  }
}

const allIndexes = [...values.keys()];

function someOf(random: Random): ReadonlySet<number> {
  return new Set(allIndexes.filter(() => random.int(0, 2) === 0));
}

test('repair writes what is missing or wrong, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = seededRandom(seed);
      const model = new Model(random.int(6, 9), random);
      await model.begin();
      model.harm();
      const before = model.good();
      const answering = before.filter(
        (index) => model.backend(model.record.locations[index] ?? nowhere)?.answers === true,
      );
      const isUrgent = answering.length <= dataShards;
      await model.mender().mend({ chunkId, doubted: someOf(random) }, never);
      const there = isUrgent ? answering : before;
      assert.deepEqual(
        model.written.filter((index) => there.includes(index)),
        [],
      );
      assert.deepEqual(
        before.filter((index) => !model.good().includes(index)),
        [],
      );
    }),
    { numRuns: 300 },
  );
});

test('two repairs at once never leave fewer good shards than there were', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = seededRandom(seed);
      const model = new Model(random.int(6, 9), random);
      await model.begin();
      for (let round = 0; round < 3; round++) {
        model.harm();
        const before = model.good();
        const menders = [model.mender(), model.mender()];
        await Promise.all(
          menders.map((mender) => mender.mend({ chunkId, doubted: someOf(random) }, never)),
        );
        const after = model.good();
        assert.deepEqual(
          before.filter((index) => !after.includes(index)),
          [],
        );
      }
    }),
    { numRuns: 200 },
  );
});

test('a chunk is whole again once enough backends answer', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const model = new Model(9, seededRandom(seed));
      await model.begin();
      model.harm();
      for (const backend of model.backends) {
        backend.answers = true;
        backend.refusesWrites = false;
      }
      if (model.good().length < dataShards) return;
      // What was not found wrong at first is found by reading.
      for (let round = 0; round < 2; round++) {
        await model.mender().mend({ chunkId, doubted: new Set(allIndexes) }, never);
      }
      assert.equal(model.good().length, shardCount);
    }),
    { numRuns: 200 },
  );
});

/** Whether the shards fit on backends, one on each, without those that were given up there. */
function fit(numbers: readonly number[], givenUp: ReadonlySet<string>, index = 0): boolean {
  if (index === shardCount) return true;
  return numbers.some((no) => {
    const left = numbers.filter((each) => each !== no);
    return !givenUp.has(`${index} on ${no}`) && fit(left, givenUp, index + 1);
  });
}

test('shards make room for each other where the only free node had some of them before', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = seededRandom(seed);
      const model = new Model(7, random);
      await model.begin();
      for (const index of allIndexes) {
        const others = model.backends.filter(({ no }) => no !== index + 1);
        for (const { no } of others)
          if (random.int(0, 2) === 0) model.givenUp.add(`${index} on ${no}`);
      }
      const lost = random.int(1, 7);
      model.lost.add(lost);
      const left = model.backends.flatMap(({ no }) => (no === lost ? [] : [no]));
      fc.pre(fit(left, model.givenUp));
      let outcome = '';
      for (let round = 0; round < 3 && outcome !== 'fine'; round++) {
        ({ outcome } = await model.mender().mend({ chunkId, doubted: new Set() }, never));
      }
      const { locations } = model.record;
      assert.equal(new Set(locations).size, shardCount);
      assert.equal(model.good().length, shardCount);
      for (const [index, no] of locations.entries()) {
        assert.equal(model.givenUp.has(`${index} on ${no}`), false, `${index} on ${no}`);
      }
    }),
    { numRuns: 200 },
  );
});

test('repair that waits for its rate leaves the memory to streams', async () => {
  const model = new Model(8, seededRandom(1));
  await model.begin();
  for (const no of [1, 2]) model.lost.add(no);
  const clock = new ManualClock();
  const rate = new ByteBudget(1_000, clock);
  const budget = openStreamBudget({ clock });
  // Others have spent what there is for ten seconds.
  rate.goAtOnce(11_000);
  const mending = model.mender({ rate, budget }).mend({ chunkId, doubted: new Set() }, never);
  for (let second = 0; second < 9; second++) {
    await clock.advance(1_000);
    assert.equal(budget.freeBytes, budget.totalBytes, `${second} s`);
  }
  await clock.advance(2_000);
  const { outcome, shards, bytes } = await mending;
  const valueBytes = values[0]?.length ?? 0;
  assert.deepEqual([outcome, shards, bytes], ['mended', 2, (dataShards + 2) * valueBytes]);
  assert.equal(clock.timerCount, 0, 'nothing waited for the rate once it had memory');
});
