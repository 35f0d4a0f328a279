import {
  isDeletion,
  keyLengthOf,
  kindOf,
  namespaceOf,
  recordBytes,
  RecordKind,
  valueLengthOf,
} from '../log/format.ts';
import type { LogRecord } from '../log/frame-reader.ts';
import { isNewest, type History, type StoredRecord } from '../reading/history.ts';
import type { Locator } from '../reading/locator.ts';
import type { HistoryPolicy, Namespace } from '../namespace.ts';
import type { Namespaces } from '../namespaces.ts';
import type { Segment } from '../log/segment.ts';
import type { IndexEntry, SegmentIndex } from '../log/segment-index.ts';
import type { SegmentTable } from '../log/segment-table.ts';

/** What becomes of the records of one segment: positions in its index, in order. */
export interface SegmentPlan {
  readonly segment: Segment;
  readonly index: SegmentIndex;
  readonly kept: Uint32Array;
  /** Deletions that go although the key index points at them. */
  readonly droppedNewest: Uint32Array;
}

export interface CompactionPlan {
  readonly run: readonly Segment[];
  readonly segments: SegmentPlan[];
  /** Largest sequence that existed when it was decided what goes. */
  readonly decidedAt: number;
  readonly droppedBytes: number;
  readonly deletionsDroppedThrough: number;
  /** Namespaces that the log has removed by then: their next ids are of no use any more. */
  readonly goneNamespaces?: readonly number[];
  /** Records to be taken from here instead, by sequence: theirs on disk are damaged. */
  readonly replacements?: ReadonlyMap<number, LogRecord>;
}

export interface PlanContext {
  readonly table: SegmentTable;
  readonly namespaces: Namespaces;
  readonly locator: Locator;
  readonly history: History;
  readonly lastSequence: () => number;
  /** By which the age of history is judged. */
  readonly nowSeconds: number;
  /** Numbers of namespaces below this one have been given out. */
  readonly numbersGiven: () => number;
  /** Deletions above this sequence stay: a registered replica has not passed them. */
  readonly deletionsUpTo: number;
  /** Drops nothing but what is erased: the log is not whole yet. */
  readonly isErasureOnly?: boolean;
  /** Drops every value of these keys, whatever the policy (legal erasure). */
  readonly isErased?: (namespaceId: number, entry: IndexEntry, segment: Segment) => boolean;
  /** Lets other work run; called every few milliseconds. */
  readonly pause: () => Promise<void>;
}

const SLICE_ENTRIES = 2000;

/*
 * What compaction may drop.
 *
 * - A value that is not the newest of its key: unless the namespace's policy keeps it.
 * - A deletion that is not the newest: like a value.
 * - The newest deletion of a key only when no older value of that key can exist any more, because a
 *   restart would bring that back to life. That is sure in two cases: no segment before the run holds any
 *   value of the namespace; or every predecessor, down to the first, is dropped in this very run.
 * - Everything of a namespace that does not exist any more.
 *
 * The record of an erasure stays until that is done: it tells the next start to go on. The last record
 * of the log stays: who follows the log, or goes on with it, must know how far it got.
 */
export async function planCompaction(
  context: PlanContext,
  run: readonly Segment[],
): Promise<CompactionPlan> {
  const first = context.table.segments.indexOf(run[0] as Segment);
  const older = context.table.segments.slice(0, first);
  const decider = new Decider(context, older);
  const segments: SegmentPlan[] = [];
  for (const segment of run) segments.push(await planSegment(context, decider, segment));
  return {
    run,
    segments,
    decidedAt: context.lastSequence(),
    droppedBytes: decider.droppedBytes,
    deletionsDroppedThrough: decider.deletionsDroppedThrough,
    goneNamespaces: goneNamespaces(context),
  };
}

/**
 * Of the namespaces whose next id is known, those that were removed or emptied. A number that was not
 * given out yet may be known too: a master tells its replica before the records come.
 */
function goneNamespaces(context: PlanContext): number[] {
  const { table, namespaces, numbersGiven } = context;
  // Of a log that is not whole yet, settings may come behind the numbers.
  if (context.lastSequence() < table.compactedThrough) return [];
  const unknown = [...table.nextIds.keys()].filter((id) => namespaces.byId(id) === undefined);
  if (unknown.length === 0) return unknown;
  const given = numbersGiven();
  return unknown.filter((id) => id < given);
}

async function planSegment(
  context: PlanContext,
  decider: Decider,
  segment: Segment,
): Promise<SegmentPlan> {
  const index = await context.locator.load(segment);
  const kept = new Uint32Array(index.count);
  const droppedNewest = new Uint32Array(index.count);
  let keptCount = 0;
  let droppedCount = 0;
  for (let position = 0; position < index.count; position++) {
    if (position % SLICE_ENTRIES === SLICE_ENTRIES - 1) await context.pause();
    const entry = index.entry(position);
    const verdict = decider.decide(segment, entry);
    const isKept =
      verdict === 'ask' ? await decider.isKeptByPolicy(segment, entry) : verdict === 'keep';
    if (isKept) kept[keptCount++] = position;
    else if (decider.drop(entry)) droppedNewest[droppedCount++] = position;
  }
  return {
    segment,
    index,
    kept: kept.slice(0, keptCount),
    droppedNewest: droppedNewest.slice(0, droppedCount),
  };
}

class Decider {
  droppedBytes = 0;
  deletionsDroppedThrough = 0;
  readonly #context: PlanContext;
  readonly #older: readonly Segment[];
  /** Whether some segment before the run has values of a namespace. */
  readonly #hasOlder = new Map<number, boolean>();
  /** Dropped records whose predecessors are all dropped too, down to the first. */
  readonly #wholeChains = new Set<number>();
  /** As they were at first sight: half of a chain judged by another policy would come back to life. */
  readonly #policies = new Map<number, HistoryPolicy>();
  #isNewest = false;
  #chainOf: { namespace: Namespace; key: Buffer; kept: Set<number> } | undefined;

