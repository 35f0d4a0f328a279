import { monthlyPrice } from '@commongrid/model';
import type {
  Amount,
  Contract,
  ContractId,
  ContractRole,
  GridFold,
  NodeId,
  RecordOf,
  Resources,
} from '@commongrid/model';
import { nodeResources } from '../directory/directory.ts';
import type { Directory, DirectoryFarm } from '../directory/directory.ts';
import { priceFor } from '../plan/unit-price.ts';
import { slotKey } from '../plan/units.ts';
import type { ContractJournal, Lock } from './contract-journal.ts';
import type { LockWish } from './ports.ts';

/** How long a place is paid for at once, ms: what is not used comes back. */
const fundForMs = 30 * 86_400_000;
/** How long an escrow of the controller waits to take effect, ms of log time. */
const escrowTtlMs = 600_000;

/** A replica and the node that it is to run on. */
export interface Target {
  readonly role: ContractRole;
  readonly replica: number;
  readonly node: NodeId;
}

/** What a replica still needs before it can be placed on a node. */
export type Need =
  | { readonly is: 'nothing'; readonly lock: Lock | undefined }
  | { readonly is: 'lock'; readonly wish: LockWish }
  | { readonly is: 'escrow'; readonly lock: Lock; readonly escrow: RecordOf<'grid.escrow.1'> }
  /** Nothing is left to pay even the least that the lock asks for. */
  | { readonly is: 'money'; readonly lock: Lock }
  /** The node is in no farm that is known. */
  | { readonly is: 'noFarm' };

export interface SupplyInput {
  readonly id: ContractId;
  readonly header: Contract;
  readonly fold: GridFold;
  /** Log time, ms since 1970. */
  readonly at: number;
  readonly journal: ContractJournal;
  readonly directory: Directory;
}

/**
 * What comes next for a replica: on a farm of the contract's owner nothing; elsewhere a lock, then money
 * for it. A lock counts that asks for no more than the farm's published price: nobody can have locks paid
 * for that he appended unasked.
 */
export function needOf(input: SupplyInput, target: Target): Need {
  const { header, fold, journal } = input;
  const farm = farmOf(input.directory, target.node);
  if (farm === undefined) return { is: 'noFarm' };
  if (farm.owner === header.owner) return { is: 'nothing', lock: undefined };
  const key = slotKey({ role: target.role.name, replica: target.replica });
  const locks = journal.locks.get(key) ?? [];
  const lock = locks.find((one) => isFit(one, input, target, farm));
  if (lock === undefined) return { is: 'lock', wish: wishOf(input, target, farm) };
  if (fold.money('escrow', lock.id) !== undefined) return { is: 'nothing', lock };
  const escrow = escrowFor(input, lock);
  return escrow === undefined ? { is: 'money', lock } : { is: 'escrow', lock, escrow };
}

export function farmOf({ nodes, farms }: Directory, id: NodeId): DirectoryFarm | undefined {
  const node = nodes.find((one) => one.id === id);
  return node && farms.get(node.farm);
}

function isFit(
  lock: Lock,
  { header }: SupplyInput,
  { role, node }: Target,
  farm: DirectoryFarm,
): boolean {
  const isParty = lock.buyer === header.owner && lock.farmer === farm.owner;
  if (!isParty || lock.node !== node || lock.price.currency !== header.budget.currency)
    return false;
  const most = priceFor([role], farm, header);
  return most !== undefined && monthlyPrice(lock) <= most && covers(lock.resources, role.resources);
}

function covers(has: Resources, needs: Resources): boolean {
  return has.ipv4 >= needs.ipv4 && nodeResources.every((name) => has[name] >= needs[name]);
}

function wishOf(
  { id, header, at }: SupplyInput,
  { role, replica, node }: Target,
  farm: DirectoryFarm,
): LockWish {
  return {
    ...{ contract: id, buyer: header.owner, farmer: farm.owner, node },
    slot: { role: role.name, replica },
    ...{ resources: role.resources, currency: header.budget.currency },
    perMonthMax: priceFor([role], farm, header) ?? 0n,
    untilMs: Math.min(header.term.untilMs, at + fundForMs),
  };
}

/** Pays until the end of the term, 30 days at most, and no more than the budget has left. */
function escrowFor(
  { id, header, fold, at }: SupplyInput,
  { id: lock, price, minFund }: Lock,
): RecordOf<'grid.escrow.1'> | undefined {
  const forMs = Math.max(0, Math.min(fundForMs, header.term.untilMs - at));
  const [all, per] = [BigInt(price.amount) * BigInt(forMs), BigInt(price.perSeconds) * 1000n];
  const wanted = max((all + per - 1n) / per, BigInt(minFund));
  const funded = BigInt(fold.money('spending', id)?.funded ?? 0);
  const amount = min(wanted, BigInt(header.budget.total) - funded);
  if (amount < BigInt(minFund)) return undefined;
  // An allowance says whose money a controller may spend that is no device of the owner.
  const payer = fold.current('grid.allowance.1', id)?.from ?? header.owner;
  return {
    ...{ lock, contract: id, from: payer, currency: price.currency },
    ...{ amount: String(amount) as Amount, expMs: at + escrowTtlMs },
  };
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
