import { createHash } from 'node:crypto';
import { GridError } from '@commongrid/base';
import { parse } from '@commongrid/model';
import type {
  AccountId,
  Amount,
  LockId,
  RecordOf,
  SharedAccountId,
  Transfer,
  TransferId,
} from '@commongrid/model';
import type { WalletErrorCode } from './errors.ts';
import type { LedgerView } from './rail.ts';

/** How long what is signed at once waits to take effect, ms of log time. */
export const signedForMs = 600_000;

/** What is said for an account, which may be one of several bots. */
const orderUrls = [
  'grid.account.1',
  'grid.allowance.1',
  'grid.escrow.1',
  'grid.transfer.1',
] as const;
type OrderUrl = (typeof orderUrls)[number];

/** A record that is ready to be said: signers of a shared account consent to exactly this. */
export type Order = {
  readonly [Url in OrderUrl]: { readonly url: Url; readonly value: RecordOf<Url> };
}[OrderUrl];

/** Whose yes an order takes, and until when. */
export interface OrderTerms {
  /** Whose money it is; default: the bot's own. */
  readonly from?: AccountId;
  /** How long it may wait to take effect, ms; default: ten minutes. Other signers need that time. */
  readonly validMs?: number;
}

export interface TransferOrder extends OrderTerms {
  /**
   * Whoever orders this names it, the same each time: an order that is repeated, after a crash too, pays
   * once. The id of the transfer is made of it.
   */
  readonly key: string;
  readonly to: AccountId;
  /** Smallest units. */
  readonly amount: bigint;
  readonly currency: string;
  readonly memo?: string;
  readonly condition?: Transfer['condition'];
}

export interface EscrowOrder extends OrderTerms {
  readonly lock: LockId;
  /** Smallest units; default: the least that the lock asks for. */
  readonly amount?: bigint;
}

/** What an order is that comes from elsewhere. @throws WALLET_ORDER_INVALID, MODEL_RECORD_INVALID */
export function parseOrder(input: unknown): Order {
  const { url, value } = Object(input) as { readonly url?: unknown; readonly value?: unknown };
  const known = orderUrls.find((one) => one === url);
  if (known !== undefined) return { url: known, value: parse(known, value) } as Order;
  throw new GridError<WalletErrorCode>('WALLET_ORDER_INVALID', 'this is no order of a wallet', {
    hint: 'give a file that was written with --order',
  });
}

/** The account that an order is said for. */
export function accountOfOrder({ url, value }: Order): AccountId {
  return url === 'grid.account.1' ? value.id : value.from;
}

/** An account of several bots; undefined for that of one. */
export function sharedAccount(account: AccountId): SharedAccountId | undefined {
  return account.startsWith('account:') ? (account as SharedAccountId) : undefined;
}

export function transferOf(
  { key, to, amount, currency, memo, condition, validMs = signedForMs }: TransferOrder,
  { log, from, at }: { readonly log: string; readonly from: AccountId; readonly at: number },
): Transfer {
  return {
    ...{ id: transferId(log, from, key), from, to, currency },
    ...{ amount: String(amount) as Amount, expMs: at + validMs },
    ...(memo === undefined ? {} : { memo }),
    ...(condition === undefined ? {} : { condition }),
  };
}

/** @throws WALLET_LOCK_UNKNOWN */
export function escrowOf(
  { lock: id, amount, validMs = signedForMs }: EscrowOrder,
  from: AccountId,
  { fold, at }: LedgerView,
): RecordOf<'grid.escrow.1'> {
  const lock = fold.current('grid.lock.1', id);
  if (lock === undefined) {
    throw new GridError<WalletErrorCode>('WALLET_LOCK_UNKNOWN', `no lock ${id} is known`, {
      hint: 'ask the farmer whether it was made, and for whom',
      details: { lock: id },
    });
  }
  return {
    ...{ lock: lock.id, contract: lock.contract, from },
    amount: String(amount ?? lock.minFund) as Amount,
    ...{ currency: lock.price.currency, expMs: at + validMs },
  };
}

/**
 * Whether the ledger has the order.
 * @throws WALLET_KEY_REUSED where it has another transfer of that id
 */
export function isOrdered({ fold }: LedgerView, { url, value }: Order): boolean {
  if (url === 'grid.account.1')
    return (fold.current(url, value.id)?.revision ?? 0) >= value.revision;
  if (url === 'grid.allowance.1') return isSame(fold.current(url, value.contract), value);
  if (url === 'grid.escrow.1') return fold.money('escrow', value.lock) !== undefined;
  const known = fold.current(url, value.id);
  if (known === undefined) return false;
  if (isSameTransfer(known, value)) return true;
  throw new GridError<WalletErrorCode>('WALLET_KEY_REUSED', `${value.id} is another transfer`, {
    hint: 'choose another key for another transfer',
    details: { id: value.id, to: known.to, amount: known.amount, currency: known.currency },
  });
}

/** 16 bytes of a hash: nobody else finds the same, and the same order does. */
function transferId(log: string, from: AccountId, key: string): TransferId {
  const hash = createHash('sha256')
    .update(JSON.stringify([log, from, key]))
    .digest();
  return `transfer:${hash.subarray(0, 16).toString('base64url')}` as TransferId;
}

type Allowance = RecordOf<'grid.allowance.1'>;

function isSame(one: Allowance | undefined, other: Allowance): boolean {
  const facts = ({ from, perMonth, currency, expMs }: Allowance): string =>
    JSON.stringify([from, perMonth, currency, expMs]);
  return one !== undefined && facts(one) === facts(other);
}

function isSameTransfer(one: Transfer, other: Transfer): boolean {
  const facts = ({ from, to, amount, currency, memo = '', condition }: Transfer): string =>
    JSON.stringify([from, to, amount, currency, memo, condition?.hash, condition?.untilMs]);
  return facts(one) === facts(other);
}
