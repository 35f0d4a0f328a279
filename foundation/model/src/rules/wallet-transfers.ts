import { createHash } from 'node:crypto';
import type { WalletCode } from '../errors.ts';
import type { Settlement } from '../records/settlement.ts';
import type { Transfer } from '../records/transfer.ts';
import { isWhole } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { isUnknownAccount, payerFault } from './wallet-accounts.ts';
import { acceptWallet, moved, refuseWallet } from './wallet-ledger.ts';
import type { WalletVerdict } from './wallet-ledger.ts';
import type { HoldState } from './wallet-state.ts';

/** What the preimage of a condition hashes to: SHA-256 of its 32 bytes, base64url. */
export function conditionHash(preimage: string): string {
  return createHash('sha256').update(preimage, 'base64url').digest('base64url');
}

/** Judges `grid.transfer.1`: signed for the payer, once for an id. */
export function judgeTransfer(
  view: GridView,
  record: JudgedRecord<'grid.transfer.1'>,
): WalletVerdict {
  const { value, moment } = record;
  const { id, from, to, amount, currency, condition } = value;
  const fault = transferFault(view, value, moment.at) ?? payerFault(view, from, record);
  if (fault !== undefined) return refuseWallet(fault);
  const sum = BigInt(amount);
  if (condition === undefined) return acceptWallet(view, moved(from, to, sum, currency));
  const { hash, untilMs } = condition;
  const hold: HoldState = { kind: 'hold', id, from, to, amount, currency, hash, untilMs };
  return acceptWallet(view, moved(from, id, sum, currency), hold);
}

/**
 * Judges `grid.settlement.1`. Who appends it does not matter: it pays whom the transfer names, or gives
 * back to whom it came from.
 */
export function judgeSettlement(
  view: GridView,
  { value, moment }: JudgedRecord<'grid.settlement.1'>,
): WalletVerdict {
  const hold = view.money('hold', value.transfer);
  if (hold === undefined) {
    return isWhole(view) ? refuseWallet('SETTLEMENT_UNKNOWN') : acceptWallet(view, []);
  }
  const fault = settlementFault(hold, value, moment.at);
  if (fault !== undefined) return refuseWallet(fault);
  const { id, from, to, amount, currency } = hold;
  const isPaid = value.preimage !== undefined;
  const postings = moved(id, isPaid ? to : from, BigInt(amount), currency);
  return acceptWallet(view, postings, { ...hold, outcome: isPaid ? 'paid' : 'returned' });
}

function transferFault(
  view: GridView,
  { id, from, to, amount, currency, expMs, condition }: Transfer,
  at: number,
): WalletCode | undefined {
  if (view.current('grid.transfer.1', id) !== undefined) return 'TRANSFER_FIXED';
  if (expMs <= at) return 'TRANSFER_EXPIRED';
  if (BigInt(amount) === 0n) return 'TRANSFER_NOTHING';
  if (from === to) return 'TRANSFER_SELF';
  if (condition !== undefined && condition.untilMs <= at) return 'TRANSFER_CONDITION';
  if (isUnknownAccount(view, to)) return 'ACCOUNT_UNKNOWN';
  const isKnown = !isWhole(view) || view.current('grid.currency.1', currency) !== undefined;
  return isKnown ? undefined : 'CURRENCY_UNKNOWN';
}

function settlementFault(
  { hash, untilMs, outcome }: HoldState,
  { preimage }: Settlement,
  at: number,
): WalletCode | undefined {
  if (outcome !== undefined) return 'SETTLEMENT_SETTLED';
  if (preimage === undefined) return at < untilMs ? 'SETTLEMENT_EARLY' : undefined;
  if (at >= untilMs) return 'SETTLEMENT_LATE';
  return conditionHash(preimage) === hash ? undefined : 'SETTLEMENT_PREIMAGE';
}
