import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';

import { delay, seededRandom } from '@commongrid/base';
import { hasCode, ManualClock } from '@commongrid/base/testing';

import type { ChunkHash, ChunkSource, PackedChunk } from '../ports.ts';
import { SourceSet } from './source-set.ts';
import type { ChunkWant, SourceSetOptions } from './source-set.ts';
import type { SourceEvent } from './source-state.ts';

interface Sample extends ChunkWant {
  readonly plaintext: Buffer;
  readonly packed: Buffer;
}

function sampleOf(text: string): Sample {
  const plaintext = Buffer.from(text);
  const hash = createHash('sha256').update(plaintext).digest('hex') as ChunkHash;
  return { hash, sizeBytes: plaintext.length, plaintext, packed: zstdCompressSync(plaintext) };
}

const samples = Array.from({ length: 40 }, (_, index) => sampleOf(`chunk number ${index}`));

type Behaviour = (
  hashes: readonly ChunkHash[],
  signal: AbortSignal,
) => AsyncIterable<PackedChunk> | Iterable<PackedChunk>;

class TestSource implements ChunkSource {
  readonly name: string;
  readonly #behaviour: Behaviour;
  readonly asked: ChunkHash[] = [];
  requests = 0;

  constructor(name: string, behaviour: Behaviour) {
    this.name = name;
    this.#behaviour = behaviour;
  }

