import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { seededRandom } from '@commongrid/base';

import { MemoryLocations } from '../testing/memory-locations.ts';
import { ModelBackend } from '../testing/model-backends.ts';
import { CodingThreads } from '../threads/coding-threads.ts';
import { BlobReader } from './blob-reader.ts';
import type { BlobSpan } from './blob-reader.ts';
import { BlobWriter } from './blob-writer.ts';
import { ChunkIds } from './chunk-ids.ts';
import { openStreamBudget } from './stream-budget.ts';
import type { WrittenBlob } from './written-blob.ts';

const policy = { dataShards: 2, parityShards: 1, chunkSizeBytes: 4 * 2 ** 20 } as const;
/** Each of one chunk, but for the second of two, and the last, which is empty. */
const sizesBytes = [200_000, 5 * 2 ** 20, 200_001, 200_002, 200_003, 0];

/** Notes which chunks are asked for, by the id within the key of a shard. */
class AskedBackend extends ModelBackend {
  static readonly #idBytes = 16;
  readonly #asked: Set<string>;

  constructor(no: number, asked: Set<string>) {
    super(no, () => 1);
    this.#asked = asked;
  }

  override get(key: Uint8Array): Promise<Buffer | undefined> {
    this.#asked.add(Buffer.from(key.subarray(1, 1 + AskedBackend.#idBytes)).toString('hex'));
    return super.get(key);
  }
}

/** Six blobs on three backends. */
class Blobs implements AsyncDisposable {
  /** Chunks that were asked for, in hex. */
  readonly asked = new Set<string>();
  readonly budget = openStreamBudget();
  readonly contents = sizesBytes.map((size) => Buffer.from(seededRandom(`${size}`).bytes(size)));
  readonly blobs: WrittenBlob[] = [];
  readonly reader: BlobReader;
  readonly backends: readonly ModelBackend[] = [1, 2, 3].map(
    (no) => new AskedBackend(no, this.asked),
  );
  readonly #threads = CodingThreads.open({ count: 0 });
  readonly #writer: BlobWriter;
  readonly #locations = new MemoryLocations();

  private constructor() {
    const all = this.backends;
    const backends = { all, byNo: (no: number) => all[no - 1] };
    const { budget } = this;
    const common = { backends, threads: this.#threads, budget, locations: this.#locations };
    this.#writer = new BlobWriter({ ...common, ids: new ChunkIds(() => 1) });
    this.reader = new BlobReader(common);
  }

  static async write(): Promise<Blobs> {
    const made = new Blobs();
    for (const content of made.contents) {
      const options = { policy: { ...policy, compression: 'none' as const } };
      const pieces = (async function* () {
        yield content;
      })();
      const blob = await made.#writer.write(pieces, { ...options, sizeBytes: content.length });
      await blob.commit(made.#locations.register);
      made.blobs.push(blob);
    }
    return made;
  }

  get spans(): readonly BlobSpan[] {
    return this.blobs.map((blob) => ({ blob }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#threads.close();
  }
}

suite('blobs that are read one after the other', () => {
  test('are read ahead across their borders, three chunks at most', async () => {
    await using made = await Blobs.write();
    const chunks = made.blobs.flatMap((blob) => {
      return blob.chunks.map(({ id }) => Buffer.from(id).toString('hex'));
    });
    const pieces = made.reader.readAll(made.spans);
    for (const at of chunks.keys()) {
      await pieces.next();
      assert.deepEqual([...made.asked].toSorted(), chunks.slice(0, at + 3).toSorted());
    }
    assert.equal((await pieces.next()).done, true);
    assert.equal(made.budget.freeBytes, made.budget.totalBytes);
  });

  test('give the ranges that are asked for, in order', async () => {
    await using made = await Blobs.write();
    const ranges = [[199_999], [4_194_300, 4_194_310], [0, 1], [200_002], [7], []] as const;
    const spans = made.blobs.map((blob, at) => {
      const [from, to] = ranges[at] ?? [];
      return { blob, from, to };
    });
    const read: Buffer[] = [];
    for await (const piece of made.reader.readAll(spans)) read.push(Buffer.from(piece));
    const expected = made.contents.map((content, at) => content.subarray(...(ranges[at] ?? [])));
    assert.deepEqual(Buffer.concat(read), Buffer.concat(expected));
  });

  test('wait a little for shards that come after their write was answered', async () => {
    await using made = await Blobs.write();
    const late = made.backends.slice(0, 2).map(({ values }) => [values, new Map(values)] as const);
    for (const [values] of late) values.clear();
    const [span] = made.spans;
    assert.ok(span !== undefined);
    const reading = made.reader.readAll([span]).next();
    setTimeout(() => {
      for (const [values, kept] of late) for (const [key, value] of kept) values.set(key, value);
    }, 50);
    assert.deepEqual(Buffer.from((await reading).value ?? []), made.contents[0]);
  });

  test('that have too few shards say so', async () => {
    await using made = await Blobs.write();
    for (const { values } of made.backends.slice(0, 2)) values.clear();
    const code = 'ZSTOR_SHARDS_TOO_FEW';
    await assert.rejects(made.reader.readAll(made.spans).next(), { code });
    assert.equal(made.budget.freeBytes, made.budget.totalBytes);
  });

  test('give back all memory when nobody reads on', async () => {
    await using made = await Blobs.write();
    const pieces = made.reader.readAll(made.spans);
    await pieces.next();
    assert.notEqual(made.budget.freeBytes, made.budget.totalBytes);
    await pieces.return();
    assert.equal(made.budget.freeBytes, made.budget.totalBytes);
  });
});
