import { GridError } from '@commongrid/base';
import { workloadIdOf } from '@commongrid/model';
import type { NodeId, PlacementItem } from '@commongrid/model';
import type { ContractErrorCode } from '../errors.ts';
import type { WantedUnit } from '../heal/assess-units.ts';
import { wordOf } from '../heal/node-word.ts';
import { hasEnded, isSingleWriter } from '../heal/single-writer.ts';
import type { EndWaits } from '../heal/single-writer.ts';
import { slotKey } from '../plan/units.ts';
import type { ContractCase, Look } from './look.ts';
import type { Target } from './supply.ts';

/** What is to be placed, where each of it was before, and why it leaves there. */
export interface MovesInput {
  readonly look: Look;
  readonly one: ContractCase;
  readonly targets: readonly Target[];
  readonly wanted: readonly WantedUnit[];
  /** Of the monotonic clock, ms. */
  readonly nowMs: number;
  readonly waits: EndWaits;
}

/**
 * Looks once more at what is moved away from somewhere: a node that was lost may be back, and go on with
 * what it has; what did not do may do by now; a single writer must have ended.
 * @returns log time before which the move has to be in the log, ms since 1970; undefined where nothing is
 *   moved away from a lost node
 * @throws CONTRACT_NODE_BACK
 */
export function confirmMoves({
  look,
  one: { id, header },
  targets,
  wanted,
  nowMs,
  waits,
}: MovesInput): number | undefined {
  const { fold, watch } = look;
  const { replaceAfterMs } = header.heal;
  const items = fold.current('grid.placement.1', id)?.items ?? [];
  const before = new Map(items.map((item) => [slotKey(item), item]));
  const units = new Map(wanted.flatMap((one) => one.unit.slots.map((slot) => [slot, one])));
  let isFromLost = false;
  for (const { role, replica, node: goesTo } of targets) {
    const slot = slotKey({ role: role.name, replica });
    const former = before.get(slot);
    const { unit, leaves } = units.get(slot) ?? {};
    const node = former?.node ?? lastNode(look, workloadIdOf(id, role.name, replica));
    const isSingle = unit !== undefined && isSingleWriter(unit);
    if (node === undefined || node === goesTo || (former === undefined && !isSingle)) continue;
    if (former !== undefined && leaves !== undefined && stillSays(look, id, former)) continue;
    const outlook = (): 'alive' => 'alive';
    const isOver = former === undefined && unit !== undefined;
    if (isOver && hasEnded({ contract: id, fold, outlook, nowMs, waits, replaceAfterMs }, unit))
      continue;
    if (!watch.isStillLost(node, header.heal, nowMs)) throw isBack(id, node);
    isFromLost = true;
  }
  return isFromLost ? watch.movesBeforeMs : undefined;
}

function stillSays({ fold }: Look, id: ContractCase['id'], item: PlacementItem): boolean {
  return wordOf(fold, id, item) !== undefined;
}

function lastNode({ fold }: Look, workload: string): NodeId | undefined {
  return fold.workload(workload)?.places.at(-1)?.node;
}

function isBack(contract: ContractCase['id'], node: NodeId): GridError<ContractErrorCode> {
  const text = `${node} is not known to be lost any more, or what is there does by now`;
  return new GridError('CONTRACT_NODE_BACK', text, {
    retryable: true,
    details: { contract, node },
  });
}
