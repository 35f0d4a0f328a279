import { nowhere } from '../blob/chunk-record.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import type { Backend } from '../backends/backend.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { replaceShard } from '../placement/place-shards.ts';
import type { Candidate, PlacementRules } from '../placement/placement-rules.ts';
import { makeRoom } from './make-room.ts';
import type { ShardStep } from './make-room.ts';

export interface ShardTargetsOptions {
  readonly record: ChunkRecord;
  readonly backends: Backends;
  /** Limits of farms and countries, and which backends may be used. */
  readonly limits: Omit<PlacementRules, 'dataShards' | 'parityShards'>;
  /** Whether a shard must not be on a backend, because it was once to be deleted there. */
  readonly wasGivenUp: (index: number, backendNo: number) => boolean;
}

/** Where the shards of one chunk are to be, as they find their places one by one. */
export class ShardTargets {
  readonly #o: ShardTargetsOptions;
  readonly #locations: number[];
  readonly #failed = new Set<number>();

  /** @param locations of the record, with those that are to be made nowhere */
  constructor(options: ShardTargetsOptions, locations: readonly number[]) {
    this.#o = options;
    this.#locations = [...locations];
  }

  /** Where they are now, or go to. */
  get locations(): readonly number[] {
    return this.#locations;
  }

  /** These get none of this chunk. */
  avoid(numbers: Iterable<number>): void {
    for (const no of numbers) this.#failed.add(no);
  }

  nodeOf(index: number): string | undefined {
    return this.#o.backends.byNo(this.#locations[index] ?? nowhere)?.place.node;
  }

  /** A backend refused a shard, or does not answer: it gets none of this chunk. */
  fail(index: number, backendNo: number): void {
    this.#failed.add(backendNo);
    this.#locations[index] = nowhere;
  }

  set(index: number, backendNo: number): void {
    this.#locations[index] = backendNo;
  }

  /**
   * Chooses the backend of an index, which then counts as its own.
   * @param mayShare whether a node that has another shard of the chunk is better than none
   */
  choose(index: number, mayShare: boolean): Backend | undefined {
    const { record, backends, limits, wasGivenUp } = this.#o;
    const { dataShards, parityShards, id } = record;
    const writable = backends.all.filter(({ isWritable }) => isWritable);
    const givenUp = writable.filter(({ no }) => wasGivenUp(index, no)).map(({ no }) => no);
    const rules = { ...limits, dataShards, parityShards };
    const others = this.#others(index);
    const failed = new Set([...this.#failed, ...givenUp]);
    const found = replaceShard(id, writable, rules, others, failed)?.backend;
    if (found === undefined) return undefined;
    const isShared = others.some(({ place }) => place.node === found.place.node);
    if (isShared && (!mayShare || record.kind === 'copied')) return undefined;
    this.#locations[index] = found.no;
    return backends.byNo(found.no);
  }

  /**
   * How one of some shards gets a node of its own that can go to none of those that are free. Limits of farms and
   * countries do not count: nodes that share are worse.
   * @param isThere whether a shard can be copied from where it is
   */
  roomFor(starts: readonly number[], isThere: (index: number) => boolean): readonly ShardStep[] {
    const { record, backends, limits, wasGivenUp } = this.#o;
    // Copies are all alike: where one may not go, none may.
    if (record.kind === 'copied') return [];
    const candidates = backends.all.filter(({ no, isWritable }) => {
      return isWritable && !this.#failed.has(no) && (limits.locations?.includes(no) ?? true);
    });
    return makeRoom(starts, {
      locations: this.#locations,
      candidates: candidates.toSorted((a, b) => Number(a.isSpare) - Number(b.isSpare)),
      nodeOf: (no) => backends.byNo(no)?.place.node,
      mayGo: (index, no) => isThere(index) && !wasGivenUp(index, no),
    });
  }

  #others(index: number): Candidate[] {
    return this.#locations.flatMap((no, at) => {
      return at === index ? [] : (this.#o.backends.byNo(no) ?? []);
    });
  }
}
