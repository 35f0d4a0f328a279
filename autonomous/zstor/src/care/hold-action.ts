import { delay } from '@commongrid/base';
import type { Clock, ControlAction } from '@commongrid/base';
import type { Catalog } from '../catalog/catalog.ts';

/** Longest time for which somebody may have changes wait, ms: clients wait with them. */
export const holdMsMax = 5_000;

/**
 * `hold`: changes of the tables wait until the caller goes, or 5 s are over; they do as soon as the first progress
 * comes. What was acknowledged before is with the backends by then, its shards before its record, and what is
 * deleted meanwhile was dead in the log before. So whoever copies backends meanwhile has them as they belong
 * together. The result comes with the 5 s alone: then they may not.
 */
export function holdAction(catalog: Pick<Catalog, 'hold'>, clock: Clock): ControlAction {
  return async (_, { signal, progress }) => {
    await catalog.hold(async () => {
      progress({ isHeld: true });
      await delay(holdMsMax, { signal, clock });
    });
    return { isHeld: false };
  };
}
