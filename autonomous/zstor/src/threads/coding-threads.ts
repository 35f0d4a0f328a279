import { availableParallelism } from 'node:os';
import { closeOnce, GridError, isGridError } from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';
import type { ChunkPlace } from '../chunk/blob.ts';
import { sharedPool } from '../chunk/buffer-pool.ts';
import { openChunk, sealChunk, shardsIn, takeSealMemory } from '../chunk/chunk.ts';
import type { SealedChunk } from '../chunk/chunk.ts';
import type { ChunkPolicy } from '../chunk/policy.ts';
import { parseShardOf, valueBytesOf } from '../chunk/shard.ts';
import type { ShardAddress } from '../chunk/shard.ts';
import { CodingWork } from './coding-work.ts';
import type { CodingReply, CodingRequest, Memory, ValuesInMemory } from './coding-work.ts';
import { ThreadLane } from './thread-lane.ts';

/** Most threads, however many cores there are. */
const threadsMax = 16;
/** Requests under way, running and waiting. The budget for buffers ends far below it. */
const requestsMax = 1024;
/**
 * On a machine with one core or two, chunks up to this long are sealed and opened in place: 3 to 5 ms,
 * in which nothing else is done. A thread is told, and told from, at the cost of a fifth of it, since
 * what one core has in its cache has to go to another.
 */
const inPlaceBytesMax = 4 * 2 ** 20;
/** The same where there are more cores, which may be idle: there a thread is worth its price sooner. */
const manyCoresInPlaceBytesMax = 2 ** 18;
/** The same where they are to be packed, which takes three times as long. */
const packedInPlaceBytesMax = 2 ** 20;

/** A shard as a backend gave it, and which it was asked for. */
export interface ShardAnswer {
  readonly address: ShardAddress;
  readonly value: Uint8Array;
}

interface Lane {
  readonly load: number;
  run(request: CodingRequest): Promise<CodingReply>;
  close(): Promise<void>;
}

export interface CodingThreadsOptions {
  /** Default one for each core but one; with 0 everything is done in place. */
  readonly count?: number;
  /**
   * Longest chunk that is done in place though there are threads. -1 for none.
   * Default 4 MiB, or 256 KiB with more than two cores.
   */
  readonly inPlaceBytesMax?: number;
}

/**
 * Codes chunks: short ones at once, in place; long ones beside the main thread, which is left to the
 * network. Buffers that go to a thread are moved, not copied.
 */
