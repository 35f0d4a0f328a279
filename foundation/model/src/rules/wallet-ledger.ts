import type { WalletCode } from '../errors.ts';
import { isWhole } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import type { BalanceState, HolderId, MoneyView, WalletState } from './wallet-state.ts';

/** One line of an entry: an account gets an amount, or gives it when that is below zero. */
export interface Posting {
  readonly account: HolderId;
  readonly currency: string;
  /** Smallest units. */
  readonly amount: bigint;
}

export type WalletVerdict =
  | {
      readonly isAccepted: true;
      readonly states: readonly WalletState[];
      readonly postings: readonly Posting[];
    }
  | { readonly isAccepted: false; readonly code: WalletCode };

export function refuseWallet(code: WalletCode): WalletVerdict {
  return { isAccepted: false, code };
}

/** An amount goes from one account to another; nothing where it is zero. */
export function moved(
  from: HolderId,
  to: HolderId,
  amount: bigint,
  currency: string,
): readonly Posting[] {
  if (amount === 0n) return [];
  return [
    { account: from, currency, amount: -amount },
    { account: to, currency, amount },
  ];
}

/**
 * Accepts a record with the money that it moves. Postings sum to zero by the way they are made;
 * whoever has all records refuses what an account does not have.
 */
export function acceptWallet(
  view: GridView,
  postings: readonly Posting[],
  ...states: readonly WalletState[]
): WalletVerdict {
  const balances = new Map<string, BalanceState>();
  for (const { account, currency, amount } of postings) {
    const id = balanceId(account, currency);
    const before = BigInt((balances.get(id) ?? view.money('balance', id))?.amount ?? 0);
    const after = before + amount;
    if (amount < 0n && isWhole(view)) {
      const fault = shortFault(view, account, currency, after);
      if (fault !== undefined) return refuseWallet(fault);
    }
    balances.set(id, { kind: 'balance', id, amount: String(after) });
  }
  return { isAccepted: true, states: [...balances.values(), ...states], postings };
}

/** What an account has of a currency, smallest units. */
export function balanceOf(view: MoneyView, account: HolderId, currency: string): bigint {
  return BigInt(view.money('balance', balanceId(account, currency))?.amount ?? 0);
}

/** Only who issues a currency goes below zero, and not below what may be out at most. */
function shortFault(
  view: GridView,
  account: HolderId,
  code: string,
  after: bigint,
): WalletCode | undefined {
  if (after >= 0n) return undefined;
  const currency = view.current('grid.currency.1', code);
  if (currency?.issuer !== account) return 'FUNDS_SHORT';
  const { maxSupply } = currency;
  return maxSupply !== undefined && -after > BigInt(maxSupply) ? 'CURRENCY_SUPPLY' : undefined;
}

function balanceId(account: HolderId, currency: string): string {
  return `${account} ${currency}`;
}
