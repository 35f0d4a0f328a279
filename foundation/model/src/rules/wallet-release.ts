import type { WalletCode } from '../errors.ts';
import type { Lock } from '../records/lock.ts';
import { isWhole } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind } from './keys.ts';
import { workloadOf } from './wallet-escrow.ts';
import { acceptWallet, moved, refuseWallet } from './wallet-ledger.ts';
import type { Posting, WalletVerdict } from './wallet-ledger.ts';
import {
  dueFor,
  overlaps,
  payableSeconds,
  reportedSeconds,
  withEmptiness,
} from './wallet-metering.ts';
import { outcomeOf } from './wallet-objection.ts';
import { freeRoom } from './wallet-room.ts';
import { heldBy } from './wallet-state.ts';
import type { EscrowState, Span, WalletState } from './wallet-state.ts';

/** How long after an end the last receipt and the last summary of presence may take, ms of log time. */
export const lastReportsMs = 2 * 3_600_000;

/**
 * Judges `grid.release.1`: pays the farmer what is due for the receipts that end by `toMs`, all of
 * which the buyer could have objected to. No receipt is paid twice: the cursor moves to the end of the
 * last one.
 */
export function judgeRelease(
  view: GridView,
  record: JudgedRecord<'grid.release.1'>,
): WalletVerdict {
  const { value, moment, author } = record;
  const lock = view.current('grid.lock.1', value.lock);
  const escrow = view.money('escrow', value.lock);
  if (lock === undefined || escrow === undefined) {
    return isWhole(view) ? refuseWallet('RELEASE_NOT_FUNDED') : acceptWallet(view, []);
  }
  if (workloadOf(lock) !== value.workload) return refuseWallet('RELEASE_WORKLOAD');
  if (isWhole(view) && botBehind(view, author, 'device', moment) !== lock.farmer) {
    return refuseWallet('RELEASE_NOT_FARMER');
  }
  if (moment.at >= value.expMs) return refuseWallet('RELEASE_EXPIRED');
  if (escrow.isClosed === true) return refuseWallet('RELEASE_CLOSED');
  if (value.toMs > moment.at - lock.disputeMs) return refuseWallet('RELEASE_EARLY');
  if (value.toMs <= escrow.cursorMs) return refuseWallet('RELEASE_REPLAYED');
  const settled = settleUntil(view, lock, escrow, value.toMs, moment.at);
  if ('code' in settled) return refuseWallet(settled.code);
  const { state, postings } = settled;
  return acceptWallet(view, postings, ...closedIfEmpty(view, lock, state, moment.at));
}

/**
 * Judges `grid.refund.1`. The farmer gives back what is not earned, whenever he likes. The buyer gets
 * the rest once nothing more can be earned and objected to; the farmer is paid first.
 */
export function judgeRefund(view: GridView, record: JudgedRecord<'grid.refund.1'>): WalletVerdict {
  const { value, moment, author } = record;
  const lock = view.current('grid.lock.1', value.lock);
  const escrow = view.money('escrow', value.lock);
  if (lock === undefined || escrow === undefined) {
    return isWhole(view) ? refuseWallet('REFUND_NOT_FUNDED') : acceptWallet(view, []);
  }
  if (escrow.isClosed === true) return refuseWallet('REFUND_CLOSED');
  const bot = botBehind(view, author, 'device', moment);
  // A reader that was not told of the keys knows by the time who it was.
  const isBuyer = bot === lock.buyer || (bot !== lock.farmer && !isWhole(view));
  const isOver = moment.at >= (endOf(view, lock, escrow) ?? Infinity);
  if (isBuyer && isOver) return refundRest(view, lock, escrow, moment.at);
  if (bot === lock.farmer) return refundUnearned(view, lock, escrow, moment.at);
  return refuseWallet(isBuyer ? 'REFUND_EARLY' : 'REFUND_NOT_PARTY');
}

/** The log time from which the buyer may have the rest; undefined while that is not known. */
export function endOf(view: GridView, lock: Lock, { place }: EscrowState): number | undefined {
  // A place that nobody was given costs nothing.
  if (place === undefined) return lock.expiresMs;
  const term = view.current('grid.contract.1', lock.contract)?.term;
  const termMs = term === undefined ? undefined : term.untilMs + term.graceMs;
  const endMs = Math.min(place.untilMs ?? Infinity, termMs ?? Infinity);
  return Number.isFinite(endMs) ? endMs + lock.disputeMs + lastReportsMs : undefined;
}

