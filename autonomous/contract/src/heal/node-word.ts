import { workloadIdOf } from '@commongrid/model';
import type { ContractId, Event, GridFold, PlacementItem } from '@commongrid/model';

/** What a node says against a replica that is placed on it. */
export interface NodeWord {
  /** `leaving`: it runs there, and the node is taken out of service. */
  readonly is: 'refused' | 'failed' | 'leaving';
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  /** The node itself does not expect it to change; else only time tells. */
  readonly isForGood: boolean;
}

/** Codes by which a node says that it is taken out of service, of what it runs and of what is new. */
const leavingCodes: ReadonlySet<string> = new Set(['NODE_DRAINING', 'NODE_LET_GO']);
/** Refusals by a rule that are about the node, and not about the contract. */
const nodeRules: ReadonlySet<string> = new Set([
  'PLACEMENT_NODE_CLONED',
  'PLACEMENT_NODE_NOT_IN_SERVICE',
]);
/** A process ended by itself: whether it runs again is for its role alone. */
const endCodes: ReadonlySet<string> = new Set(['NODE_ENDED', 'NODE_OUT_OF_MEMORY']);

/** What the node of a replica said last of it, where that speaks against its staying there. */
export function wordOf(
  fold: GridFold,
  contract: ContractId,
  item: PlacementItem,
): NodeWord | undefined {
  const event = eventOf(fold, contract, item);
  if (event === undefined) return undefined;
  const { phase, code = '', message = '', hint, isRetryable } = event;
  const said = { code, message, hint };
  if (phase === 'refused') {
    const isForGood = code.startsWith('NODE_') || nodeRules.has(code);
    return { is: 'refused', ...said, isForGood };
  }
  if (leavingCodes.has(code)) return { is: 'leaving', ...said, isForGood: true };
  if (phase !== 'failed') return undefined;
  const isOver = isRetryable === false;
  return isOver && endCodes.has(code) ? undefined : { is: 'failed', ...said, isForGood: isOver };
}

/** Whether a replica runs as it should, as far as its node said. */
export function isWell(fold: GridFold, contract: ContractId, item: PlacementItem): boolean {
  return eventOf(fold, contract, item)?.phase === 'healthy';
}

/** Whether the probe of a replica said no as often as its role asks for, after the time that it has to start. */
export function isFoundUnwell(fold: GridFold, contract: ContractId, item: PlacementItem): boolean {
  return eventOf(fold, contract, item)?.phase === 'unhealthy';
}

/** When a node said last how a replica is, ms since 1970 by its clock; undefined before it said anything. */
export function saidAtMs(
  fold: GridFold,
  contract: ContractId,
  item: PlacementItem,
): number | undefined {
  return eventOf(fold, contract, item)?.at;
}

/** Whether a word says that the node takes nothing, rather than that this does not run there. */
export function isOutOfService({ code }: Pick<NodeWord, 'code'>): boolean {
  return leavingCodes.has(code) || nodeRules.has(code);
}

/** The newest event of what is placed; an earlier revision may have ended otherwise. */
function eventOf(fold: GridFold, contract: ContractId, item: PlacementItem): Event | undefined {
  const event = fold.current('grid.event.1', eventIdOf(contract, item));
  const told = fold.slice(item.slice);
  return event !== undefined && event.revision >= (told?.revision ?? 0) ? event : undefined;
}

function eventIdOf(contract: ContractId, item: PlacementItem): string {
  let id = eventIds.get(item);
  if (id === undefined) {
    const { node, role, replica } = item;
    eventIds.set(item, (id = `${node}/${workloadIdOf(contract, role, replica)}`));
  }
  return id;
}

/** Each item is asked again and again, and is of one contract. */
const eventIds = new WeakMap<PlacementItem, string>();
