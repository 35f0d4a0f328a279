import type { LeaseName, RecordOf } from '@commongrid/model';
import type { ContractCase, Look } from './look.ts';
import { placementTtlMs } from './write-placement.ts';

/** What ends a contract that those who may agreed to remove. */
export type EndStep =
  /** Nothing of it runs any more. */
  | { readonly is: 'withdraw'; readonly placement: RecordOf<'grid.placement.1'> }
  /** Its data may go. */
  | { readonly is: 'bury'; readonly tombstones: readonly RecordOf<'grid.tombstone.1'>[] }
  | { readonly is: 'closed' };

/** First nothing is placed any more, then a tombstone for each workload that a node was told of. */
export function endStep(
  { fold, at, journal }: Pick<Look, 'fold' | 'at' | 'journal'>,
  { id }: Pick<ContractCase, 'id'>,
  fence: number,
): EndStep {
  const placement = fold.current('grid.placement.1', id);
  if (placement === undefined) return { is: 'closed' };
  const { revision, items } = placement;
  if (items.length > 0) {
    const next = { contract: id, revision: revision + 1, fence, items: [], reason: 'remove' };
    const lease = id as string as LeaseName;
    const value = { ...next, lease, expMs: at + placementTtlMs };
    return { is: 'withdraw', placement: value as RecordOf<'grid.placement.1'> };
  }
  const tombstones = [...journal.of(id).slices].flatMap(([workload, told]) => {
    const buried = fold.current('grid.tombstone.1', workload)?.revision ?? 0;
    return buried >= told ? [] : [{ workload, revision, reason: 'removed' as const }];
  });
  return tombstones.length === 0 ? { is: 'closed' } : { is: 'bury', tombstones };
}

/** Whether nothing is left to do of a contract that is to be removed: nobody needs its lease to see that. */
export function isClosed(
  look: Pick<Look, 'fold' | 'at' | 'journal'>,
  one: Pick<ContractCase, 'id'>,
): boolean {
  return endStep(look, one, 0).is === 'closed';
}
