import type { BotId, ContractId, NodeId, SharedAccountId, WorkloadId } from '../fields.ts';
import type { GridCode } from '../errors.ts';
import type { Grant } from '../records/grant.ts';
import type { ContractState, GridState, WorkloadState } from './grid-state.ts';
import type { IdentityView } from './identity-view.ts';
import type { MoneyView, WalletState } from './wallet-state.ts';

/** What the rules of contracts may look up: the state before the record. */
export interface GridView extends IdentityView, MoneyView {
  /** Keys of the genesis that sign releases. */
  readonly releaseKeys: readonly string[];
  /**
   * Whose view it is, of what concerns it; undefined where every record is there. What a reader is
   * not told is not held against a record: whoever has everything judges it in full.
   */
  readonly reader: BotId | NodeId | SharedAccountId | undefined;
  contract(id: string): ContractState | undefined;
  workload(id: string): WorkloadState | undefined;
}

export type GridVerdict =
  | { readonly isAccepted: true; readonly states: readonly (GridState | WalletState)[] }
  | { readonly isAccepted: false; readonly code: GridCode };

export function acceptGrid(...states: readonly (GridState | WalletState)[]): GridVerdict {
  return { isAccepted: true, states };
}

export function refuseGrid(code: GridCode): GridVerdict {
  return { isAccepted: false, code };
}

/** Whether the view has every record. */
export function isWhole({ reader }: Pick<GridView, 'reader'>): boolean {
  return reader === undefined;
}

/** Whether the view has what is said of a node. */
export function knowsNode({ reader }: Pick<GridView, 'reader'>, node: NodeId): boolean {
  return reader === undefined || reader === node;
}

export function workloadIdOf(contract: ContractId, role: string, replica: number): WorkloadId {
  return `${contract}/${role}/${replica}` as WorkloadId;
}

/** Contract and role of a workload. */
export function workloadParts(id: WorkloadId): {
  readonly contract: ContractId;
  readonly role: string;
  readonly replica: number;
} {
  const [contract = '', role = '', replica = ''] = id.split('/');
  return { contract: contract as ContractId, role, replica: Number(replica) };
}

/** Farm and farmer of a node, by its adoption. */
export function farmBehind(view: GridView, node: NodeId) {
  return view.farm(view.node(node)?.adoption?.farm ?? '');
}

/** Whether a grant holds at a log time. */
export function isGranted(view: GridView, { node, contract, role }: Place, at: number): boolean {
  const grant = view.current('grid.grant.1', `${node}/${contract}/${role}`);
  return grant !== undefined && at < grant.expMs;
}

type Place = Pick<Grant, 'node' | 'contract' | 'role'>;

/** The revision up to which a tombstone covers a workload on a node; 0 for none. */
export function buriedRevision(
  view: Pick<GridView, 'current'>,
  workload: string,
  node: string,
): number {
  const everywhere = view.current('grid.tombstone.1', workload)?.revision ?? 0;
  const there = view.current('grid.tombstone.1', `${node}/${workload}`)?.revision ?? 0;
  return Math.max(everywhere, there);
}
