import type { Clock } from '@commongrid/base';

/** Clocks that are further apart than this decide nothing. */
const clocksApartMaxMs = 60_000;
/** What a member said of the time counts for so long. */
const answerAgeMaxMs = 60_000;
/** How often the highest date is written to the tables, with the next change. */
const noteEveryMs = 60_000;

/** What members say of the time. */
interface MemberTime {
  /** Its clock less ours that cannot be set. */
  readonly offsetMs: number;
  readonly askedMs: number;
}

/**
 * The date by which retention and lifecycle are judged: the earlier of our own clock and the median of
 * the members', since a clock that is ahead must end nothing. It never goes back. When the clocks are
 * apart, or all of them are behind what was seen before, there is no date, and nothing dated is done.
 */
export class Dates {
  readonly #clock: Clock;
  readonly #times = new Map<string, MemberTime>();
  #highestMs: number;
  #notedMs: number;
  #problem: string | undefined = 'members have not told the time yet';

  /** @param highestMs that the tables have */
  constructor(clock: Clock, highestMs: number) {
    this.#clock = clock;
    this.#highestMs = highestMs;
    this.#notedMs = highestMs;
  }

  /**
   * @param askedMs monotonic; the answer has just come
   * @param timeMs since 1970
   */
  told(memberId: string, timeMs: number, askedMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#times.set(memberId, { offsetMs: timeMs - (askedMs + nowMs) / 2, askedMs });
  }

  /** Why there is no date; undefined when there was one at the last look. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** @param memberIds all that keep the log @returns ms since 1970 */
  now(memberIds: readonly string[]): number | undefined {
    const ownMs = this.#clock.nowMs();
    const theirMs = this.#median(memberIds);
    this.#problem = problemOf(ownMs, theirMs, this.#highestMs);
    if (theirMs === undefined || this.#problem !== undefined) return undefined;
    this.#highestMs = Math.max(this.#highestMs, Math.min(ownMs, theirMs));
    return this.#highestMs;
  }

  /**
   * For terms that begin now: the latest date that our clock, the median of the members', or a former
   * look has. A clock that is behind must not make them shorter. @returns ms since 1970
   */
  latest(memberIds: readonly string[]): number {
    return Math.max(this.#clock.nowMs(), this.#median(memberIds) ?? 0, this.#highestMs);
  }

  /** The highest date, when it is time to write it down. */
  get due(): number | undefined {
    return this.#highestMs - this.#notedMs >= noteEveryMs ? this.#highestMs : undefined;
  }

  noted(highestMs: number): void {
    this.#notedMs = highestMs;
  }

  /** Of a majority; of two in the middle the earlier. */
  #median(memberIds: readonly string[]): number | undefined {
    const monotonicMs = this.#clock.monotonicMs();
    const fresh = memberIds
      .map((id) => this.#times.get(id))
      .filter((time) => time !== undefined)
      .filter(({ askedMs }) => monotonicMs - askedMs < answerAgeMaxMs)
      .map(({ offsetMs }) => Math.floor(offsetMs + monotonicMs))
      .toSorted((a, b) => a - b);
    if (2 * fresh.length <= memberIds.length) return undefined;
    return fresh[Math.floor((fresh.length - 1) / 2)];
  }
}

function problemOf(
  ownMs: number,
  theirMs: number | undefined,
  highestMs: number,
): string | undefined {
  if (theirMs === undefined) return 'no majority of the log tells the time';
  const apartMs = Math.abs(ownMs - theirMs);
  if (apartMs > clocksApartMaxMs) {
    return `the clock here and those of the log are ${Math.round(apartMs / 1000)} s apart`;
  }
  const behindMs = highestMs - Math.min(ownMs, theirMs);
  if (behindMs <= clocksApartMaxMs) return undefined;
  return `the clocks are ${Math.round(behindMs / 1000)} s behind a date that was seen before`;
}