export class CodingThreads implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #lanes: readonly Lane[];
  readonly #inPlaceBytesMax: number;
  #streams = 0;
  #isClosed = false;

  private constructor(lanes: readonly Lane[], inPlaceMax: number) {
    this.#lanes = lanes;
    this.#inPlaceBytesMax = inPlaceMax;
    this.close = closeOnce(async () => {
      this.#isClosed = true;
      await Promise.all(lanes.map((lane) => lane.close()));
    });
  }

  static open(options: CodingThreadsOptions = {}): CodingThreads {
    const { count = Math.min(threadsMax, availableParallelism() - 1) } = options;
    const lanes = Array.from({ length: count }, () => new ThreadLane());
    const ofCores = availableParallelism() > 2 ? manyCoresInPlaceBytesMax : inPlaceBytesMax;
    const inPlaceMax = count === 0 ? Infinity : (options.inPlaceBytesMax ?? ofCores);
    return new CodingThreads(lanes.length === 0 ? [new InPlace()] : lanes, inPlaceMax);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Makes the shards of a chunk, as `sealChunk`. The plaintext lies in a buffer of the thread's pool,
   * and goes back to it.
   * @throws also ZSTOR_THREAD_ENDED, BASE_QUEUE_FULL, BASE_CLOSED
   */
  async seal(
    policy: ChunkPolicy,
    place: ChunkPlace,
    chunkId: Uint8Array,
    plaintext: Memory,
  ): Promise<SealedChunk> {
    const isPacked = policy.compression !== 'none';
    if (this.#isInPlace(plaintext.length, isPacked ? packedInPlaceBytesMax : Infinity)) {
      const sealed = sealChunk(policy, place, chunkId, plaintext);
      sharedPool().give(plaintext);
      return sealed;
    }
    const memory = takeSealMemory(policy, plaintext.length);
    const { dataShards, parityShards } = policy;
    const { made, bodyBytes, read } = await this.#run({
      kind: 'seal',
      policy,
      place: ownPlace(place),
      chunkId: Uint8Array.from(chunkId),
      plaintext,
      memory,
    });
    if (read !== undefined) sharedPool().give(read);
    const shape = { chunkId, dataShards, parityShards, bodyBytes: bodyBytes ?? 0 };
    return shardsIn(shape, dataShards + parityShards, bufferOf(made));
  }

  /**
   * Makes the shards of a body that needs no encryption, as `codeBody`. The body lies in a buffer of the
   * thread's pool, and goes back to it.
   * @throws ZSTOR_THREAD_ENDED, BASE_QUEUE_FULL, BASE_CLOSED
   */
  async code(
    code: Pick<ChunkPolicy, 'dataShards' | 'parityShards'>,
    chunkId: Uint8Array,
    body: Memory,
  ): Promise<SealedChunk> {
    const { dataShards, parityShards } = code;
    const shape = { chunkId, dataShards, parityShards, bodyBytes: body.length };
    const count = dataShards + parityShards;
    const memory = sharedPool().take(count * valueBytesOf(shape.bodyBytes, dataShards));
    const id = Uint8Array.from(chunkId);
    const own = { dataShards, parityShards };
    const { made, read } = await this.#run({ kind: 'code', code: own, chunkId: id, body, memory });
    if (read !== undefined) sharedPool().give(read);
    return shardsIn(shape, count, bufferOf(made));
  }

  /**
   * Checks what backends gave, and opens the chunk. The answers are not read any more when this has
   * settled.
   * @param answers k of them or more, of one length: one that is longer or shorter is no shard of it
   * @returns the plaintext, in a buffer of the thread's pool
   * @throws as `parseShardOf`, with the `index` in its details, and as `openChunk`; also
   *   ZSTOR_THREAD_ENDED, BASE_QUEUE_FULL, BASE_CLOSED
   */
  async openChunk(
    place: ChunkPlace,
    plaintextBytes: number,
    answers: readonly ShardAnswer[],
  ): Promise<Buffer<ArrayBuffer>> {
    if (this.#isInPlace(plaintextBytes)) {
      const shards = answers.map(({ address, value }) => parseShardOf(value, address));
      return openChunk(place, plaintextBytes, shards);
    }
    const { made, read } = await this.#run({
      kind: 'open',
      place: ownPlace(place),
      plaintextBytes,
      values: valuesOf(answers),
      memory: sharedPool().take(plaintextBytes),
    });
    if (read !== undefined) sharedPool().give(read);
    return bufferOf(made);
  }

  /**
   * Checks what backends gave, and makes lost shards of the same chunk, as `repairShards`. The answers
   * are copied.
   * @param answers k of them or more, of one length
   * @returns in the order of `lost`, in a buffer of the thread's pool
   * @throws as `parseShardOf`, and as `repairShards`; also ZSTOR_THREAD_ENDED, BASE_QUEUE_FULL,
   *   BASE_CLOSED
   */
  async repair(
    answers: readonly ShardAnswer[],
    lost: readonly number[],
  ): Promise<{ readonly values: readonly Buffer[]; readonly memory: Buffer<ArrayBuffer> }> {
    const values = valuesOf(answers);
    const { valueBytes } = values;
    const lent = sharedPool().take(lost.length * valueBytes);
    const { made, read } = await this.#run({ kind: 'repair', values, lost, memory: lent });
    if (read !== undefined) sharedPool().give(read);
    const memory = bufferOf(made);
    const cut = lost.map((_, at) => memory.subarray(at * valueBytes, (at + 1) * valueBytes));
    return { values: cut, memory };
  }

  /** Begins an MD5, which S3 wants of each object; all of it is done by one thread. */
  md5(): Md5Stream {
    const lane = this.#lanes[this.#streams % this.#lanes.length];
    return new Md5Stream(this.#streams++, (request) => this.#run(request, lane));
  }

  #isInPlace(lengthBytes: number, bytesMax = Infinity): boolean {
    if (this.#isClosed) throw closed();
    return lengthBytes <= Math.min(bytesMax, this.#inPlaceBytesMax);
  }

  #run(request: CodingRequest, lane = this.#leastLoaded()): Promise<CodingReply> {
    if (this.#isClosed || lane === undefined) return Promise.reject(closed());
    const load = this.#lanes.reduce((sum, each) => sum + each.load, 0);
    return load >= requestsMax ? Promise.reject(full()) : lane.run(request);
  }

  #leastLoaded(): Lane | undefined {
    return this.#lanes.toSorted((a, b) => a.load - b.load)[0];
  }
}

