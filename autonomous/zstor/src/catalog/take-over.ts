import { delay, GridError, throwIfAborted } from '@commongrid/base';
import type { Clock, Random } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import { chooseChain, follow } from './chain.ts';
import type { ChainState, Membership, Opening, SnapshotNote } from './chain.ts';
import { LogReader } from './log-reader.ts';
import { askMajority } from './majority.ts';
import type { MemberLink } from './member-link.ts';
import type { Extent } from './notes.ts';
import { openExtent, openMembership, openSnapshots } from './notes.ts';
import type { Roster } from './roster.ts';
import type { TlogCipher } from './tlog-cipher.ts';
import { entriesBytesMax, extentKey, membershipKey, snapshotsKey } from './tlog-member.ts';
import type { TlogEntry } from './tlog-member.ts';
import { encodeRecord, makeRecord, recordKey } from './tlog-record.ts';
import type { TlogRecord } from './tlog-record.ts';

/** A head that was deposed answers no longer than its lease; this is more, and so is safe. */
const settleMs = 1_500;
/** How long a majority may take in each phase. */
const phaseTimeoutMs = 4_000;
/** Heads that race rarely bring the same fence: then both would be refused by some, and try again. */
const fenceSteps = 1_024;

/** What the log is for: takes its records in order. */
export interface LogApplier {
  /** What follows from all that was applied. */
  readonly state: ChainState;
  /** Each continues the one before. All are on a majority. */
  apply(records: readonly TlogRecord[]): void;
  /** Begins again from a snapshot; `membership` is newer than the one in it. */
  load(snapshot: SnapshotNote, membership: Membership): Promise<void>;
}

export interface TakeOverOptions {
  readonly cipher: TlogCipher;
  readonly roster: Roster;
  readonly applier: LogApplier;
  /** Scripts of the schema that this program has. */
  readonly schema: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal?: AbortSignal | undefined;
}

/** What a take-over leaves: the right to append. */
export interface TakenLog {
  readonly fence: number;
  /** Up to the `open` record, which is on a majority. */
  readonly state: ChainState;
  /** The two newest snapshots that a majority knows, the newest first. */
  readonly snapshots: readonly SnapshotNote[];
}

/**
 * Makes this head the one that writes the log.
 *
 * 1. Watch: whoever calls this has found that the active head does not answer.
 * 2. Raise the fence on a majority: from here on a former head can write to a minority only.
 * 3. Read what that majority has above what is applied here.
 * 4. Of each index take the record with the highest fence that continues the chain.
 * 5. Write again, under the new fence, what may not be on a majority yet.
 * 6. Write `open` to a majority.
 * 7. Apply all of it.
 * 8. Wait until no former head can believe in its lease.
 * 9. Serve: that is up to the caller.
 *
 * Why nothing is lost by this is argued in docs/decisions/0031-zstor-catalog.md.
 * @throws ZSTOR_CATALOG_NO_MAJORITY, ZSTOR_CATALOG_FENCED: try again;
 *   ZSTOR_CATALOG_LOG_BEHIND, _LOG_INCOMPLETE, _SCHEMA_NEWER, _HALTED: look into it
 */
export async function takeOver(options: TakeOverOptions): Promise<TakenLog> {
  const run = new TakeOver(options);
  await run.raise();
  await run.beginFromSnapshot();
  await run.checkPosition();
  const tail = await run.readTail();
  const opened = await run.open(tail);
  await run.settle();
  return opened;
}

class TakeOver {
  readonly #o: TakeOverOptions;
  readonly #reader: LogReader;
  /** All memberships that may count: the one that we knew, and each newer one that was found. */
  readonly #groups: (readonly MemberLink[])[] = [];
  #membership: Membership;
  #snapshots: readonly SnapshotNote[] = [];
  #fence = 0;
  #raisedMs = 0;
  /** All up to here is known to be on a majority, and need not be written again. */
  #committed: number;