  constructor(context: PlanContext, older: readonly Segment[]) {
    this.#context = context;
    this.#older = older;
  }

  /** 'ask': only the key's history can tell. */
  decide(segment: Segment, entry: IndexEntry): 'keep' | 'drop' | 'ask' {
    this.#isNewest = false;
    const isLast = entry.sequence === this.#context.lastSequence();
    if (this.#isPendingErasure(entry)) return 'keep';
    const namespace = this.#context.namespaces.byId(namespaceOf(entry.owner));
    if (namespace === undefined) return isLast ? 'keep' : 'drop';
    if (this.#context.isErased?.(namespace.id, entry, segment) === true) return 'drop';
    if (isLast || this.#context.isErasureOnly === true) return 'keep';
    const { keep } = this.#policyOf(namespace);
    if (keep === 'all' && namespace.id !== 0) return 'keep';
    this.#isNewest = isNewest(namespace, segment, entry);
    if (this.#isNewest && !isDeletion(entry.owner)) return 'keep';
    if (keep !== 'latest') return 'ask';
    if (!this.#isNewest) return 'drop';
    return this.#mayDropDeletion(namespace, entry) ? 'drop' : 'keep';
  }

  #policyOf({ id, settings }: Namespace): HistoryPolicy {
    const known = this.#policies.get(id);
    if (known === undefined) this.#policies.set(id, settings.history);
    return known ?? settings.history;
  }

  #mayDropDeletion(namespace: Namespace, entry: IndexEntry): boolean {
    if (entry.sequence > this.#context.deletionsUpTo) return false;
    const { previous } = entry;
    if (previous === 0) return true;
    if (previous !== undefined && this.#wholeChains.has(previous)) return true;
    let hasOlder = this.#hasOlder.get(namespace.id);
    if (hasOlder === undefined) {
      hasOlder = this.#older.some((one) => (one.shares.get(namespace.id)?.values ?? 0) > 0);
      this.#hasOlder.set(namespace.id, hasOlder);
    }
    return !hasOlder;
  }

  /** While a key is not erased everywhere its record is what tells the next start. */
  #isPendingErasure({ owner, sequence }: IndexEntry): boolean {
    const { erasures } = this.#context.table;
    return kindOf(owner) === RecordKind.erase && erasures?.includes(sequence) === true;
  }

  /** Policies by number of versions or by age: looks at the key's chain of versions. */
  async isKeptByPolicy(segment: Segment, entry: IndexEntry): Promise<boolean> {
    const isNewestDeletion = this.#isNewest;
    const namespace = this.#context.namespaces.byId(namespaceOf(entry.owner));
    if (namespace === undefined) return false;
    const record = await this.#context.history.read(segment, entry);
    let chain = this.#chainOf;
    if (chain === undefined || chain.namespace !== namespace || !chain.key.equals(record.key)) {
      const kept = await this.#keptVersions(namespace, entry, record.key);
      chain = { namespace, key: Buffer.from(record.key), kept };
      this.#chainOf = chain;
    }
    if (chain.kept.has(entry.sequence)) return true;
    return isNewestDeletion && !this.#mayDropDeletion(namespace, entry);
  }

  async #keptVersions(namespace: Namespace, entry: IndexEntry, key: Buffer): Promise<Set<number>> {
    const { keep, limit } = this.#policyOf(namespace);
    const kept = new Set<number>();
    let version = await this.#newestVersion(namespace, entry, key);
    let replacedAt = Number.MAX_SAFE_INTEGER;
    while (version !== undefined) {
      const isInAge = replacedAt > this.#context.nowSeconds - limit;
      const isNewestValue = kept.size === 0 && !version.isDeletion;
      if (!isNewestValue && (keep === 'versions' ? kept.size >= limit : !isInAge)) break;
      const isOldDeletion =
        kept.size === 0 &&
        version.isDeletion &&
        keep === 'age' &&
        version.timeSeconds <= this.#context.nowSeconds - limit;
      if (isOldDeletion) break;
      kept.add(version.sequence);
      replacedAt = version.timeSeconds;
      version =
        version.previous === 0 ? undefined : await this.#context.history.recordAt(version.previous);
    }
    return kept;
  }

  async #newestVersion(
    namespace: Namespace,
    entry: IndexEntry,
    key: Buffer,
  ): Promise<StoredRecord | undefined> {
    const { index } = namespace;
    const places: { slot: number; offset: number; lengths: number }[] = [];
    for (let hit = index.first(entry.low, entry.high, key.length); hit; hit = index.next()) {
      places.push({ slot: index.segment, offset: index.offset, lengths: index.lengths });
    }
    for (const { slot, offset, lengths } of places) {
      const segment = this.#context.table.at(slot);
      const record = await this.#context.history.readAt(segment, offset, lengths);
      if (record.key.equals(key)) return record;
    }
    return undefined;
  }

  /** Notes a dropped record; true when the index points at it. */
  drop(entry: IndexEntry): boolean {
    const { previous } = entry;
    if (previous === 0 || (previous !== undefined && this.#wholeChains.has(previous))) {
      this.#wholeChains.add(entry.sequence);
    }
    this.droppedBytes += recordBytes(keyLengthOf(entry.lengths), valueLengthOf(entry.lengths));
    // An older deletion is no loss for a replica: what came after it says more.
    if (this.#isNewest && isDeletion(entry.owner)) {
      this.deletionsDroppedThrough = Math.max(this.deletionsDroppedThrough, entry.sequence);
    }
    return this.#isNewest;
  }
}
