import type { GridCode, WalletCode } from '../errors.ts';
import type { WorkloadId } from '../fields.ts';
import type { Escrow } from '../records/escrow.ts';
import type { Lock } from '../records/lock.ts';
import type { Receipt } from '../records/receipt.ts';
import { agreementFault, isHalted } from './approval-rules.ts';
import { isWhole, workloadIdOf } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { actorFault } from './lease-rules.ts';
import { payerFault } from './wallet-accounts.ts';
import { acceptWallet, moved, refuseWallet } from './wallet-ledger.ts';
import type { WalletVerdict } from './wallet-ledger.ts';
import { covers, withEmptiness } from './wallet-metering.ts';
import { fundRoom } from './wallet-room.ts';
import { receiptsWaitingMax } from './wallet-state.ts';
import type { EscrowState, SpendingState } from './wallet-state.ts';

/** How far a receipt may end ahead of log time: clocks differ, and ticks come once a second. */
const receiptAheadMsMax = 10_000;

/** Time over which an allowance counts what the lease holder spent, milliseconds of log time. */
const allowanceWindowMs = 30 * 86_400_000;

/**
 * Judges `grid.escrow.1`: money for one lock, in time and enough, or it stays where it is.
 *
 * 1. The lock is of this contract, has not lapsed, and nobody funded it before.
 * 2. The contract's owner is the buyer; it was agreed to, nobody halted it, and its term goes on.
 * 3. The amount is in the currency of the price, the least one or more, and within the budget.
 * 4. The buyer pays, or an account of several bots; the lease holder may do it within an allowance.
 */
export function judgeEscrow(view: GridView, record: JudgedRecord<'grid.escrow.1'>): WalletVerdict {
  const { value, moment } = record;
  const lock = view.current('grid.lock.1', value.lock);
  // A signer of an account hears of what it pays, not of the lock.
  if (lock === undefined && !isWhole(view)) return acceptWallet(view, []);
  if (lock === undefined) return refuseWallet('ESCROW_LOCK_UNKNOWN');
  const { from, amount, currency, contract } = value;
  const spending = view.money('spending', contract);
  const fault =
    lockFault(view, lock, value, moment.at) ??
    contractFault(view, record, spending) ??
    authorFault(view, lock, record, spending);
  if (fault !== undefined) return refuseWallet(fault);
  const isHolders = payerFault(view, from, record) !== undefined;
  const escrow: EscrowState = {
    ...{ kind: 'escrow', id: lock.id, from, funded: amount, released: '0', refunded: '0' },
    ...{ paidSeconds: 0, cursorMs: 0, receipts: [], objections: [] },
  };
  const spent = recentSpends(spending, moment.at);
  const next: SpendingState = {
    ...{ kind: 'spending', id: contract },
    funded: String(BigInt(spending?.funded ?? 0) + BigInt(amount)),
    byHolder: isHolders ? withSpend(spent, moment.at, amount) : spent,
  };
  const postings = moved(from, lock.id, BigInt(amount), currency);
  return acceptWallet(view, postings, escrow, next, ...fundRoom(view, lock));
}

/** Why nothing starts by a lock for want of money. */
export function fundingFault(view: GridView, lock: Lock, at: number): GridCode | undefined {
  const escrow = view.money('escrow', lock.id);
  if (escrow === undefined) return at < lock.expiresMs ? 'ESCROW_MISSING' : 'LOCK_MISSING';
  if (escrow.place?.untilMs !== undefined) return 'LOCK_ENDED';
  const isCovered = escrow.isClosed !== true && covers(lock, escrow, at, lock.price.perSeconds);
  return isCovered ? undefined : 'ESCROW_EMPTY';
}

/** The workload that a lock keeps room for. */
export function workloadOf({ contract, slot }: Lock): WorkloadId {
  return workloadIdOf(contract, slot.role, slot.replica);
}