/** The MD5 of a stream. It ends with `digest` or `close`. */
export class Md5Stream implements AsyncDisposable {
  readonly #stream: number;
  readonly #run: (request: CodingRequest) => Promise<CodingReply>;
  #isFirst = true;
  #isOpen = true;

  constructor(stream: number, run: (request: CodingRequest) => Promise<CodingReply>) {
    this.#stream = stream;
    this.#run = run;
  }

  /**
   * Takes more of the stream; the order of calls is that of the stream.
   * @returns the same bytes: they moved, and the argument is empty now
   * @throws ZSTOR_THREAD_ENDED, BASE_QUEUE_FULL, BASE_CLOSED: the stream is lost
   */
  async update(bytes: Memory): Promise<Buffer<ArrayBuffer>> {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const { read } = await this.#run({ kind: 'hash', stream: this.#stream, isFirst, bytes });
    return bufferOf(read);
  }

  /** 16 bytes. */
  async digest(): Promise<Uint8Array> {
    if (this.#isFirst) await this.update(new Uint8Array());
    const { made } = await this.#run({ kind: 'digest', stream: this.#stream });
    this.#isOpen = false;
    return bufferOf(made);
  }

  /** Gives a stream up that has no digest yet. With the threads closed it is given up already. */
  async close(): Promise<void> {
    if (!this.#isOpen || this.#isFirst) return;
    this.#isOpen = false;
    try {
      await this.#run({ kind: 'forget', stream: this.#stream });
    } catch (error) {
      if (!isGridError(error, 'BASE_CLOSED')) throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The same without a thread. */
class InPlace implements Lane {
  readonly load = 0;
  readonly #work = new CodingWork();

  async run(request: CodingRequest): Promise<CodingReply> {
    return this.#work.run(request);
  }

  async close(): Promise<void> {}
}

/** A message copies all of the memory behind a view: an id may be a part of a whole shard. */
function ownPlace(place: ChunkPlace): ChunkPlace {
  const { id, key } = place.blob;
  return { ...place, blob: { id: Uint8Array.from(id), key: Uint8Array.from(key) } };
}

/** Answers side by side in a buffer of the pool, which moves to a thread. */
function valuesOf(answers: readonly ShardAnswer[]): ValuesInMemory {
  const valueBytes = Math.max(0, ...answers.map(({ value }) => value.length));
  const memory = sharedPool().take(answers.length * valueBytes);
  for (const [at, { value }] of answers.entries()) {
    memory.set(value, at * valueBytes);
    // What is too short must not become whole by what was in the buffer.
    memory.fill(0, at * valueBytes + value.length, (at + 1) * valueBytes);
  }
  return { addresses: answers.map(({ address }) => ownAddress(address)), valueBytes, memory };
}

function ownAddress({ chunkId, index, digest }: ShardAddress): ShardAddress {
  const own = { chunkId: Uint8Array.from(chunkId), index };
  return digest === undefined ? own : { ...own, digest: Uint8Array.from(digest) };
}

function bufferOf(memory: Memory | undefined): Buffer<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = memory ?? new Uint8Array();
  return Buffer.from(buffer, byteOffset, byteLength);
}

function closed(): GridError<BaseErrorCode> {
  return new GridError('BASE_CLOSED', 'chunks are not coded any more');
}

function full(): GridError<BaseErrorCode> {
  return new GridError('BASE_QUEUE_FULL', `${requestsMax} chunks are being coded`, {
    retryable: true,
    details: { requestsMax },
  });
}
