import { endOf, lastReportsMs, releasable, workloadOf } from '@commongrid/model';
import type { BotId, EscrowState, GridFold, Lock, LockId, WorkloadId } from '@commongrid/model';
import type { LedgerView } from './rail.ts';

/** What a bot can ask for now. */
export type Duty =
  | {
      readonly is: 'release';
      readonly lock: LockId;
      readonly workload: WorkloadId;
      /** End of the last receipt that it covers. */
      readonly toMs: number;
    }
  | { readonly is: 'refund'; readonly lock: LockId };

/**
 * What is due to a bot by what it knows: pay as a farmer, what is left as a buyer. A farmer who has all that he
 * earned gives the rest back: its buyer could ask for it two hours later only.
 */
export function* duties({ fold, at }: LedgerView, bot: BotId): Generator<Duty> {
  for (const escrow of fold.moneyOf('escrow')) {
    const lock = fold.current('grid.lock.1', escrow.id);
    if (lock === undefined || escrow.isClosed === true) continue;
    if (lock.farmer === bot) {
      const toMs = releasableUntil(fold, escrow, at);
      const isDue = toMs !== undefined && !('code' in releasable(fold, lock, toMs, at));
      if (isDue) yield { is: 'release', lock: lock.id, workload: workloadOf(lock), toMs };
      else if (isAllEarned(fold, lock, escrow)) yield { is: 'refund', lock: lock.id };
    }
    const isOver = at >= (endOf(fold, lock, escrow) ?? Infinity);
    if (lock.buyer !== bot || !isOver) continue;
    const rest = releasable(fold, lock, at, at);
    const isDisputed = 'code' in rest && rest.code === 'RELEASE_DISPUTED';
    if (!isDisputed) yield { is: 'refund', lock: lock.id };
  }
}

/**
 * End of the last receipt that can be released without loss: nobody can object to it any more, and the
 * log has told of the node's presence all through it, or would have by now.
 */
function releasableUntil(
  fold: GridFold,
  { id, receipts, place }: EscrowState,
  at: number,
): number | undefined {
  const lock = fold.current('grid.lock.1', id);
  if (lock === undefined) return undefined;
  const toldMs = fold.current('grid.presence.1', lock.node)?.toMs ?? 0;
  const knownMs = Math.max(toldMs, at - lastReportsMs);
  // Presence behind the end of the place pays nothing.
  const endMs = place?.untilMs ?? Infinity;
  const due = receipts.findLast(([, toMs]) => {
    return toMs <= at - lock.disputeMs && Math.min(toMs, endMs) <= knownMs;
  });
  return due?.[1];
}

/** Log time as a node knows it is so much behind at most, ms: its last receipt may end before its place did. */
const behindMsMax = 5_000;

/** Whether the place ended, its node told of all of it, and that was paid. */
function isAllEarned(
  fold: GridFold,
  lock: Lock,
  { place, receipts, cursorMs }: EscrowState,
): boolean {
  const endMs = place?.untilMs;
  if (endMs === undefined || receipts.length > 0) return false;
  if (cursorMs >= endMs - behindMsMax) return true;
  const workload = workloadOf(lock);
  const from = fold.workload(workload)?.places.findLast((one) => one.lock === lock.id)?.from;
  const event = fold.current('grid.event.1', `${lock.node}/${workload}`);
  if (from === undefined || event === undefined || event.revision < from) return false;
  // What never ran has no receipt; of what did the last one may be on its way.
  return cursorMs === 0 && event.phase === 'refused';
}
