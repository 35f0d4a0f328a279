import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@commongrid/base/testing';
import * as fc from 'fast-check';
import type { Credit } from '../backends/credit.ts';
import type { ChunkPolicy } from '../chunk/policy.ts';
import { ChunkGatherer } from './chunk-gatherer.ts';
import type { ChunkGathererOptions, GatheredChunk } from './chunk-gatherer.ts';
import { openStreamBudget, writeBytesOf } from './stream-budget.ts';

const kibibyte = 2 ** 10;
const mebibyte = 2 ** 20;
const policy: ChunkPolicy = {
  ...{ dataShards: 4, parityShards: 2, chunkSizeBytes: 4 * mebibyte, compression: 'none' },
};
const firstBytes = writeBytesOf(policy, 256 * kibibyte);
const wholeBytes = writeBytesOf(policy, 4 * mebibyte);

test('any stream is cut into full chunks and a last one', async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 50 }), async (source, chunkSizeBytes) => {
      const chunks = await gathered({ source, policy: { ...policy, chunkSizeBytes } });
      const all = Buffer.concat(chunks.map(({ bytes }) => bytes));
      assert.equal(Buffer.compare(all, Buffer.concat(source)), 0);
      assert.equal(chunks.length, Math.max(1, Math.ceil(all.length / chunkSizeBytes)));
      for (const [at, { bytes, isLast }] of chunks.entries()) {
        assert.equal(isLast, at === chunks.length - 1);
        if (!isLast) assert.equal(bytes.length, chunkSizeBytes);
      }
    }),
  );
});

test('chunks have memory of their own, and their loans are what they take', async () => {
  const source = [numbered(3 * mebibyte, 1), numbered(6 * mebibyte, 2)];
  for (const sizeBytes of [undefined, 9 * mebibyte]) {
    const budget = openStreamBudget();
    const chunks = await gathered({ source, budget, sizeBytes });
    assert.deepEqual(
      chunks.map(({ bytes }) => bytes.length / mebibyte),
      [4, 4, 1],
    );
    assert.equal(
      Buffer.compare(Buffer.concat(chunks.map(({ bytes }) => bytes)), Buffer.concat(source)),
      0,
    );
    assert.equal(new Set(chunks.map(({ bytes }) => bytes.buffer)).size, 3);
    const lentBytes = budget.totalBytes - budget.freeBytes;
    const lastBytes = sizeBytes === undefined ? wholeBytes : writeBytesOf(policy, mebibyte);
    assert.equal(lentBytes, 2 * wholeBytes + lastBytes);
  }
});

test('an empty stream is one empty chunk', async () => {
  const chunks = await gathered({ source: [] });
  assert.deepEqual(
    chunks.map(({ bytes, isLast }) => [bytes.length, isLast]),
    [[0, true]],
  );
});

test('streams that bring little take little, and a quick one among them is not held up', async () => {
  const clock = new ManualClock();
  const budget = creditOf(20 * mebibyte, clock);
  const slow = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const feed = new Feed();
      feed.push(numbered(100 * kibibyte, 1));
      const next = gatherer({ source: feed, budget, clock, sizeBytes: 8 * mebibyte }).next();
      await clock.advance(0);
      return { feed, next };
    }),
  );
  assert.equal(budget.totalBytes - budget.freeBytes, 10 * firstBytes);
  const quick = gatherer({ source: [numbered(6 * mebibyte, 2)], budget, clock });
  for (const wanted of [4, 2]) {
    const { bytes, loan } = await quick.next();
    assert.equal(bytes.length, wanted * mebibyte);
    loan.release();
  }
  for (const { feed } of slow) feed.end();
  for (const { next } of slow) (await next).loan.release();
  assert.equal(budget.freeBytes, budget.totalBytes);
});

