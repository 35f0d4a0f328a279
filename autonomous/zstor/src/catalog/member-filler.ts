import { throwIfAborted } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { LogReader } from './log-reader.ts';
import type { StoredRecord } from './log-reader.ts';
import type { IndexRange, MemberLink } from './member-link.ts';
import { extentEntry, openExtent } from './notes.ts';
import { logIncomplete } from './take-over.ts';
import type { TlogCipher } from './tlog-cipher.ts';
import { entriesBytesMax, extentKey } from './tlog-member.ts';
import type { TlogEntry } from './tlog-member.ts';
import { recordKey } from './tlog-record.ts';

/** Records after which a member notes anew what it has: so many are looked at again at a start. */
const noteEveryRecords = 1_024;
/** Records that one deletion takes away. */
const removedRecordsMax = 1_000;

/** What the filler has to know of the head. */
export interface FillSource {
  readonly fence: number;
  /** All up to here is on a majority of `groups`. */
  readonly index: number;
  /** All up to here is in two snapshots, and not needed any more. */
  readonly removableTo: number;
  readonly groups: readonly (readonly MemberLink[])[];
}

/**
 * Brings members up to what the log has: after they were away, were slow, or are new. Records are
 * copied as they are: they are decided, so it does not matter which fence they have.
 */
export class MemberFiller {
  readonly #cipher: TlogCipher;
  readonly #source: () => FillSource;
  readonly #reader: LogReader;
  readonly #extents = new Map<MemberLink, { removedTo: number; filledTo: number }>();

  constructor(cipher: TlogCipher, source: () => FillSource, clock: Clock) {
    this.#cipher = cipher;
    this.#source = source;
    this.#reader = new LogReader(cipher, clock);
  }

  /** Until the member has all that is on a majority, as far as that is there when this begins. */
  async fill(link: MemberLink, signal: AbortSignal): Promise<void> {
    await link.bind(this.#source().fence);
    const extent = this.#extents.get(link) ?? (await this.#learn(link));
    await this.#remove(link, extent, signal);
    const to = this.#source().index;
    for (let range = link.firstMissing; range !== undefined; range = link.firstMissing) {
      throwIfAborted(signal);
      const from = Math.max(range.from, this.#source().removableTo + 1);
      if (range.from < from) link.gain({ from: range.from, to: from - 1 });
      else if (from > to) break;
      else await this.#copy(link, { from, to: Math.min(range.to, to) });
    }
    await this.#note(link, extent, noteEveryRecords);
  }

  /** Writes down what the members have, so that the next head need not look. */
  async noteAll(): Promise<void> {
    const notes = [...this.#extents].map(([link, extent]) => this.#note(link, extent, 1));
    await Promise.allSettled(notes);
  }

  async #learn(link: MemberLink): Promise<{ removedTo: number; filledTo: number }> {
    const [value] = await link.member.get([extentKey]);
    const extent = { ...openExtent(this.#cipher, value) };
    link.learn({ from: extent.filledTo + 1, to: this.#source().index + 1 });
    this.#extents.set(link, extent);
    return extent;
  }

  async #remove(
    link: MemberLink,
    extent: { removedTo: number; filledTo: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { removableTo } = this.#source();
    while (extent.removedTo < removableTo) {
      throwIfAborted(signal);
      const count = Math.min(removedRecordsMax, removableTo - extent.removedTo);
      const from = extent.removedTo + 1;
      link.removing(extent.removedTo + count);
      await link.member.remove(Array.from({ length: count }, (_, i) => recordKey(from + i)));
      extent.removedTo += count;
      extent.filledTo = Math.max(extent.filledTo, extent.removedTo);
      await link.member.put([extentEntry(this.#cipher, extent)]);
    }
  }

  async #copy(link: MemberLink, range: IndexRange): Promise<void> {
    const { groups } = this.#source();
    const window = await this.#reader.read(groups, range.from, range.to - range.from + 1);
    let at = range.from;
    const batches = batchesOf(window, at);
    if (batches.length === 0) throw logIncomplete(at - 1, this.#source().index);
    for (const entries of batches) {
      await link.member.put(entries);
      link.gain({ from: at, to: at + entries.length - 1 });
      at += entries.length;
    }
  }

  async #note(
    link: MemberLink,
    extent: { removedTo: number; filledTo: number },
    least: number,
  ): Promise<void> {
    const filledTo = link.completeTo(this.#source().index);
    if (filledTo < extent.filledTo + least) return;
    await link.member.put([extentEntry(this.#cipher, { ...extent, filledTo })]);
    extent.filledTo = filledTo;
  }
}

/** Of each index what has the highest fence: that is the one that was decided. */
function batchesOf(
  window: readonly (readonly StoredRecord[])[],
  from: number,
): readonly TlogEntry[][] {
  const batches: TlogEntry[][] = [];
  let bytes = Infinity;
  for (const [i, candidates] of window.entries()) {
    const [first, ...others] = candidates;
    if (first === undefined) break;
    const { value } = others.reduce((a, b) => (b.record.fence > a.record.fence ? b : a), first);
    bytes += value.length;
    if (bytes > entriesBytesMax) {
      batches.push([]);
      bytes = value.length;
    }
    batches.at(-1)?.push({ key: recordKey(from + i), value });
  }
  return batches;
}
