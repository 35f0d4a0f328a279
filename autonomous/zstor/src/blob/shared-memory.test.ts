import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { delay, isGridError, seededRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { shardKey } from '../backends/backend.ts';
import { sharedPool } from '../chunk/buffer-pool.ts';
import { digestOf, parseShard } from '../chunk/shard.ts';
import { MemoryLocations } from '../testing/memory-locations.ts';
import { ModelBackend } from '../testing/model-backends.ts';
import { CodingThreads } from '../threads/coding-threads.ts';
import { BlobReader } from './blob-reader.ts';
import { BlobWriter } from './blob-writer.ts';
import type { StoragePolicy } from './blob-writer.ts';
import { ChunkIds } from './chunk-ids.ts';
import type { ShardFault } from './shard-fetch.ts';
import { openStreamBudget } from './stream-budget.ts';
import type { WrittenBlob } from './written-blob.ts';

/**
 * Memory of chunks and shards is used again as soon as nobody needs it. Were it given out too early,
 * bytes of one stream would turn up in another: in what is read, or in a shard that is on its way.
 */

const policy: StoragePolicy = {
  ...{ dataShards: 4, parityShards: 2, chunkSizeBytes: 4 * 2 ** 20, compression: 'none' },
};
/** Of one chunk, which share memory with each other, and of two. */
const sizesBytes = [140_000, 1_000_000, 1_040_000, 5_000_077];
const [streams, rounds] = [8, 3];
/** One answer of ten comes so late that others are asked for. */
const lateMs = 300;

/** Takes what it is given when its time has come, and answers in memory that is used again. */
class LateBackend extends ModelBackend {
  readonly #clock: ManualClock;
  readonly #random: Random;

  constructor(no: number, clock: ManualClock, random: Random) {
    super(no, () => 0);
    this.#clock = clock;
    this.#random = random;
  }

  override async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.#wait();
    await super.put(key, value);
  }

  override async get(key: Uint8Array): Promise<Buffer | undefined> {
    const value = await super.get(key);
    if (value === undefined) return undefined;
    const memory = sharedPool().take(value.length);
    const half = Math.floor(value.length / 2);
    memory.set(value.subarray(0, half));
    await this.#wait();
    memory.set(value.subarray(half), half);
    return memory;
  }

  async #wait(): Promise<void> {
    const isLate = this.#random.int(0, 10) === 0;
    await delay(isLate ? lateMs : this.#random.int(0, 5), { clock: this.#clock });
  }
}

test('streams side by side share no byte, however late backends are', async () => {
  const clock = new ManualClock();
  const all = Array.from({ length: 6 }, (_, at) => {
    return new LateBackend(at + 1, clock, seededRandom(`backend ${at}`));
  });
  const backends = { all, byNo: (no: number) => all[no - 1] };
  await using threads = CodingThreads.open({ count: 0 });
  const locations = new MemoryLocations();
  const faults: ShardFault[] = [];
  const common = { backends, threads, budget: openStreamBudget(), locations };
  const writer = new BlobWriter({ ...common, ids: new ChunkIds(() => 1) });
  const reader = new BlobReader({ ...common, clock, onFault: (fault) => faults.push(fault) });
  const kept: { readonly blob: WrittenBlob; readonly content: Buffer }[] = [];

  const stream = async (random: Random): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      const content = Buffer.from(random.bytes(sizesBytes[random.int(0, 4)] ?? 0));
      const isBroken = random.int(0, 4) === 0;
      const blob = await written(writer, content, isBroken);
      if (blob === undefined) continue;
      await blob.commit(locations.register);
      kept.push({ blob, content });
      const other = kept[random.int(0, kept.length)];
      const stopBytes = random.int(0, 2) === 0 ? random.int(0, content.length) : Infinity;
      if (other !== undefined) await assertReads(reader, other.blob, other.content, stopBytes);
      await assertReads(reader, blob, content);
    }
  };
  const work = async (): Promise<void> => {
    const random = Array.from({ length: streams }, (_, at) => seededRandom(`stream ${at}`));
    try {
      await Promise.all(random.map(stream));
    } finally {
      await writer.close();
    }
  };
  await passTime(clock, work());

  assert.deepEqual(faults, []);
  const records = locations.all;
  assert.ok(records.length > streams);
  for (const { id, digests } of records) {
    for (const [index, digest] of digests.entries()) {
      const name = shardKey(id, index).toString('latin1');
      const value = all.map(({ values }) => values.get(name)).find((found) => found !== undefined);
      assert.equal(Buffer.compare(digestOf(parseShard(value ?? Buffer.alloc(0))), digest), 0);
    }
  }
});

/** Moves the clock on until the work is done. */
async function passTime(clock: ManualClock, work: Promise<unknown>): Promise<void> {
  let isDone = false;
  const end = work.finally(() => (isDone = true));
  end.catch(() => {});
  while (!isDone) {
    await clock.advance(1);
    await turn();
  }
  await end;
}

/** Undefined when the source broke off, which gives up what was on its way. */
async function written(
  writer: BlobWriter,
  content: Buffer,
  isBroken: boolean,
): Promise<WrittenBlob | undefined> {
  const broken = new Error('the client is gone');
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < content.length; at += 65_536) {
      if (isBroken && at > content.length / 2) throw broken;
      await turn();
      yield content.subarray(at, at + 65_536);
    }
  }
  try {
    return await writer.write(pieces(), { policy, sizeBytes: content.length });
  } catch (error) {
    if (isGridError(error) || error !== broken) throw error;
    return undefined;
  }
}

/** Each piece is looked at only after others had their turn, as a slow client would. */
async function assertReads(
  reader: BlobReader,
  blob: WrittenBlob,
  content: Buffer,
  stopBytes = Infinity,
): Promise<void> {
  let at = 0;
  for await (const piece of reader.read(blob)) {
    for (let turns = 0; turns < 3; turns++) await turn();
    assert.ok(piece.equals(content.subarray(at, at + piece.length)), `wrong behind ${at}`);
    at += piece.length;
    if (at > stopBytes) return;
  }
  assert.equal(at, content.length);
}