  async *fetch(hashes: readonly ChunkHash[], signal: AbortSignal): AsyncGenerator<PackedChunk> {
    this.requests++;
    this.asked.push(...hashes);
    yield* this.#behaviour(hashes, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Never answers, and does not care for a signal. */
async function* stuckForEver(): AsyncGenerator<PackedChunk> {
  yield await new Promise<never>(() => {});
}

const impatient = { hedgeAfterMs: 20 };

function* give(hashes: readonly ChunkHash[]): Generator<PackedChunk> {
  for (const sample of samples) if (hashes.includes(sample.hash)) yield sample;
}

function setOf(sources: readonly ChunkSource[], options: Partial<SourceSetOptions> = {}) {
  const events: SourceEvent[] = [];
  const set = new SourceSet({
    sources: sources.map((source) => ({ source })),
    onEvent: (event) => events.push(event),
    random: seededRandom(1),
    rounds: 1,
    ...options,
  });
  return { set, events };
}

async function fetchAll(set: SourceSet, wants: readonly ChunkWant[] = samples) {
  const got = new Map<ChunkHash, string>();
  const { signal } = new AbortController();
  await set.fetch(
    wants,
    (hash, plaintext) => {
      assert.ok(!got.has(hash), 'given twice');
      got.set(hash, plaintext.toString());
    },
    { signal },
  );
  return got;
}

function assertAll(got: ReadonlyMap<ChunkHash, string>): void {
  assert.equal(got.size, samples.length);
  for (const { hash, plaintext } of samples) assert.equal(got.get(hash), plaintext.toString());
}

test('a set asks the next source for what the first one lacks', async () => {
  const first = new TestSource('first', (hashes) => [...give(hashes)].slice(0, 10));
  const second = new TestSource('second', give);
  const { set } = setOf([first, second]);
  assertAll(await fetchAll(set));
  assert.equal(second.asked.length, 30);
});

test('a set refuses wrong, long and torn chunks, names their source, and asks the next', async () => {
  const bomb = zstdCompressSync(Buffer.alloc(50_000_000));
  const lies = [Buffer.from('no zstd'), zstdCompressSync(Buffer.from('other')), bomb];
  const liar = new TestSource('liar', function* (hashes) {
    for (const [index, { hash, packed }] of [...give(hashes)].entries()) {
      yield { hash, packed: lies[index] ?? (index === 3 ? packed.subarray(0, -3) : packed) };
    }
  });
  const { set, events } = setOf([liar, new TestSource('honest', give)], {
    clock: new ManualClock(),
  });
  assertAll(await fetchAll(set));
  const refused = events.filter(({ kind }) => kind === 'chunk-refused');
  assert.equal(refused.length, 4);
  assert.ok(refused.every(({ source }) => source === 'liar'));
  await set.replace([{ source: new TestSource('honest', give) }, { source: liar }]);
  assert.deepEqual(
    set.status.map(({ name, refusedChunks }) => [name, refusedChunks]),
    [
      ['honest', 0],
      ['liar', 4],
    ],
  );
});

test('no source is blamed for the size that an image claims of a chunk', async () => {
  const honest = new TestSource('honest', give);
  const { set, events } = setOf([honest]);
  const claims = [-1, 1].flatMap((by) =>
    samples.slice(0, 20).map(({ hash, sizeBytes }) => ({ hash, sizeBytes: sizeBytes + by })),
  );
  for (const wants of [claims.slice(0, 20), claims.slice(20)]) {
    await assert.rejects(fetchAll(set, wants), hasCode('FLIST_CHUNK_UNAVAILABLE'));
  }
  assert.deepEqual(events, []);
  assertAll(await fetchAll(set));
  assert.equal(honest.requests, 3);
});

test('a source that lies again and again is given up', async () => {
  const liar = new TestSource('liar', function* (hashes) {
    for (const { hash } of give(hashes)) yield { hash, packed: Buffer.from('no zstd') };
  });
  const { set, events } = setOf([liar, new TestSource('honest', give)], {
    clock: new ManualClock(),
  });
  assertAll(await fetchAll(set));
  assert.ok(events.some((event) => event.kind === 'source-paused' && event.source === 'liar'));
  assertAll(await fetchAll(set));
  assert.equal(liar.requests, 1, 'it is left alone for a while');
});

test('chunks that nobody asked for are dropped', async () => {
  const eager = new TestSource('eager', () => samples);
  const { set } = setOf([eager]);
  const [first] = samples;
  assert.ok(first !== undefined);
  assert.equal((await fetchAll(set, [first])).size, 1);
});

test('a silent source does not hold up what others have', async () => {
  const stuck = new TestSource('stuck', async function* (hashes) {
    yield* [...give(hashes)].slice(0, 5);
    await new Promise<never>(() => {});
  });
  const { set, events } = setOf([stuck, new TestSource('quick', give)], impatient);
  assertAll(await fetchAll(set));
  assert.ok(events.some((event) => event.kind === 'source-slow' && event.source === 'stuck'));
  assert.equal(set.status[0]?.isPaused, true);
});

test('a slow source that ends first wins over the one that was asked besides', async () => {
  const slow = new TestSource('slow', async function* (hashes, signal) {
    await delay(60, { signal });
    yield* give(hashes);
  });
  const stuck = new TestSource('stuck', stuckForEver);
  assertAll(await fetchAll(setOf([slow, stuck], impatient).set));
});

test('a set without an answer names its sources and why', async () => {
  const dead = new TestSource('dead', () => {
    throw new Error('nobody listens');
  });
  const stuck = new TestSource('stuck', stuckForEver);
  const { set } = setOf([dead, stuck, new TestSource('empty', () => [])], {
    ...impatient,
    giveUpAfterMs: 30,
  });
  await assert.rejects(fetchAll(set), (error: Error) => {
    assert.ok(hasCode('FLIST_CHUNK_UNAVAILABLE')(error));
    assert.match(error.message, /dead \(nobody listens\)/);
    assert.match(error.message, /stuck \(was silent for too long\)/);
    assert.match(error.message, /empty \(does not have it\)/);
    return true;
  });
});

test('a set asks again when a source failed, and not when all lack a chunk', async () => {
  const flaky = new TestSource('flaky', (hashes) => {
    if (flaky.requests < 2) throw new Error('once');
    return give(hashes);
  });
  assertAll(await fetchAll(setOf([flaky], { rounds: 4 }).set));
  const empty = new TestSource('empty', () => []);
  await assert.rejects(
    fetchAll(setOf([empty], { rounds: 4 }).set),
    hasCode('FLIST_CHUNK_UNAVAILABLE'),
  );
  assert.equal(empty.requests, 1);
});

test('sources are asked for the range of hashes that they have', async () => {
  const low = new TestSource('low', give);
  const high = new TestSource('high', give);
  const set = new SourceSet({
    sources: [
      { source: low, ranges: [{ from: '0', to: '7' }] },
      { source: high, ranges: [{ from: '80', to: 'ff' }] },
    ],
  });
  assertAll(await fetchAll(set));
  assert.ok(low.asked.length > 0 && low.asked.every((hash) => hash < '8'));
  assert.ok(high.asked.length > 0 && high.asked.every((hash) => hash >= '8'));
});

test('a fetch ends when its caller gives up, and with what its receiver throws', async () => {
  const stuck = new TestSource('stuck', stuckForEver);
  const controller = new AbortController();
  const fetching = setOf([stuck]).set.fetch(samples, () => {}, { signal: controller.signal });
  setImmediate(() => controller.abort());
  await assert.rejects(fetching, hasCode('BASE_ABORTED'));
  const { set } = setOf([new TestSource('quick', give)]);
  const { signal } = new AbortController();
  const refuse = (): void => {
    throw new Error('no room');
  };
  await assert.rejects(set.fetch(samples, refuse, { signal }), /no room/);
});
