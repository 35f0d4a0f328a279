/** Until those who wait are told why for the first time, ms. */
const firstAfterMs = 5_000;
/** Between one time and the next, ms. */
const everyMs = 30_000;

/** Says of a moment whether those who wait are to be told why: once after 5 s, then each 30 s. */
export function waitNotes(startedMs: number): (nowMs: number) => boolean {
  let dueMs = startedMs + firstAfterMs;
  return (nowMs) => {
    if (nowMs < dueMs) return false;
    dueMs = nowMs + everyMs;
    return true;
  };
}
