import type { GridCode } from '../errors.ts';
import type { NodeId, WorkloadId } from '../fields.ts';
import { placeOf } from './grid-state.ts';
import { acceptGrid, isWhole, refuseGrid, workloadParts } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { nodeIdOf } from './keys.ts';
import { collectReceipt } from './wallet-escrow.ts';

/** Judges `grid.event.1`: by the node itself, of a workload that it was given or of itself. */
export function judgeEvent(
  view: GridView,
  { value, author, moment }: JudgedRecord<'grid.event.1'>,
): GridVerdict {
  const { node, workload, revision, phase } = value;
  if (workload === undefined) {
    return isNode(view, node, author) ? acceptGrid() : refuseGrid('REPORT_NOT_NODE');
  }
  const fault = reporterFault(view, node, workload, author);
  if (fault !== undefined) return refuseGrid(fault);
  if (isWhole(view) && revision > newestRevision(view, node, workload)) {
    return refuseGrid('REPORT_REVISION');
  }
  const state = view.workload(workload);
  const place = placeOf(state);
  if (state === undefined || place?.node !== node) return acceptGrid();
  const { healthy, ...rest } = state;
  // An old report says nothing of what was placed since.
  if (phase === 'healthy' && revision >= place.from) {
    return healthy === undefined
      ? acceptGrid({ ...rest, healthy: { node, moment } })
      : acceptGrid();
  }
  return healthy === undefined ? acceptGrid() : acceptGrid(rest);
}

/**
 * Judges `grid.receipt.1`: by the node itself, of a workload that it was given. What is to be paid for
 * waits in the escrow of its lock; no time is told there twice.
 */
export function judgeReceipt(
  view: GridView,
  { value, author, moment }: JudgedRecord<'grid.receipt.1'>,
): GridVerdict {
  const { node, workload, fromMs, toMs, healthySeconds } = value;
  const fault = reporterFault(view, node, workload, author);
  if (fault !== undefined) return refuseGrid(fault);
  const isSound = fromMs < toMs && healthySeconds * 1000 <= toMs - fromMs;
  if (!isSound) return refuseGrid('REPORT_INTERVAL');
  const collected = collectReceipt(view, value, moment.at);
  return 'code' in collected ? refuseGrid(collected.code) : acceptGrid(...collected.states);
}

function reporterFault(
  view: GridView,
  node: NodeId,
  workload: WorkloadId,
  author: string,
): GridCode | undefined {
  if (!isNode(view, node, author)) return 'REPORT_NOT_NODE';
  const { places = [] } = view.workload(workload) ?? {};
  const isGiven =
    places.some((place) => place.node === node) ||
    view.current('grid.slice.1', `${node}/${workload}`) !== undefined;
  return isGiven || !isWhole(view) ? undefined : 'REPORT_NOT_PLACED';
}

/** Whether the key is the node's. Its id says so to those who were not told of the node. */
function isNode(view: GridView, node: NodeId, author: string): boolean {
  const known = view.node(node);
  if (known === undefined) return !isWhole(view) && nodeIdOf(author) === node;
  return known.key === author;
}

function newestRevision(view: GridView, node: NodeId, workload: WorkloadId): number {
  const placed = view.current('grid.placement.1', workloadParts(workload).contract);
  const slice = view.current('grid.slice.1', `${node}/${workload}`);
  return Math.max(placed?.revision ?? 0, slice?.revision ?? 0);
}