/** What a release up to a time would pay, smallest units; or why none can be made. */
export function releasable(
  view: GridView,
  lock: Lock,
  toMs: number,
  at: number,
): { readonly amount: bigint } | { readonly code: WalletCode } {
  const escrow = view.money('escrow', lock.id);
  if (escrow === undefined) return { code: 'RELEASE_NOT_FUNDED' };
  const settled = settleUntil(view, lock, escrow, toMs, at);
  return 'code' in settled ? settled : { amount: settled.amount };
}

interface Settled {
  readonly state: EscrowState;
  readonly amount: bigint;
  readonly postings: readonly Posting[];
}

function settleUntil(
  view: GridView,
  lock: Lock,
  escrow: EscrowState,
  toMs: number,
  at: number,
): Settled | { readonly code: WalletCode } {
  const covered = escrow.receipts.filter(([, end]) => end <= toMs);
  const [first, last] = [covered[0], covered.at(-1)];
  if (first === undefined || last === undefined) return { code: 'RELEASE_NOTHING' };
  const span: Span = [first[0], last[1]];
  const judged = escrow.objections.map((one) => ({
    span: one.span,
    outcome: outcomeOf(lock, one, at),
  }));
  const isDisputed = judged.some((one) => one.outcome === undefined && overlaps(one.span, span));
  if (isDisputed) return { code: 'RELEASE_DISPUTED' };
  const refunded = judged.flatMap((one) => (one.outcome === 'refund' ? [one.span] : []));
  const seconds = covered.reduce(
    (sum, receipt) => sum + payableSeconds(view, lock.node, escrow, receipt, refunded),
    escrow.paidSeconds,
  );
  const due = dueFor(lock, seconds) - BigInt(escrow.released);
  const held = heldBy(escrow);
  const amount = due < held ? due : held;
  const state: EscrowState = {
    ...escrow,
    released: String(BigInt(escrow.released) + amount),
    paidSeconds: seconds,
    cursorMs: last[1],
    receipts: escrow.receipts.slice(covered.length),
    objections: escrow.objections.filter((one) => one.span[1] > last[1]),
  };
  return { state, amount, postings: moved(lock.id, lock.farmer, amount, lock.price.currency) };
}

function refundRest(view: GridView, lock: Lock, escrow: EscrowState, at: number): WalletVerdict {
  const settled = settleUntil(view, lock, escrow, at, at);
  if ('code' in settled && settled.code !== 'RELEASE_NOTHING')
    return refuseWallet('REFUND_DISPUTED');
  const { state, postings } = 'code' in settled ? { state: escrow, postings: [] } : settled;
  return giveBack(view, lock, state, { amount: heldBy(state), paid: postings, isEnd: true, at });
}

function refundUnearned(
  view: GridView,
  lock: Lock,
  escrow: EscrowState,
  at: number,
): WalletVerdict {
  const earned = dueFor(lock, escrow.paidSeconds + reportedSeconds(escrow));
  const amount = heldBy(escrow) - (earned - BigInt(escrow.released));
  if (amount <= 0n) return refuseWallet('REFUND_NOTHING');
  return giveBack(view, lock, escrow, { amount, paid: [], isEnd: false, at });
}

interface GivenBack {
  readonly amount: bigint;
  readonly paid: readonly Posting[];
  readonly isEnd: boolean;
  readonly at: number;
}

function giveBack(
  view: GridView,
  lock: Lock,
  escrow: EscrowState,
  { amount, paid, isEnd, at }: GivenBack,
): WalletVerdict {
  const refunded = String(BigInt(escrow.refunded) + amount);
  const state: EscrowState = { ...escrow, refunded, ...(isEnd ? { isClosed: true } : {}) };
  const back = moved(lock.id, escrow.from, amount, lock.price.currency);
  const spending = view.money('spending', lock.contract);
  const funded = String(BigInt(spending?.funded ?? amount) - amount);
  const less = spending === undefined ? [] : [{ ...spending, funded }];
  return acceptWallet(view, [...paid, ...back], ...less, ...closedIfEmpty(view, lock, state, at));
}

/** An escrow that holds nothing any more ends, and so does the room that was kept for it. */
function closedIfEmpty(
  view: GridView,
  lock: Lock,
  state: EscrowState,
  at: number,
): readonly WalletState[] {
  const isEmpty = heldBy(state) === 0n && BigInt(state.funded) > 0n;
  if (state.isClosed !== true && !isEmpty) return [withEmptiness(lock, state, at)];
  const closed: EscrowState = { ...state, receipts: [], objections: [], isClosed: true };
  return [withEmptiness(lock, closed, at), ...freeRoom(view, lock)];
}
