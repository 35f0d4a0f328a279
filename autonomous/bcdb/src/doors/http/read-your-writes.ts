import { withTimeout } from '@commongrid/base';
import type { DoorContext } from './door-context.ts';

/** How long a read waits for a record that it asked to see. */
const minSeqWaitMsMax = 10_000;

/**
 * Waits until queries see a record.
 * @throws BASE_TIMEOUT, BASE_ABORTED
 */
export async function waitForSeq(
  { bcdb, clock }: Pick<DoorContext, 'bcdb' | 'clock'>,
  seq: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (seq === undefined || bcdb.projection.appliedSize > seq) return;
  await withTimeout((limited) => bcdb.projection.waitFor(seq, { signal: limited }), {
    timeoutMs: minSeqWaitMsMax,
    what: `record ${seq} in the projection`,
    signal,
    clock,
  });
}
