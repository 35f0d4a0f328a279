import { createHash } from 'node:crypto';
import { GridError } from '@commongrid/base';
import { balanceOf, consentSubject, heldBy } from '@commongrid/model';
import type {
  AccountId,
  Account,
  Amount,
  Currency,
  GridFold,
  LockId,
  RecordOf,
  SharedAccountId,
  Transfer,
  TransferId,
  WalletUrl,
} from '@commongrid/model';
import type { WalletErrorCode } from './errors.ts';
import type { LedgerView, Rail } from './rail.ts';
import { duties } from './duties.ts';
import type { Duty } from './duties.ts';
import { statementOf } from './statement.ts';
import type { StatementLine } from './statement.ts';

/** How long what is signed here waits to take effect, ms of log time. */
const signedForMs = 600_000;

export interface TransferOrder {
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

export interface Balance {
  readonly currency: string;
  /** Smallest units; below zero for who issues the currency. */
  readonly amount: bigint;
}

export interface WaitOptions {
  readonly signal?: AbortSignal;
}

/**
 * The money of one bot. What is ordered is a record that names itself, so the log is the journal: an
 * order that was cut off anywhere is given again, and has its effect once.
 */
export class Wallet {
  readonly #rail: Rail;

  constructor(rail: Rail) {
    this.#rail = rail;
  }

  /** What an account has, by currency; the bot's own unless another is named. @throws WALLET_ACCOUNT_UNSEEN */
  async balances(
    account: AccountId = this.#rail.bot,
    options: WaitOptions = {},
  ): Promise<readonly Balance[]> {
    const { fold } = await this.#rail.sync(options);
    requireSeen(fold, account);
    const own = [...fold.moneyOf('balance')].flatMap(({ id }): Balance[] => {
      const [holder, currency = ''] = id.split(' ');
      return holder === account ? [{ currency, amount: balanceOf(fold, account, currency) }] : [];
    });
    return own.toSorted((one, other) => (one.currency < other.currency ? -1 : 1));
  }

  /** Everything that moved money of an account. @throws WALLET_ACCOUNT_UNSEEN */
  async statement(
    account: AccountId = this.#rail.bot,
    options: WaitOptions = {},
  ): Promise<readonly StatementLine[]> {
    const { fold } = await this.#rail.sync(options);
    requireSeen(fold, account);
    return statementOf(fold.entries(), account);
  }

