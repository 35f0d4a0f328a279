import type { Clock } from '@commongrid/base';
import type { MemberState } from './log-head.ts';
import { snapshotEveryMs, snapshotEveryRecords } from './snapshots.ts';

/** A member that is out of step for so long has its place given to a spare. */
const memberLostMs = 10_000;
/** Pause after a snapshot that failed: each copies all tables. */
const snapshotRetryMs = 60_000;

export interface CareOptions {
  /** Default 10 s. */
  readonly memberLostMs?: number;
  /** Default 10 min. */
  readonly snapshotEveryMs?: number;
  /** Default 100,000. */
  readonly snapshotEveryRecords?: number;
  /**
   * Names who takes the place of a member that is lost; the same name if it is there, but empty. Asked
   * again when that one could not.
   */
  readonly spare?: (lost: MemberState, members: readonly MemberState[]) => string | undefined;
}

/** What care is taken of. */
interface Cared {
  readonly index: number;
  /** Those in the log after the newest snapshot, whichever head wrote them. */
  readonly recordsSinceSnapshot: number;
  readonly members: readonly MemberState[];
  takeSnapshot(): Promise<void>;
  replaceMember(id: string, name: string): Promise<void>;
}

/** What the serving head does by itself: snapshots in time, spares for members that are lost. */
export class CatalogCare {
  readonly #catalog: Cared;
  readonly #o: CareOptions;
  readonly #clock: Clock;
  readonly #lostSinceMs = new Map<string, number>();
  #snapshotIndex: number | undefined;
  #snapshotMs = 0;
  #nextTryMs = 0;

  constructor(catalog: Cared, options: CareOptions, clock: Clock) {
    this.#catalog = catalog;
    this.#o = options;
    this.#clock = clock;
  }

  reset(): void {
    this.#snapshotIndex = undefined;
    this.#lostSinceMs.clear();
  }

  async look(): Promise<void> {
    try {
      await this.#replaceLost();
    } finally {
      await this.#snapshotInTime();
    }
  }

  async #snapshotInTime(): Promise<void> {
    const { snapshotEveryMs: everyMs = snapshotEveryMs } = this.#o;
    const { snapshotEveryRecords: everyRecords = snapshotEveryRecords } = this.#o;
    const { index, recordsSinceSnapshot } = this.#catalog;
    const nowMs = this.#clock.monotonicMs();
    if (this.#snapshotIndex === undefined) {
      this.#snapshotIndex = index;
      this.#snapshotMs = nowMs;
    }
    const isOld = index > this.#snapshotIndex && nowMs - this.#snapshotMs >= everyMs;
    if (!isOld && recordsSinceSnapshot < everyRecords) return;
    if (nowMs < this.#nextTryMs) return;
    this.#nextTryMs = nowMs + snapshotRetryMs;
    await this.#catalog.takeSnapshot();
    // Its own record is no reason for the next one.
    this.#snapshotIndex = this.#catalog.index;
    this.#snapshotMs = nowMs;
    this.#nextTryMs = 0;
  }

  async #replaceLost(): Promise<void> {
    const { spare, memberLostMs: lostMs = memberLostMs } = this.#o;
    if (spare === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    for (const member of this.#catalog.members) {
      if (member.problem === undefined) {
        this.#lostSinceMs.delete(member.id);
        continue;
      }
      const sinceMs = this.#lostSinceMs.get(member.id) ?? nowMs;
      this.#lostSinceMs.set(member.id, sinceMs);
      if (nowMs - sinceMs < lostMs) continue;
      const name = spare(member, this.#catalog.members);
      if (name !== undefined) await this.#catalog.replaceMember(member.id, name);
    }
  }
}
