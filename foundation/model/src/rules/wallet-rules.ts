import { recordTypes } from '../record-types.ts';
import type { RecordUrl } from '../record-types.ts';
import { isWhole } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind } from './keys.ts';
import {
  judgeAccount,
  judgeConsent,
  judgeCurrency,
  payerFault,
  spentConsents,
} from './wallet-accounts.ts';
import { judgeEscrow } from './wallet-escrow.ts';
import { acceptWallet, refuseWallet } from './wallet-ledger.ts';
import type { WalletVerdict } from './wallet-ledger.ts';
import { judgeObjection } from './wallet-objection.ts';
import { judgeRefund, judgeRelease } from './wallet-release.ts';
import { judgeSettlement, judgeTransfer } from './wallet-transfers.ts';

/** Types of the records that these rules judge. */
export type WalletUrl = keyof typeof rules;

/** Whether a record of this type is judged here. */
export function isWalletUrl(url: string): url is WalletUrl {
  return Object.hasOwn(rules, url);
}

/**
 * Judges a record about money: refused with a code, or the postings and states that follow. Pure: no
 * clock but log time, no chance, no input or output, whole numbers only.
 */
export function judgeWallet(view: GridView, record: JudgedRecord<WalletUrl>): WalletVerdict {
  if (record.op !== 'put') return refuseWallet('WALLET_PERMANENT');
  if (recordTypes.get(record.url)?.objectOf(record.value) !== record.obj) {
    return refuseWallet('WALLET_OBJECT_MISMATCH');
  }
  return (rules[record.url] as Rule)(view, record);
}

/** Judges `grid.allowance.1`: by the contract's owner, for an account that he may use. */
function judgeAllowance(view: GridView, record: JudgedRecord<'grid.allowance.1'>): WalletVerdict {
  const { value, author, moment } = record;
  const owner = view.current('grid.contract.1', value.contract)?.owner;
  if (owner === undefined) {
    return isWhole(view) ? refuseWallet('ALLOWANCE_CONTRACT_UNKNOWN') : acceptWallet(view, []);
  }
  if (botBehind(view, author, 'device', moment) !== owner) {
    return refuseWallet('ALLOWANCE_NOT_OWNER');
  }
  const fault = payerFault(view, value.from, record);
  if (fault !== undefined) return refuseWallet(fault);
  return acceptWallet(view, [], ...spentConsents(view, value.from, record));
}

type Rule = (view: GridView, record: JudgedRecord) => WalletVerdict;

const rules = {
  'grid.account.1': judgeAccount,
  'grid.allowance.1': judgeAllowance,
  'grid.consent.1': judgeConsent,
  'grid.currency.1': judgeCurrency,
  'grid.escrow.1': judgeEscrow,
  'grid.objection.1': judgeObjection,
  'grid.refund.1': judgeRefund,
  'grid.release.1': judgeRelease,
  'grid.settlement.1': judgeSettlement,
  'grid.transfer.1': judgeTransfer,
} as const satisfies { readonly [Url in RecordUrl]?: unknown };
