import type { Clock } from '@commongrid/base';

/**
 * Waits until all have ended, or none has for so long. It does not throw.
 * @returns places in the list of those that have not ended
 */
export async function untilQuiet(
  all: readonly Promise<unknown>[],
  patienceMs: number,
  clock: Clock,
): Promise<readonly number[]> {
  const ends = all.map((one, at) =>
    one.then(
      () => at,
      () => at,
    ),
  );
  const late = new Set(ends.keys());
  while (late.size > 0) {
    const quiet = Promise.withResolvers<undefined>();
    const timer = clock.setTimer(patienceMs, () => quiet.resolve(undefined));
    const ended = await Promise.race([quiet.promise, ...[...late].map((at) => ends[at])]);
    timer.cancel();
    if (ended === undefined) break;
    late.delete(ended);
  }
  return [...late];
}
