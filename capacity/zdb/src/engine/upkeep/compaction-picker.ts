import { SEGMENT_RECORDS_MAX } from '../log/format.ts';
import type { Namespace } from '../namespace.ts';
import type { Namespaces } from '../namespaces.ts';
import type { Segment, Share } from '../log/segment.ts';
import type { SegmentTable } from '../log/segment-table.ts';

/** A segment is compacted when this part of it can be won back. */
const DEAD_PART = 0.5;
/** A namespace this full is compacted wherever something worth it can be won. */
const FULL_PART = 0.85;
const WORTH_PART = 0.25;
/** Segments side by side that are compacted in one go. */
const RUN_SEGMENTS_MAX = 8;
/** Records in them: what is known of each is in memory meanwhile, up to 120 bytes. */
const RUN_RECORDS_MAX = 2 * SEGMENT_RECORDS_MAX;
/** What is written anew in one go. */
const RUN_LIVE_BYTES_MAX = 512 * 1024 * 1024;
/** With a policy by number or age the figures cannot tell what would go: such a segment is tried so often. */
const POLICY_RETRY_MS = 60_000;

export interface PickerContext {
  readonly table: SegmentTable;
  readonly namespaces: Namespaces;
  readonly segmentBytes: number;
  readonly nowMs: () => number;
  readonly deletionsUpTo: () => number;
}

/** Chooses what to compact next: the run of segments that wins most for what it costs. */
export class CompactionPicker {
  readonly #context: PickerContext;
  /** What was not won when it was tried: it does not count until more is dead. */
  readonly #futileBytes = new WeakMap<Segment, number>();
  readonly #triedAt = new WeakMap<Segment, number>();

  constructor(context: PickerContext) {
    this.#context = context;
  }

  /** The next run that is due because much of it is dead. */
  halfDead(): readonly Segment[] | undefined {
    return this.best((one) => this.deadBytes(one) >= one.nextOffset * DEAD_PART);
  }

  /** The next run that is due because a namespace has little room left. */
  urgent(): readonly Segment[] | undefined {
    const full = this.nearlyFull();
    if (full.length === 0) return undefined;
    return this.best((one) => full.some((namespace) => this.#isWorthIt(one, namespace)));
  }

  /** Namespaces that have used up most of their room. */
  nearlyFull(): Namespace[] {
    return this.#context.namespaces.list().filter(({ usedBytes, settings }) => {
      return settings.maxBytes > 0 && usedBytes > settings.maxBytes * FULL_PART;
    });
  }

  /** Whether a nearly full namespace has enough dead bytes in a share. */
  isShareWorthIt(share: Share): boolean {
    return share.bytes - share.liveBytes > share.bytes * WORTH_PART;
  }

  #isWorthIt(segment: Segment, namespace: Namespace): boolean {
    const share = segment.shares.get(namespace.id);
    return share !== undefined && this.deadBytes(segment, namespace) > share.bytes * WORTH_PART;
  }

  /** The best of the segments that qualify, with neighbours that qualify too. */
  best(qualifies: (segment: Segment) => boolean, only?: Namespace): readonly Segment[] | undefined {
    const { segments } = this.#context.table;
    let best = -1;
    let bestScore = 0;
    for (const [i, segment] of segments.entries()) {
      if (!qualifies(segment)) continue;
      const dead = this.deadBytes(segment, only);
      const score = dead / (segment.nextOffset - dead + 1);
      if (dead > 0 && score > bestScore) {
        best = i;
        bestScore = score;
      }
    }
    return best < 0 ? undefined : this.#widen(best, qualifies);
  }

  #widen(at: number, qualifies: (segment: Segment) => boolean): readonly Segment[] {
    const { segments } = this.#context.table;
    let from = at;
    let to = at;
    let live = this.#liveBytes(segments[at] as Segment);
    let records = (segments[at] as Segment).recordCount;
    const fits = (segment: Segment | undefined): segment is Segment =>
      segment?.isSealed === true &&
      to - from + 1 < RUN_SEGMENTS_MAX &&
      live + this.#liveBytes(segment) <= RUN_LIVE_BYTES_MAX &&
      records + segment.recordCount <= RUN_RECORDS_MAX &&
      (qualifies(segment) || segment.nextOffset < this.#context.segmentBytes / 4);
    for (let next = segments[from - 1]; fits(next); next = segments[from - 1]) {
      live += this.#liveBytes(next);
      records += next.recordCount;
      from--;
    }
    for (let next = segments[to + 1]; fits(next); next = segments[to + 1]) {
      live += this.#liveBytes(next);
      records += next.recordCount;
      to++;
    }
    return segments.slice(from, to + 1);
  }

  #liveBytes(segment: Segment): number {
    return segment.nextOffset - this.deadBytes(segment);
  }

  /** Bytes of a sealed segment that compaction can win back (of all namespaces, or of one). */
  deadBytes(segment: Segment, only?: Namespace): number {
    if (!segment.isSealed) return 0;
    let dead = 0;
    for (const [id, share] of segment.shares) {
      if (only === undefined || id === only.id) dead += this.#deadShare(segment, id, share);
    }
    return Math.max(0, dead - (this.#futileBytes.get(segment) ?? 0));
  }

  #deadShare(segment: Segment, id: number, share: Share): number {
    const namespace = this.#context.namespaces.byId(id);
    if (namespace === undefined) return share.bytes;
    const dead = share.bytes - share.liveBytes;
    const { keep } = namespace.settings.history;
    if (keep === 'all' && id !== 0) return 0;
    if (keep === 'latest' || id === 0) return dead - this.#keptDeletions(namespace, segment, share);
    // Also when the clock was set back.
    const since = Math.abs(this.#context.nowMs() - (this.#triedAt.get(segment) ?? 0));
    return since > POLICY_RETRY_MS ? dead : 0;
  }

  /** Bytes of deletions that cannot go because older values of the namespace stand before them. */
  #keptDeletions(namespace: Namespace, segment: Segment, share: Share): number {
    const deletions = share.records - share.values;
    if (deletions === 0 || namespace.index.deletedCount === 0) return 0;
    const { segments } = this.#context.table;
    const before = segments.slice(0, segments.indexOf(segment));
    const hasOlder = before.some((one) => (one.shares.get(namespace.id)?.values ?? 0) > 0);
    if (!hasOlder && segment.lastSequence <= this.#context.deletionsUpTo()) return 0;
    return Math.min(share.bytes - share.liveBytes, (share.bytes / share.records) * deletions);
  }

  /** A run is about to be compacted. */
  tried(run: readonly Segment[]): void {
    for (const segment of run) this.#triedAt.set(segment, this.#context.nowMs());
  }

  /** What is dead in these segments now could not be won: it counts no more. */
  futile(segments: readonly Segment[]): void {
    for (const segment of segments) {
      this.#triedAt.set(segment, this.#context.nowMs());
      const known = this.#futileBytes.get(segment) ?? 0;
      this.#futileBytes.set(segment, known + this.deadBytes(segment));
    }
  }
}
