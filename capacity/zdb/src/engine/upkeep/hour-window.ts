/** Hours of the day, UTC: from the first up to the second, over midnight where that is smaller. */
export type HourWindow = readonly [fromHour: number, toHour: number];

/** Milliseconds until the window opens; 0 while it is open. */
export function msUntilWindow(window: HourWindow | undefined, nowMs: number): number {
  if (window === undefined || isInWindow(window, nowMs)) return 0;
  const sinceMidnight = nowMs % DAY_MS;
  const opens = window[0] * 3_600_000;
  return opens > sinceMidnight ? opens - sinceMidnight : opens + DAY_MS - sinceMidnight;
}

const DAY_MS = 86_400_000;

/** Whether a time lies in the window; no window means always. */
export function isInWindow(window: HourWindow | undefined, nowMs: number): boolean {
  if (window === undefined) return true;
  const [from, to] = window;
  const hour = new Date(nowMs).getUTCHours();
  return from <= to ? hour >= from && hour < to : hour >= from || hour < to;
}
