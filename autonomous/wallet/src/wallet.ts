import { GridError, isGridError } from '@commongrid/base';
import { balanceOf, consentSubject, heldBy } from '@commongrid/model';
import type {
  AccountId,
  Currency,
  HoldState,
  LockId,
  RecordOf,
  SharedAccountId,
  TransferId,
} from '@commongrid/model';
import { accountUnseen } from './errors.ts';
import type { WalletErrorCode } from './errors.ts';
import type { LedgerView, Rail } from './rail.ts';
import { duties } from './duties.ts';
import type { Duty } from './duties.ts';
import { decideObjection, objectTo } from './objections.ts';
import type { Decision, ObjectionOrder } from './objections.ts';
import {
  accountOfOrder,
  escrowOf,
  isOrdered,
  sharedAccount,
  signedForMs,
  transferOf,
} from './order.ts';
import type { EscrowOrder, Order, TransferOrder } from './order.ts';
import { sayOnce } from './say-once.ts';
import type { WaitOptions } from './say-once.ts';
import { statementOf } from './statement.ts';
import type { StatementLine } from './statement.ts';

export interface Balance {
  readonly currency: string;
  /** Smallest units; below zero for who issues the currency. */
  readonly amount: bigint;
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
    const { fold } = await this.#viewOf(account, options);
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
    const { fold } = await this.#viewOf(account, options);
    return statementOf(fold.entries(), account);
  }

  /**
   * Pays, from the bot's own account unless another is named. Returns the id of the transfer.
   * @throws WALLET_KEY_REUSED, BCDB_RULE_BROKEN
   */
  async transfer(order: TransferOrder, options: WaitOptions = {}): Promise<TransferId> {
    const prepared = await this.prepareTransfer(order, options);
    await this.submit(prepared, options);
    return prepared.value.id;
  }

  /** The record of a transfer, to be agreed to before it is said. */
  async prepareTransfer(
    order: TransferOrder,
    options: WaitOptions = {},
  ): Promise<Extract<Order, { readonly url: 'grid.transfer.1' }>> {
    const { at } = await this.#rail.sync(options);
    const { log, bot } = this.#rail;
    const value = transferOf(order, { log, from: order.from ?? bot, at });
    return { url: 'grid.transfer.1', value };
  }

  /**
   * Puts money aside for a lock: its least amount unless more is said. Nothing is paid for a lock that has
   * lapsed: the log refuses that.
   * @throws WALLET_LOCK_UNKNOWN, BCDB_RULE_BROKEN
   */
  async fund(order: EscrowOrder, options: WaitOptions = {}): Promise<void> {
    await this.submit(await this.prepareEscrow(order, options), options);
  }

  /** The record of an escrow. @throws WALLET_LOCK_UNKNOWN */
  async prepareEscrow(order: EscrowOrder, options: WaitOptions = {}): Promise<Order> {
    const view = await this.#rail.sync(options);
    return { url: 'grid.escrow.1', value: escrowOf(order, order.from ?? this.#rail.bot, view) };
  }

  /**
   * Says an order, which may be one of a shared account: enough of the others have to have agreed.
   * @throws WALLET_KEY_REUSED, BCDB_RULE_BROKEN
   */
  async submit(order: Order, options: WaitOptions = {}): Promise<void> {
    const { url, value } = order;
    await sayOnce(this.#rail, url, value, (view) => isOrdered(view, order), options);
  }

  /**
   * Agrees to an order of a shared account that another signer will say, for as long as that may wait.
   * @throws WALLET_ACCOUNT_ALONE, BCDB_RULE_BROKEN
   */
  async consent(order: Order, options: WaitOptions = {}): Promise<void> {
    const { url, value } = order;
    const account = sharedAccount(accountOfOrder(order));
    if (account === undefined) throw alone(accountOfOrder(order));
    const { at } = await this.#rail.sync(options);
    const { log, bot } = this.#rail;
    const subject = consentSubject({ log, url, value });
    const expMs = 'expMs' in value ? value.expMs : at + signedForMs;
    await this.#rail.say('grid.consent.1', { subject, account, by: bot, expMs }, options);
  }

  /** Log time: what everything that an order waits for is measured by, ms since 1970. */
  async logTime(options: WaitOptions = {}): Promise<number> {
    return (await this.#rail.sync(options)).at;
  }

  /** A shared account as it is now; undefined where the bot was told of none. */
  async account(id: SharedAccountId, options: WaitOptions = {}) {
    return (await this.#rail.sync(options)).fold.current('grid.account.1', id);
  }

  /** Shared accounts that the bot has a part in. */
  async accounts(options: WaitOptions = {}): Promise<readonly RecordOf<'grid.account.1'>[]> {
    const { fold } = await this.#rail.sync(options);
    const all = [...fold.objects('grid.account.1')];
    return all.filter(({ signers }) => signers.some((bot) => bot === this.#rail.bot));
  }

  /** Shows what a transfer waits for: its receiver is paid. @throws BCDB_RULE_BROKEN */
  async claim(transfer: TransferId, preimage: string, options: WaitOptions = {}): Promise<void> {
    await this.#end({ transfer, preimage }, 'paid', options);
  }

  /** Gives a transfer back whose condition nobody met in time. @throws BCDB_RULE_BROKEN */
  async takeBack(transfer: TransferId, options: WaitOptions = {}): Promise<void> {
    await this.#end({ transfer }, 'returned', options);
  }

  /** Objects to seconds of a lock; returns the id of the objection. @throws see `objectTo` */
  object(order: ObjectionOrder, options: WaitOptions = {}): Promise<string> {
    return objectTo(this.#rail, order, options);
  }

  /** Says whether seconds that were objected to are paid. @throws see `decideObjection` */
  decide(order: Decision, options: WaitOptions = {}): Promise<void> {
    return decideObjection(this.#rail, order, options);
  }

  /**
   * Does what is due now: a farmer asks for pay that nobody can object to any more, a buyer for what is
   * left of places that ended. To be called again and again. What the rules refuse holds up nothing else,
   * and is thrown in the end. @returns what was done
   * @throws BCDB_RULE_BROKEN
   */
  async settle(options: WaitOptions = {}): Promise<readonly Duty[]> {
    const view = await this.#rail.sync(options);
    const done: Duty[] = [];
    let refusal: GridError | undefined;
    for (const duty of duties(view, this.#rail.bot)) {
      try {
        await this.#do(duty, view, options);
        done.push(duty);
      } catch (error) {
        if (!isGridError(error, 'BCDB_RULE_BROKEN')) throw error;
        refusal ??= error;
      }
    }
    if (refusal !== undefined) throw refusal;
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
    await sayOnce(this.#rail, 'grid.refund.1', { lock }, isDone, options);
  }

  /** Makes a currency known, or changes what may change of it. @throws BCDB_RULE_BROKEN */
  async issue(value: Currency, options: WaitOptions = {}): Promise<void> {
    await this.#rail.say('grid.currency.1', value, options);
  }

  /** All that an account did. */
  #viewOf(account: AccountId, options: WaitOptions): Promise<LedgerView> {
    const shared = sharedAccount(account);
    const view = shared === undefined ? undefined : this.#rail.syncAccount?.(shared, options);
    if (view !== undefined) return view;
    if (account === this.#rail.bot) return this.#rail.sync(options);
    throw accountUnseen(this.#rail.bot, account);
  }

  async #do(duty: Duty, { at }: LedgerView, options: WaitOptions): Promise<void> {
    const { lock } = duty;
    const closed = ({ fold }: LedgerView): boolean => fold.money('escrow', lock)?.isClosed === true;
    if (duty.is === 'refund')
      return sayOnce(this.#rail, 'grid.refund.1', { lock }, closed, options);
    const { workload, toMs } = duty;
    const isPaid = (view: LedgerView): boolean => {
      const cursorMs = view.fold.money('escrow', lock)?.cursorMs ?? 0;
      return cursorMs >= toMs || closed(view);
    };
    const value = { lock, workload, toMs, expMs: at + signedForMs };
    await sayOnce(this.#rail, 'grid.release.1', value, isPaid, options);
  }

  async #end(
    value: RecordOf<'grid.settlement.1'>,
    outcome: HoldState['outcome'],
    options: WaitOptions,
  ): Promise<void> {
    const isThere = ({ fold }: LedgerView): boolean =>
      fold.money('hold', value.transfer)?.outcome === outcome;
    await sayOnce(this.#rail, 'grid.settlement.1', value, isThere, options);
  }
}

function alone(account: AccountId): GridError<WalletErrorCode> {
  return new GridError('WALLET_ACCOUNT_ALONE', `${account} asks nobody else`, {
    hint: 'its owner says the order: grid wallet submit',
    details: { account },
  });
}