  /**
   * Pays from the bot's own account.
   * @throws WALLET_KEY_REUSED, BCDB_RULE_BROKEN
   */
  async transfer(order: TransferOrder, options: WaitOptions = {}): Promise<TransferId> {
    const { at } = await this.#rail.sync(options);
    const value = this.transferRecord(order, this.#rail.bot, at);
    await this.pay(value, options);
    return value.id;
  }

  /** The record of an order; signers of a shared account consent to exactly this. */
  transferRecord(order: TransferOrder, from: AccountId, at: number): Transfer {
    const { key, to, amount, currency, memo, condition } = order;
    return {
      ...{ id: transferId(this.#rail.log, from, key), from, to, currency },
      ...{ amount: String(amount) as Amount, expMs: at + signedForMs },
      ...(memo === undefined ? {} : { memo }),
      ...(condition === undefined ? {} : { condition }),
    };
  }

  /** Appends a transfer that was prepared. @throws WALLET_KEY_REUSED, BCDB_RULE_BROKEN */
  async pay(value: Transfer, options: WaitOptions = {}): Promise<void> {
    const find = ({ fold }: LedgerView): boolean => {
      const known = fold.current('grid.transfer.1', value.id);
      if (known === undefined) return false;
      if (isSameOrder(known, value)) return true;
      throw new GridError<WalletErrorCode>('WALLET_KEY_REUSED', `${value.id} is another transfer`, {
        hint: 'choose another key for another transfer',
        details: { id: value.id, to: known.to, amount: known.amount, currency: known.currency },
      });
    };
    await this.#once('grid.transfer.1', value, find, options);
  }

  /**
   * Puts money aside for a lock: its least amount unless more is said. Nothing is paid for a lock that has
   * lapsed: the log refuses that.
   * @throws WALLET_LOCK_UNKNOWN, BCDB_RULE_BROKEN
   */
  async fund(
    order: { readonly lock: LockId; readonly amount?: bigint; readonly from?: AccountId },
    options: WaitOptions = {},
  ): Promise<void> {
    const { fold, at } = await this.#rail.sync(options);
    const lock = fold.current('grid.lock.1', order.lock);
    if (lock === undefined) {
      throw new GridError<WalletErrorCode>(
        'WALLET_LOCK_UNKNOWN',
        `no lock ${order.lock} is known`,
        {
          hint: 'ask the farmer whether it was made, and for whom',
          details: { lock: order.lock },
        },
      );
    }
    const value = {
      ...{ lock: lock.id, contract: lock.contract, from: order.from ?? this.#rail.bot },
      amount: String(order.amount ?? lock.minFund) as Amount,
      ...{ currency: lock.price.currency, expMs: at + signedForMs },
    };
    const isFunded = (view: LedgerView) => view.fold.money('escrow', lock.id) !== undefined;
    await this.#once('grid.escrow.1', value, isFunded, options);
  }

  /**
   * Does what is due now: a farmer asks for pay that nobody can object to any more, a buyer for what is
   * left of places that ended. To be called again and again. @returns what was done
   */
  async settle(options: WaitOptions = {}): Promise<readonly Duty[]> {
    const view = await this.#rail.sync(options);
    const done: Duty[] = [];
    for (const duty of duties(view, this.#rail.bot)) {
      await this.#do(duty, view, options);
      done.push(duty);
    }
    return done;
  }

  /** The farmer gives back what he has not earned of an escrow. @throws BCDB_RULE_BROKEN */
  async giveBack(lock: LockId, options: WaitOptions = {}): Promise<void> {
    const { fold } = await this.#rail.sync(options);
    const before = fold.money('escrow', lock);
    const held = before === undefined ? 0n : heldBy(before);
    const isDone = (view: LedgerView): boolean => {
      const now = view.fold.money('escrow', lock);
      return now !== undefined && (now.isClosed === true || heldBy(now) < held);
    };
    await this.#once('grid.refund.1', { lock }, isDone, options);
  }

  /** Makes a currency known, or changes what may change of it. @throws BCDB_RULE_BROKEN */
  async issue(value: Currency, options: WaitOptions = {}): Promise<void> {
    await this.#rail.say('grid.currency.1', value, options);
  }

  /** Makes a shared account, or the next revision of one. @throws BCDB_RULE_BROKEN */
  async putAccount(value: Account, options: WaitOptions = {}): Promise<void> {
    const isThere = ({ fold }: LedgerView): boolean =>
      (fold.current('grid.account.1', value.id)?.revision ?? 0) >= value.revision;
    await this.#once('grid.account.1', value, isThere, options);
  }

  /** Agrees to a record that another signer of a shared account will append. @throws BCDB_RULE_BROKEN */
  async consent<Url extends WalletUrl>(
    account: SharedAccountId,
    url: Url,
    value: RecordOf<Url>,
    options: WaitOptions = {},
  ): Promise<void> {
    const { at } = await this.#rail.sync(options);
    const subject = consentSubject({ log: this.#rail.log, url, value });
    const yes = { subject, account, by: this.#rail.bot, expMs: at + signedForMs };
    await this.#rail.say('grid.consent.1', yes, options);
  }

  async #do(duty: Duty, { at }: LedgerView, options: WaitOptions): Promise<void> {
    const { lock } = duty;
    const closed = ({ fold }: LedgerView): boolean => fold.money('escrow', lock)?.isClosed === true;
    if (duty.is === 'refund') return this.#once('grid.refund.1', { lock }, closed, options);
    const { workload, toMs } = duty;
    const isPaid = (view: LedgerView): boolean => {
      const cursorMs = view.fold.money('escrow', lock)?.cursorMs ?? 0;
      return cursorMs >= toMs || closed(view);
    };
    const value = { lock, workload, toMs, expMs: at + signedForMs };
    await this.#once('grid.release.1', value, isPaid, options);
  }

  /** Says what the ledger does not have yet. A refusal of what it has meanwhile is none. */
  async #once<Url extends WalletUrl>(
    url: Url,
    value: RecordOf<Url>,
    isThere: (view: LedgerView) => boolean,
    options: WaitOptions,
  ): Promise<void> {
    if (isThere(await this.#rail.sync(options))) return;
    try {
      await this.#rail.say(url, value, options);
    } catch (error) {
      if (isThere(await this.#rail.sync(options))) return;
      throw error;
    }
  }
}

/** 16 bytes of a hash: nobody else finds the same, and the same order does. */
function transferId(log: string, from: AccountId, key: string): TransferId {
  const hash = createHash('sha256')
    .update(JSON.stringify([log, from, key]))
    .digest();
  return `transfer:${hash.subarray(0, 16).toString('base64url')}` as TransferId;
}

function isSameOrder(one: Transfer, other: Transfer): boolean {
  const facts = ({ from, to, amount, currency, memo = '', condition }: Transfer): string =>
    JSON.stringify([from, to, amount, currency, memo, condition?.hash, condition?.untilMs]);
  return facts(one) === facts(other);
}

/** A reader is told all of its own account, and of a shared one from the revision that names it on. */
function requireSeen(fold: GridFold, account: AccountId): void {
  if (fold.reader === undefined || fold.reader === account) return;
  throw new GridError<WalletErrorCode>(
    'WALLET_ACCOUNT_UNSEEN',
    `${fold.reader} is not told of everything that ${account} does`,
    { hint: 'ask a replica, which has the whole log', details: { account } },
  );
}
