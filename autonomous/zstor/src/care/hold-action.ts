import { delay } from '@commongrid/base';
import type { Clock, ControlAction } from '@commongrid/base';
import type { Catalog } from '../catalog/catalog.ts';

/** Longest time for which somebody may have changes wait, ms: clients wait with them. */
export const holdMsMax = 5_000;

/** Time for a majority of the log to confirm a head, ms. */
const confirmMs = 5_000;

/**
 * `hold`: changes of the tables wait until the caller goes, or 5 s are over; they do as soon as the first progress
 * comes, `{isHeld, epoch}`. What was acknowledged before is with the backends by then, its shards before its record, and
 * what is deleted meanwhile was dead in the log before. So whoever copies backends meanwhile has them as they belong
 * together, if `serves` says of that epoch afterwards that nobody else changed anything. The result comes with the 5 s alone: then
 * they may not. Throws ZSTOR_CATALOG_NOT_SERVING where this head does not serve: another one may.
 */
export function holdAction(catalog: Pick<Catalog, 'hold' | 'epoch'>, clock: Clock): ControlAction {
  return async (_, { signal, progress }) => {
    const { epoch } = catalog;
    await catalog.hold(async () => {
      progress({ isHeld: true, epoch });
      await delay(holdMsMax, { signal, clock });
    });
    return { isHeld: false };
  };
}

/**
 * `serves {epoch}`: comes once it is sure that no other head has served since this one took over with this epoch.
 * Throws ZSTOR_CATALOG_NOT_SERVING where one has, or when no majority of the log says so in 5 s.
 */
export function servesAction(catalog: Pick<Catalog, 'confirmLease'>): ControlAction {
  return async ({ epoch }, { signal }) => {
    await catalog.confirmLease(Number(epoch), { waitMs: confirmMs, signal });
    return { isServing: true };
  };
}
