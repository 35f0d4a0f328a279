import { keyOf } from './notice.ts';
import type { Finding } from './notice.ts';
import type { OpenNotices } from './notice-book.ts';

/** What is told only once it lasts is over only once it is away for so long, ms: a controller begins anew. */
const awayMs = 15_000;

/** What is to be told of what holds, and what is over. */
export interface Judged {
  readonly due: readonly Finding[];
  /** Keys of notices that hold no more. */
  readonly over: readonly string[];
  /** Until time alone changes that, ms. */
  readonly waitMs: number;
}

/** Waits for what comes and goes before it is told. */
export class Patience {
  /** Since when findings hold, or are away, by the monotonic clock, ms. */
  #since = new Map<string, number>();
  #away = new Map<string, number>();

  /** @param nowMs of a monotonic clock */
  judge(holding: readonly Finding[], open: OpenNotices, nowMs: number): Judged {
    const [since, away] = [this.#since, this.#away];
    const keys = new Map(holding.map((one) => [keyOf(one), one]));
    const gone = [...open].filter(([key]) => !keys.has(key));
    this.#since = new Map([...keys.keys()].map((key) => [key, since.get(key) ?? nowMs]));
    this.#away = new Map(gone.map(([key]) => [key, away.get(key) ?? nowMs]));
    const heldMs = (key: string): number => nowMs - (this.#since.get(key) ?? nowMs);
    const left = (key: string, one: Finding): number =>
      open.has(key) ? 0 : one.lastsMs - heldMs(key);
    const leftAway = (key: string, lastsMs: number): number =>
      lastsMs === 0 ? 0 : awayMs - (nowMs - (this.#away.get(key) ?? nowMs));
    const waits = [
      ...[...keys].map(([key, one]) => left(key, one)),
      ...gone.map(([key, { lastsMs }]) => leftAway(key, lastsMs)),
    ];
    return {
      due: [...keys].flatMap(([key, one]) => (left(key, one) <= 0 ? [one] : [])),
      over: gone.flatMap(([key, { lastsMs }]) => (leftAway(key, lastsMs) <= 0 ? [key] : [])),
      waitMs: Math.min(Infinity, ...waits.filter((ms) => ms > 0)),
    };
  }
}