/** Collects a receipt for the next release; nothing where its lock is not paid for. */
export function collectReceipt(
  view: GridView,
  { node, workload, lock: id, fromMs, toMs, healthySeconds }: Receipt,
  at: number,
): { readonly states: readonly EscrowState[] } | { readonly code: GridCode } {
  const lock = view.current('grid.lock.1', id ?? '');
  if (id === undefined || (lock === undefined && !isWhole(view))) return { states: [] };
  const isFit = lock?.node === node && workloadOf(lock) === workload;
  if (!isFit) return { code: 'RECEIPT_LOCK' };
  if (toMs > at + receiptAheadMsMax) return { code: 'RECEIPT_AHEAD' };
  const escrow = view.money('escrow', id);
  if (escrow?.place === undefined || escrow.isClosed === true) return { states: [] };
  const { receipts, cursorMs } = escrow;
  if (fromMs < Math.max(cursorMs, receipts.at(-1)?.[1] ?? 0)) return { code: 'RECEIPT_OVERLAPS' };
  if (receipts.length >= receiptsWaitingMax) return { code: 'RECEIPT_TOO_MANY' };
  const receipt = [fromMs, toMs, healthySeconds] as const;
  const next = { ...escrow, receipts: [...receipts, receipt] };
  return { states: [withEmptiness(lock, next, at)] };
}

function lockFault(view: GridView, lock: Lock, value: Escrow, at: number): WalletCode | undefined {
  if (value.contract !== lock.contract) return 'ESCROW_CONTRACT';
  if (view.money('escrow', lock.id) !== undefined) return 'ESCROW_FIXED';
  if (at >= lock.expiresMs) return 'ESCROW_LATE';
  if (at >= value.expMs) return 'ESCROW_EXPIRED';
  if (value.currency !== lock.price.currency) return 'ESCROW_CURRENCY';
  return BigInt(value.amount) < BigInt(lock.minFund) ? 'ESCROW_SHORT' : undefined;
}

function contractFault(
  view: GridView,
  { value, moment }: JudgedRecord<'grid.escrow.1'>,
  spending: SpendingState | undefined,
): WalletCode | undefined {
  const header = view.current('grid.contract.1', value.contract);
  const state = view.contract(value.contract);
  if (header === undefined || state === undefined) {
    return isWhole(view) ? 'ESCROW_CONTRACT' : undefined;
  }
  const buyer = view.current('grid.lock.1', value.lock)?.buyer;
  if (header.owner !== buyer) return 'ESCROW_NOT_OWNER';
  if (agreementFault(view, header, state) !== undefined) return 'ESCROW_NOT_AGREED';
  if (isHalted(view, state, moment)) return 'ESCROW_HALTED';
  if (moment.at >= header.term.untilMs || state.agreed.remove !== undefined) return 'ESCROW_ENDED';
  const { currency, total } = header.budget;
  if (value.currency !== currency) return 'ESCROW_CURRENCY';
  const after = BigInt(spending?.funded ?? 0) + BigInt(value.amount);
  return isWhole(view) && after > BigInt(total) ? 'ESCROW_BUDGET' : undefined;
}

function authorFault(
  view: GridView,
  { buyer }: Lock,
  record: JudgedRecord<'grid.escrow.1'>,
  spending: SpendingState | undefined,
): WalletCode | undefined {
  const { value, author, moment } = record;
  const { from, contract, amount, currency } = value;
  if (from.startsWith('bot:') && from !== buyer) return 'ESCROW_NOT_BUYER';
  // Who the buyer is everybody knows to whom the lock matters.
  const fault = payerFault(view, from, record, view.bot(from) !== undefined);
  if (fault === undefined || actorFault(view, contract, author, moment) !== undefined) return fault;
  const allowance = view.current('grid.allowance.1', contract);
  if (allowance === undefined) return isWhole(view) ? 'ALLOWANCE_MISSING' : undefined;
  const isFit = allowance.from === from && allowance.currency === currency;
  if (!isFit || moment.at >= allowance.expMs) return 'ALLOWANCE_MISSING';
  const spent = recentSpends(spending, moment.at).map((one) => BigInt(one.amount));
  const sum = spent.reduce((all, one) => all + one, BigInt(amount));
  return isWhole(view) && sum > BigInt(allowance.perMonth) ? 'ALLOWANCE_SPENT' : undefined;
}

/** Sums of an hour are one entry, so that a month of healing stays a short list. */
function withSpend(
  spent: SpendingState['byHolder'],
  at: number,
  amount: string,
): SpendingState['byHolder'] {
  const last = spent.at(-1);
  const isSameHour = last !== undefined && hourOf(last.at) === hourOf(at);
  if (!isSameHour) return [...spent, { at, amount }];
  return [...spent.slice(0, -1), { at, amount: String(BigInt(last.amount) + BigInt(amount)) }];
}

function hourOf(at: number): number {
  return Math.floor(at / 3_600_000);
}

function recentSpends(spending: SpendingState | undefined, at: number): SpendingState['byHolder'] {
  return (spending?.byHolder ?? []).filter((one) => at - one.at < allowanceWindowMs);
}
