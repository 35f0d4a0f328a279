import { GridError } from '@commongrid/base';
import { isDeletion, keyLengthOf, namespaceOf } from '../engine/log/format.ts';
import type { SegmentIndex, IndexEntry } from '../engine/log/segment-index.ts';
import type { ZdbErrorCode } from '../errors.ts';
import type { SegmentState } from './segment-state.ts';

/** Reads the entries of a segment again: they are too many to be kept for all of them. */
export type EntriesOf = (state: SegmentState) => SegmentIndex;

/*
 * Which segment files are the log, when no manifest says so.
 *
 * A compaction writes new files and then, by the manifest, puts them in the place of old ones. A crash
 * in between leaves both, over the same sequences; without a manifest nothing says whether it had got
 * there. The newer files are right when each record that they lack is one that may be dropped: a later
 * record of the same key is in the log, or it is a deletion and no value of the key is left, or its
 * namespace is gone. Then nothing acknowledged is lost, and nothing that was erased comes back.
 * Otherwise they were not finished, or the log that they were decided upon never got to disk: the
 * older files are right, provided that they have all that the newer have.
 *
 * Where the older lack something, the compaction had begun to remove them: it had finished. What
 * explained a dropped record may be gone with them, but records are copied in order: one before the
 * last that was copied was dropped on purpose. If that does not explain everything, files are missing
 * and nobody can tell: repair refuses.
 */
export function chooseSegments(
  states: readonly SegmentState[],
  entriesOf: EntriesOf,
  namespaces: ReadonlySet<number>,
): SegmentState[] {
  const used = states.filter(({ records, stretches }) => records > 0 || stretches.length > 0);
  let chosen = used;
  for (const group of overlapping(used)) {
    const { older, newer } = split(group);
    const others = used.filter((one) => !group.includes(one));
    const dropped = decide(older, newer, others, entriesOf, namespaces);
    chosen = chosen.filter((one) => !dropped.includes(one));
  }
  return chosen.toSorted((a, b) => a.firstSequence - b.firstSequence);
}

/** Groups of segments, of more than one, whose sequences overlap. */
function overlapping(states: readonly SegmentState[]): SegmentState[][] {
  const groups: SegmentState[][] = [];
  let group: SegmentState[] = [];
  let end = -1;
  for (const state of states.toSorted((a, b) => a.firstSequence - b.firstSequence)) {
    if (state.firstSequence > end) {
      group = [];
      groups.push(group);
    }
    group.push(state);
    end = Math.max(end, state.lastRecord);
  }
  return groups.filter(({ length }) => length > 1);
}

/** Takes a group apart: the newest files, all written by one compaction, and what they replace. */
function split(group: readonly SegmentState[]): { older: SegmentState[]; newer: SegmentState[] } {
  const byAge = group.toSorted((a, b) => a.id - b.id);
  for (let at = byAge.length - 1; at > 0; at--) {
    const older = byAge.slice(0, at);
    const newer = byAge.slice(at);
    if (!newer.every(({ isCompacted }) => isCompacted)) break;
    if (overlapping(older).length === 0 && overlapping(newer).length === 0) {
      return { older, newer };
    }
  }
  throw undecided(byAge, []);
}

/** Returns the files that are not part of the log. @throws ZDB_REPAIR_UNDECIDED */
function decide(
  older: readonly SegmentState[],
  newer: readonly SegmentState[],
  others: readonly SegmentState[],
  entriesOf: EntriesOf,
  namespaces: ReadonlySet<number>,
): readonly SegmentState[] {
  const inNewer = sequencesOf(newer, entriesOf);
  const missing = new Missing();
  let found = 0;
  for (const state of older) {
    for (const entry of entriesIn(entriesOf(state))) {
      if (inNewer.has(entry.sequence)) found++;
      else if (namespaces.has(namespaceOf(entry.owner))) missing.add(entry);
    }
  }
  for (const state of [...newer, ...others]) {
    if (missing.isEmpty) break;
    for (const entry of entriesIn(entriesOf(state))) missing.explain(entry);
  }
  const reached = Math.max(...newer.map(({ lastRecord }) => lastRecord));
  const isOlderComplete = found === inNewer.size;
  if (missing.isExplained(isOlderComplete ? 0 : reached)) return older;
  if (isOlderComplete && older.every(({ stretches }) => stretches.length === 0)) return newer;
  throw undecided(older, newer);
}

function sequencesOf(states: readonly SegmentState[], entriesOf: EntriesOf): Set<number> {
  const found = new Set<number>();
  for (const state of states) {
    for (const { sequence } of entriesIn(entriesOf(state))) found.add(sequence);
  }
  return found;
}

function* entriesIn(index: SegmentIndex): Generator<IndexEntry> {
  for (let position = 0; position < index.count; position++) yield index.entry(position);
}

/** Records that newer files lack, by key; only the newest of each key matters. */
class Missing {
  readonly #keys = new Map<string, { entry: IndexEntry; hasOlder: boolean }>();

  add(entry: IndexEntry): void {
    const key = keyOf(entry);
    const known = this.#keys.get(key);
    if (known === undefined || known.entry.sequence < entry.sequence) {
      this.#keys.set(key, { entry, hasOlder: false });
    }
  }

  /** Takes a record of the log that would be. */
  explain(entry: IndexEntry): void {
    const key = keyOf(entry);
    const known = this.#keys.get(key);
    if (known === undefined) return;
    if (entry.sequence > known.entry.sequence) this.#keys.delete(key);
    else if (!isDeletion(entry.owner)) known.hasOlder = true;
  }

  get isEmpty(): boolean {
    return this.#keys.size === 0;
  }

  /** Records up to `onPurpose` need no explanation. */
  isExplained(onPurpose: number): boolean {
    return [...this.#keys.values()].every(({ entry, hasOlder }) => {
      return entry.sequence <= onPurpose || (isDeletion(entry.owner) && !hasOlder);
    });
  }
}

/** Namespace, length and 64 bits of keyed hash. */
function keyOf({ owner, lengths, low, high }: IndexEntry): string {
  return `${namespaceOf(owner)} ${keyLengthOf(lengths)} ${low} ${high}`;
}

function undecided(
  older: readonly SegmentState[],
  newer: readonly SegmentState[],
): GridError<ZdbErrorCode> {
  const names = (states: readonly SegmentState[]): string[] => states.map(({ path }) => path);
  return new GridError(
    'ZDB_REPAIR_UNDECIDED',
    `files hold the same records and contradict each other: ${names([...older, ...newer]).join(', ')}`,
    {
      hint: 'bring back files that are missing, or move those that are wrong out of the folder',
      details: { older: names(older), newer: names(newer) },
    },
  );
}
