import { isGridError } from '@commongrid/base';

import type { TraceRange } from '../format/flist.ts';

/** Ranges that are fetched ahead at a time. Many, since most are one small file. */
const aheadRangesMax = 512;

/**
 * Fetches ranges of files, many at a time.
 * @throws what `fetch` threw first, after the rest was tried as far as that makes sense
 */
export async function fetchAhead(
  ranges: Iterable<TraceRange>,
  fetch: (range: TraceRange) => Promise<void>,
): Promise<void> {
  const ahead = ranges[Symbol.iterator]();
  let failure: Error | undefined;
  const takeTurns = async (): Promise<void> => {
    for (let next = ahead.next(); next.done !== true; next = ahead.next()) {
      try {
        await fetch(next.value);
      } catch (error) {
        failure ??= error instanceof Error ? error : new Error(String(error));
        if (isGridError(error) && hopelessCodes.has(error.code)) return;
      }
    }
  };
  await Promise.all(Array.from({ length: aheadRangesMax }, takeTurns));
  if (failure !== undefined) throw failure;
}

/** After these the rest would fail as well. */
const hopelessCodes: ReadonlySet<string> = new Set([
  'BASE_ABORTED',
  'BASE_CLOSED',
  'FLIST_STORE_FULL',
  'FLIST_DISK_FULL',
]);