  constructor(options: TakeOverOptions) {
    const { cipher, clock, roster, applier } = options;
    this.#o = options;
    this.#reader = new LogReader(cipher, clock);
    this.#membership = applier.state.membership;
    this.#committed = applier.state.index;
    this.#groups.push(roster.group(this.#membership));
  }

  /** Phase 2. */
  async raise(): Promise<void> {
    const fences = await this.#ask('asking for the fence', (link) => link.member.fence());
    this.#fence = nextFence(Math.max(...fences.values()), this.#o.random);
    await this.#raiseOnGroups();
  }

  /** What is older than the older snapshot may be gone from the log. */
  async beginFromSnapshot(): Promise<void> {
    await loadWhenBehind(this.#o.applier, this.#snapshots, this.#membership);
    this.#committed = Math.max(this.#committed, indexOf(this.#snapshots));
  }

  /** What is applied here must be in the log: else these are not its members, or they lost it. */
  async checkPosition(): Promise<void> {
    const { index, hash } = this.#o.applier.state;
    const isBegin = ({ index: at, hash: of }: SnapshotNote): boolean =>
      at === index && of === hash.toString('hex');
    // A log that begins with a snapshot does not have the record that it was taken after.
    if (index === 0 || this.#snapshots.some(isBegin)) return;
    const [candidates = []] = await this.#reader.read(this.#groups, index, 1);
    if (candidates.some((each) => each.record.hash.equals(hash))) return;
    throw logBehind(index);
  }

  /** Phases 3 and 4. What is known to be on a majority is applied at once, the rest is returned. */
  async readTail(): Promise<readonly TlogRecord[]> {
    const { applier } = this.#o;
    let state = applier.state;
    let tail: readonly TlogRecord[] = [];
    for (let isEnd = false; !isEnd;) {
      throwIfAborted(this.#o.signal);
      const window = await this.#reader.read(this.#groups, state.index + 1);
      const chain = chooseChain(
        state,
        window.map((each) => each.map(({ record }) => record)),
      );
      isEnd = chain.length === 0;
      for (const record of chain) {
        tail = [...tail, record];
        state = follow(state, record);
        this.#committed = Math.max(this.#committed, record.committed);
        // These count from the next record on: first their fence, then what they have.
        if (!this.#take(state.membership)) continue;
        await this.#raiseOnGroups();
        break;
      }
      tail = this.#applyCommitted(tail);
    }
    if (state.index < this.#committed) throw logIncomplete(state.index, this.#committed);
    return tail;
  }

  /** Phases 5, 6, 7. */
  async open(tail: readonly TlogRecord[]): Promise<TakenLog> {
    const { cipher, applier } = this.#o;
    const written = { fence: this.#fence, committed: this.#committed };
    const records = tail.map((record) => ({ ...record, ...written }));
    const state = records.reduce(follow, applier.state);
    if (state.schema > this.#o.schema) throw schemaNewer(state.schema, this.#o.schema);
    const opening: Opening = { fence: this.#fence, schema: this.#o.schema };
    const draft = {
      kind: 'open' as const,
      epoch: state.epoch + 1,
      index: state.index + 1,
      prevHash: state.hash,
      body: Buffer.from(JSON.stringify(opening)),
    };
    records.push(makeRecord(cipher, draft, written));
    for (const entries of batchesOf(cipher, records)) {
      await this.#ask('writing the end of the log again', (link) => link.member.put(entries));
    }
    applier.apply(records);
    return { fence: this.#fence, state: applier.state, snapshots: this.#snapshots };
  }

  /** Phase 8. */
  async settle(): Promise<void> {
    const { clock, signal } = this.#o;
    await delay(Math.max(0, this.#raisedMs + settleMs - clock.monotonicMs()), { clock, signal });
  }

  /** Until no member tells of newer members. */
  async #raiseOnGroups(): Promise<void> {
    let newest = this.#membership;
    do {
      this.#take(newest);
      throwIfAborted(this.#o.signal);
      const notes = await this.#ask('raising the fence', (link) => this.#raiseOn(link));
      this.#raisedMs = this.#o.clock.monotonicMs();
      for (const { membership, snapshots, extent } of notes.values()) {
        if (membership.index > newest.index) newest = membership;
        if (indexOf(snapshots) > indexOf(this.#snapshots)) this.#snapshots = snapshots;
        this.#committed = Math.max(this.#committed, extent.filledTo);
      }
    } while (newest.index > this.#membership.index);
  }

  async #raiseOn(link: MemberLink): Promise<MemberNotes> {
    const { cipher } = this.#o;
    await link.raise(this.#fence);
    const keys = [membershipKey, snapshotsKey, extentKey];
    const [members, snapshots, extent] = await link.member.get(keys);
    return {
      membership: members === undefined ? this.#membership : openMembership(cipher, members),
      snapshots: openSnapshots(cipher, snapshots),
      extent: openExtent(cipher, extent),
    };
  }

  /** True when these are newer members than those known so far. */
  #take(membership: Membership): boolean {
    if (membership.index <= this.#membership.index) return false;
    this.#membership = membership;
    this.#groups.push(this.#o.roster.group(membership));
    return true;
  }

  #applyCommitted(tail: readonly TlogRecord[]): readonly TlogRecord[] {
    const isKnown = (record: TlogRecord): boolean => record.index <= this.#committed;
    this.#o.applier.apply(tail.filter(isKnown));
    return tail.filter((record) => !isKnown(record));
  }

  #ask<T>(
    what: string,
    ask: (link: MemberLink) => Promise<T>,
  ): Promise<ReadonlyMap<MemberLink, T>> {
    const { clock } = this.#o;
    return askMajority(this.#groups, ask, { timeoutMs: phaseTimeoutMs, what, clock });
  }
}

/**
 * Begins again from a snapshot when the log may not have what follows the tables any more: from the
 * newest, or, if that cannot be read, from the one before.
 * @param snapshots newest first
 */
export async function loadWhenBehind(
  applier: LogApplier,
  snapshots: readonly SnapshotNote[],
  membership: Membership,
): Promise<void> {
  const [newest, former] = snapshots;
  const oldest = former ?? newest;
  if (newest === undefined || oldest === undefined || applier.state.index >= oldest.index) return;
  try {
    await applier.load(newest, membership);
  } catch (error) {
    if (former === undefined) throw error;
    await applier.load(former, membership);
  }
}

interface MemberNotes {
  readonly membership: Membership;
  readonly snapshots: readonly SnapshotNote[];
  readonly extent: Extent;
}

/** Higher than any known one. That it is no other head's is seen to by the members. */
export function nextFence(highest: number, random: Random): number {
  return highest + random.int(1, fenceSteps + 1);
}

/** As many records at a time as members take. */
function batchesOf(cipher: TlogCipher, records: readonly TlogRecord[]): TlogEntry[][] {
  const batches: TlogEntry[][] = [];
  let bytes = Infinity;
  for (const record of records) {
    const entry = { key: recordKey(record.index), value: encodeRecord(cipher, record) };
    bytes += entry.value.length;
    if (bytes > entriesBytesMax) {
      batches.push([]);
      bytes = entry.value.length;
    }
    batches.at(-1)?.push(entry);
  }
  return batches;
}

function indexOf(snapshots: readonly SnapshotNote[]): number {
  return snapshots[0]?.index ?? 0;
}

function logBehind(index: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_CATALOG_LOG_BEHIND',
    `record ${index}, which is applied here, is not in the log`,
    {
      hint: 'check the names of the members; if they are right, set the local tables aside and start again',
      details: { index },
    },
  );
}

/** A record that was on a majority is on none. */
export function logIncomplete(index: number, committed: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_CATALOG_LOG_INCOMPLETE',
    `record ${index + 1} is missing, though the log goes on to ${committed}`,
    { hint: 'bring more members of the log back', details: { index, committed } },
  );
}

function schemaNewer(schema: number, known: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_CATALOG_SCHEMA_NEWER',
    `the log has tables of version ${schema}, this program knows ${known}`,
    { hint: 'update this program', details: { schema, known } },
  );
}
