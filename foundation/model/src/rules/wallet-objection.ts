import type { WalletCode } from '../errors.ts';
import type { Lock } from '../records/lock.ts';
import type { Objection } from '../records/objection.ts';
import { isWhole } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind } from './keys.ts';
import { actorFault } from './lease-rules.ts';
import { workloadOf } from './wallet-escrow.ts';
import { acceptWallet, refuseWallet } from './wallet-ledger.ts';
import type { WalletVerdict } from './wallet-ledger.ts';
import { objectionsMax } from './wallet-state.ts';
import type { EscrowState, ObjectionParty, ObjectionState, ObjectionWord } from './wallet-state.ts';

/**
 * Judges `grid.objection.1`: the buyer or the controller objects to seconds that are not released and
 * not older than the time for disputes; then the parties say what is to become of them.
 */
export function judgeObjection(
  view: GridView,
  record: JudgedRecord<'grid.objection.1'>,
): WalletVerdict {
  const { value } = record;
  const lock = view.current('grid.lock.1', value.lock);
  const escrow = view.money('escrow', value.lock);
  if (lock === undefined || escrow === undefined) {
    return isWhole(view) ? refuseWallet('OBJECTION_NOT_FUNDED') : acceptWallet(view, []);
  }
  if (workloadOf(lock) !== value.workload) return refuseWallet('OBJECTION_MISMATCH');
  if (escrow.isClosed === true) return refuseWallet('OBJECTION_LATE');
  return value.says === 'object'
    ? object(view, lock, escrow, record)
    : decide(view, lock, escrow, record, value.says);
}

/** What became of an objection: two parties agree, or nobody did in time; undefined while it is open. */
export function outcomeOf(
  lock: Pick<Lock, 'disputeMs' | 'onDispute'>,
  { words, moment }: ObjectionState,
  at: number,
): ObjectionWord | undefined {
  const said = Object.values(words);
  for (const word of ['pay', 'refund'] as const) {
    if (said.filter((one) => one === word).length >= 2) return word;
  }
  return at >= moment.at + lock.disputeMs ? lock.onDispute : undefined;
}

function object(
  view: GridView,
  lock: Lock,
  escrow: EscrowState,
  { value, author, moment }: JudgedRecord<'grid.objection.1'>,
): WalletVerdict {
  const { id, by, fromMs, toMs } = value;
  const isBuyer = botBehind(view, author, 'device', moment) === lock.buyer && by === lock.buyer;
  const isController =
    view.holderOf(author) === by && actorFault(view, lock.contract, author, moment) === undefined;
  if (isWhole(view) && !isBuyer && !isController) return refuseWallet('OBJECTION_NOT_PARTY');
  const known = escrow.objections.some((one) => one.id === id);
  const fault = known ? 'OBJECTION_FIXED' : spanFault(lock, escrow, value, moment.at);
  if (fault !== undefined) return refuseWallet(fault);
  if (escrow.objections.length >= objectionsMax) return refuseWallet('OBJECTION_TOO_MANY');
  // Who objects to pay has said what he wants.
  const words = by === lock.buyer ? { buyer: 'refund' as const } : {};
  const objection: ObjectionState = { id, span: [fromMs, toMs], moment, words };
  return acceptWallet(view, [], { ...escrow, objections: [...escrow.objections, objection] });
}

function spanFault(
  { disputeMs }: Lock,
  { cursorMs }: EscrowState,
  { fromMs, toMs }: Objection,
  at: number,
): WalletCode | undefined {
  if (fromMs >= toMs || toMs > at) return 'OBJECTION_INTERVAL';
  return fromMs < cursorMs || fromMs < at - disputeMs ? 'OBJECTION_LATE' : undefined;
}

function decide(
  view: GridView,
  lock: Lock,
  escrow: EscrowState,
  { value, author, moment }: JudgedRecord<'grid.objection.1'>,
  word: ObjectionWord,
): WalletVerdict {
  const { id, by, fromMs, toMs } = value;
  const party = partyOf(lock, by);
  const isSigned = !isWhole(view) || botBehind(view, author, 'device', moment) === by;
  if (party === undefined || !isSigned) return refuseWallet('OBJECTION_NOT_PARTY');
  const objection = escrow.objections.find((one) => one.id === id);
  if (objection?.span[0] !== fromMs || objection.span[1] !== toMs) {
    return refuseWallet('OBJECTION_MISMATCH');
  }
  if (outcomeOf(lock, objection, moment.at) !== undefined) {
    return refuseWallet('OBJECTION_SETTLED');
  }
  const next = { ...objection, words: { ...objection.words, [party]: word } };
  const objections = escrow.objections.map((one) => (one === objection ? next : one));
  return acceptWallet(view, [], { ...escrow, objections });
}

/** A bot has one part: an arbiter who is a party as well arbitrates nothing. */
function partyOf({ buyer, farmer, arbiter }: Lock, bot: string): ObjectionParty | undefined {
  if (bot === buyer) return 'buyer';
  if (bot === farmer) return 'farmer';
  return bot === arbiter ? 'arbiter' : undefined;
}