test('a slow source gives back what it does not fill once others wait', async () => {
  const clock = new ManualClock();
  const budget = creditOf(wholeBytes + firstBytes / 2, clock);
  const feed = new Feed();
  feed.push(numbered(300 * kibibyte, 1));
  const slow = gatherer({ source: feed, budget, clock, sizeBytes: 8 * mebibyte });
  const short = slow.next();
  await clock.advance(20_000);
  assert.equal(budget.freeBytes, firstBytes / 2, 'nobody waits: it may fill');
  const others = gatherer({ source: [numbered(10, 2)], budget, clock }).next();
  await clock.advance(500);
  const { bytes, isLast, loan } = await short;
  assert.deepEqual([bytes.length, isLast], [300 * kibibyte, false]);
  assert.equal(loan.bytes, writeBytesOf(policy, 300 * kibibyte));
  assert.equal((await others).bytes.length, 10);
  loan.release();
  // It goes on where it was, with what was asked for meanwhile.
  const rest = slow.next();
  feed.push(numbered(50 * kibibyte, 3));
  feed.end();
  const last = await rest;
  assert.deepEqual([last.bytes.length, last.bytes[0], last.isLast], [50 * kibibyte, 3, true]);
});

test('a slow source has the room of a whole chunk only while half of the memory is free', async () => {
  for (const [totalBytes, wanted] of [
    [2 * wholeBytes, 300 * kibibyte],
    [2 * wholeBytes - 1, 256 * kibibyte],
  ] as const) {
    const clock = new ManualClock();
    const budget = creditOf(totalBytes, clock);
    const feed = new Feed();
    const next = gatherer({ source: feed, budget, clock }).next();
    await clock.advance(2_000);
    feed.push(numbered(300 * kibibyte, 1));
    feed.end();
    assert.equal((await next).bytes.length, wanted);
  }
});

test('streams that all want more end, with whatever memory there is', async () => {
  const clock = new ManualClock();
  const budget = creditOf(wholeBytes, clock);
  const source = Array.from({ length: 40 }, (_, at) => numbered(128 * kibibyte, at));
  const work = Array.from({ length: 12 }, async () => {
    const chunks = gatherer({ source, budget, clock, borrower: 'one' });
    const all: Buffer[] = [];
    for (let isLast = false; !isLast;) {
      const chunk = await chunks.next();
      all.push(chunk.bytes);
      chunk.loan.release();
      ({ isLast } = chunk);
    }
    assert.equal(Buffer.compare(Buffer.concat(all), Buffer.concat(source)), 0);
  });
  let isDone = false;
  const done = Promise.all(work).then(() => (isDone = true));
  for (let second = 0; second < 300 && !isDone; second++) await clock.advance(1_000);
  assert.ok(isDone, `${budget.freeBytes} bytes are free`);
  await done;
  assert.equal(budget.freeBytes, budget.totalBytes);
});

test('a source that fails gives its memory back, and hears when nobody reads on', async () => {
  const budget = creditOf(wholeBytes, new ManualClock());
  let hasEnded = false;
  async function* failing(): AsyncGenerator<Buffer> {
    try {
      yield numbered(mebibyte, 1);
      throw new Error('the client is gone');
    } finally {
      hasEnded = true;
    }
  }
  await assert.rejects(gatherer({ source: failing(), budget }).next(), /the client is gone/);
  assert.deepEqual([hasEnded, budget.freeBytes], [true, budget.totalBytes]);
  hasEnded = false;
  const stopped = gatherer({ source: failing(), budget, policy: { ...policy, chunkSizeBytes: 9 } });
  await stopped.next();
  stopped.stop();
  await new Promise(setImmediate);
  assert.equal(hasEnded, true);
});

/** A source that brings what a test pushes. */
class Feed implements AsyncIterable<Uint8Array> {
  readonly #pieces: Uint8Array[] = [];
  #isEnded = false;
  #wake: (() => void) | undefined;

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) yield piece;
      else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

type Given = Partial<ChunkGathererOptions> & Pick<ChunkGathererOptions, 'source'>;

function gatherer(options: Given): ChunkGatherer {
  return new ChunkGatherer({ policy, budget: openStreamBudget(), ...options });
}

async function gathered(options: Given): Promise<GatheredChunk[]> {
  const chunks = gatherer(options);
  const all: GatheredChunk[] = [];
  do all.push(await chunks.next());
  while (all.at(-1)?.isLast === false);
  return all;
}

function creditOf(totalBytes: number, clock: ManualClock): Credit {
  return openStreamBudget({ totalBytes, clock });
}

function numbered(sizeBytes: number, no: number): Buffer {
  return Buffer.alloc(sizeBytes, no);
}
