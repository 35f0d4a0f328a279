import { GridError, isGridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import type { MemberName } from './chain.ts';
import { identityOf } from './tlog-member.ts';
import type { TlogEntry, TlogMember } from './tlog-member.ts';
import { recordKey } from './tlog-record.ts';

/** Writes to one member without an answer; beyond it the member is left out, and filled later. */
const pendingWritesMax = 32;

/** A part of the log, both ends included. */
export interface IndexRange {
  readonly from: number;
  readonly to: number;
}

/** Which records a member misses are remembered as so many ranges; more become one. */
const rangesMax = 64;

/** A member as a head sees it: who it is, what it has not answered, what it misses. */
export class MemberLink {
  readonly name: string;
  readonly id: string;
  readonly member: TlogMember;
  readonly #logId: Buffer;
  #boundTo = 0;
  /** Indices that were sent and not answered. */
  readonly #pending = new Set<number>();
  /** The highest record that it took from this head; 0 when that may have been removed. */
  #kept = 0;
  #hasForgotten = false;
  #isConfirming = false;
  #silence: unknown;
  /** Records that the member may lack, in order. Undefined until its extent was looked at. */
  #missing: IndexRange[] | undefined;

  constructor(who: MemberName, member: TlogMember, logId: Buffer) {
    this.name = who.name;
    this.id = who.id;
    this.member = member;
    this.#logId = logId;
  }

  get who(): MemberName {
    return { name: this.name, id: this.id };
  }

  get isBound(): boolean {
    return this.#boundTo !== 0;
  }

  /** The first part of the log that it may lack; undefined when that is none, or not known. */
  get firstMissing(): IndexRange | undefined {
    return this.#missing?.[0];
  }

  /** It had confirmed what it does not have any more. Stays so until `remind`. */
  get hasForgotten(): boolean {
    return this.#hasForgotten;
  }

  /** It has been told again what it may have forgotten beside the log. */
  remind(): void {
    this.#hasForgotten = false;
  }

  /** Records up to here are about to be removed from it. */
  removing(to: number): void {
    if (this.#kept <= to) this.#kept = 0;
  }

  /** Why it did not confirm the fence the last time that it was asked. */
  get silence(): unknown {
    return this.#silence;
  }

  /** Raises the fence of the member to one that is new there; at once when this head did before. */
  async raise(fence: number): Promise<void> {
    if (this.#boundTo === fence) return;
    const identity = identityOf(this.#logId, this.id);
    await this.member.bind({ fence, identity, isNew: true });
    this.#boundTo = fence;
  }

  /** Binds the member to a fence that is on a majority; at once when it was bound to it before. */
  async bind(fence: number): Promise<void> {
    if (this.#boundTo === fence) return;
    await this.member.bind({ fence, identity: identityOf(this.#logId, this.id) });
    this.#boundTo = fence;
  }

  /** One record. What the member does not take counts as missing. */
  async append(index: number, entry: TlogEntry): Promise<void> {
    try {
      if (!this.isBound || this.#pending.size >= pendingWritesMax) throw behind(this.name);
      this.#pending.add(index);
      await this.member.put([entry]);
      this.#kept = Math.max(this.#kept, index);
    } catch (error) {
      this.miss({ from: index, to: index });
      throw error;
    } finally {
      this.#pending.delete(index);
    }
  }

  async confirm(): Promise<void> {
    // An older question's answer says nothing about now.
    if (!this.isBound || this.#isConfirming) throw behind(this.name);
    this.#isConfirming = true;
    try {
      await this.member.confirm(this.#kept === 0 ? undefined : recordKey(this.#kept));
      this.#silence = undefined;
    } catch (error) {
      this.#silence = error;
      if (isGridError<ZstorErrorCode>(error, 'ZSTOR_CATALOG_MEMBER_FORGOT')) this.#forget();
      throw error;
    } finally {
      this.#isConfirming = false;
    }
  }

  /** Whatever it took may be lost: its disk is an old copy. */
  #forget(): void {
    this.#hasForgotten = true;
    this.learn({ from: 1, to: this.#kept });
    this.#kept = 0;
  }

  /** What it lacks is known now, beside what was noted before: this. */
  learn(range: IndexRange): void {
    this.#missing ??= [];
    this.miss(range);
  }

  miss(range: IndexRange): void {
    if (range.to < range.from || this.#missing === undefined) return;
    this.#missing = merge([...this.#missing, range]);
  }

  /** It has all of `range` now. */
  gain(range: IndexRange): void {
    this.#missing = this.#missing?.flatMap((each) => without(each, range));
  }

  /** The last index up to which nothing is missing or on its way, `index` at most. */
  completeTo(index: number): number {
    if (this.#missing === undefined) return 0;
    return Math.min(
      index,
      ...[...this.#pending, ...this.#missing.map((e) => e.from)].map((i) => i - 1),
    );
  }
}

/** In order, and where there are too many the gaps between them count as missing, too. */
function merge(ranges: readonly IndexRange[]): IndexRange[] {
  const merged: IndexRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last === undefined || range.from > last.to + 1) merged.push(range);
    else merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
  }
  const [first, last] = [merged[0], merged.at(-1)];
  if (merged.length <= rangesMax || first === undefined || last === undefined) return merged;
  return [{ from: first.from, to: last.to }];
}

function without(range: IndexRange, part: IndexRange): IndexRange[] {
  const rest = [
    { from: range.from, to: Math.min(range.to, part.from - 1) },
    { from: Math.max(range.from, part.to + 1), to: range.to },
  ];
  return rest.filter(({ from, to }) => from <= to);
}

function behind(name: string): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_MEMBER_FAILED', `${name} has not answered what was sent`, {
    retryable: true,
    details: { member: name },
  });
}
