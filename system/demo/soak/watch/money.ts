import { heldBy } from '@commongrid/model';
import type { EscrowState, GridFold, LedgerEntry, Lock } from '@commongrid/model';

import { BrokenPromise } from '../../../simulation/witness.ts';

type Fold = Pick<GridFold, 'entries' | 'moneyOf' | 'objects'>;

/** What money comes to, in smallest units of its currency. */
export interface MoneySums {
  /** Given out by issuers. */
  readonly issued: bigint;
  /** Put aside for places. */
  readonly held: bigint;
  readonly escrows: number;
}

/**
 * Holds all money of a log together: every entry sums to zero, so that all that is somewhere was issued; nobody but an
 * issuer is below zero; each balance is what its entries come to; each escrow was funded once, has what was not paid out
 * or given back, and paid its farmer the price of the seconds that it says and nothing more.
 * @throws BrokenPromise
 */
export function requireMoney(fold: Fold): MoneySums {
  const entries = fold.entries();
  const accounts = accountsIn(entries);
  const issuers = [...fold.objects('grid.currency.1')].map(({ issuer, code }) =>
    idOf(issuer, code),
  );
  let issued = 0n;
  for (const [id, amount] of accounts) {
    if (issuers.includes(id)) issued -= amount;
    else if (amount < 0n) broken(`${id} has ${amount}`);
  }
  requireBalances(fold, accounts);
  const locks = new Map<string, Lock>([...fold.objects('grid.lock.1')].map((one) => [one.id, one]));
  const moves = movesOf(entries, locks);
  let [held, escrows] = [0n, 0];
  for (const escrow of fold.moneyOf('escrow')) {
    const lock = locks.get(escrow.id);
    if (lock === undefined) broken(`${escrow.id} was funded, and is no lock`);
    const has = accounts.get(idOf(escrow.id, lock.price.currency)) ?? 0n;
    requireEscrow(escrow, lock, { has, ...(moves.get(escrow.id) ?? noMoves) });
    held += heldBy(escrow);
    escrows++;
  }
  return { issued, held, escrows };
}

/** What entries of the ledger say of a lock. */
interface Moves {
  /** How often money was put aside for it. */
  readonly fundings: number;
  readonly funded: bigint;
  /** Went to its farmer. */
  readonly released: bigint;
}

const noMoves: Moves = { fundings: 0, funded: 0n, released: 0n };

function requireEscrow(
  escrow: EscrowState,
  { price }: Lock,
  { has, fundings, funded, released }: Moves & { readonly has: bigint },
): void {
  const { id, paidSeconds } = escrow;
  const left = heldBy(escrow);
  if (left < 0n || has !== left) broken(`${id} has ${has}, and holds ${left}`);
  if (fundings !== 1) broken(`${id} was funded ${fundings} times`);
  if (funded !== BigInt(escrow.funded)) broken(`${id} got ${funded}, and says ${escrow.funded}`);
  if (released !== BigInt(escrow.released)) {
    broken(`${id} paid ${released}, and says ${escrow.released}`);
  }
  const due = (BigInt(price.amount) * BigInt(paidSeconds)) / BigInt(price.perSeconds);
  if (released > due) broken(`${id} paid ${released} for ${paidSeconds} s, which come to ${due}`);
}

/** @throws BrokenPromise when a balance is another one than its entries come to */
function requireBalances(fold: Fold, accounts: ReadonlyMap<string, bigint>): void {
  const told = new Map([...fold.moneyOf('balance')].map(({ id, amount }) => [id, BigInt(amount)]));
  for (const id of new Set([...accounts.keys(), ...told.keys()])) {
    const [has, says] = [accounts.get(id) ?? 0n, told.get(id) ?? 0n];
    if (has !== says) broken(`${id} has ${has}, and its balance says ${says}`);
  }
}

/** What each account has of each currency, by all entries. @throws BrokenPromise for one that makes or loses money */
function accountsIn(entries: readonly LedgerEntry[]): ReadonlyMap<string, bigint> {
  const accounts = new Map<string, bigint>();
  for (const { seq, postings } of entries) {
    const sums = new Map<string, bigint>();
    for (const { account, currency, amount } of postings) {
      const id = idOf(account, currency);
      accounts.set(id, (accounts.get(id) ?? 0n) + amount);
      sums.set(currency, (sums.get(currency) ?? 0n) + amount);
    }
    for (const [currency, sum] of sums) {
      if (sum !== 0n) broken(`record ${seq} moves ${sum} ${currency} more than it takes`);
    }
  }
  return accounts;
}

/** What went into each lock, and out of it to its farmer. */
function movesOf(
  entries: readonly LedgerEntry[],
  locks: ReadonlyMap<string, Lock>,
): ReadonlyMap<string, Moves> {
  const all = new Map<string, Moves>();
  for (const { postings } of entries) {
    for (const { account: id, amount } of postings) {
      if (amount <= 0n || !locks.has(id)) continue;
      const { fundings, funded, released } = all.get(id) ?? noMoves;
      all.set(id, { fundings: fundings + 1, funded: funded + amount, released });
    }
    const id = postings.find(({ account, amount }) => amount < 0n && locks.has(account))?.account;
    if (id === undefined) continue;
    const { released, ...rest } = all.get(id) ?? noMoves;
    const earned = postings.filter(({ account }) => account === locks.get(id)?.farmer);
    const sum = earned.reduce((total, { amount }) => total + amount, released);
    all.set(id, { ...rest, released: sum });
  }
  return all;
}

/** Account and currency, as balances are called. */
function idOf(account: string, currency: string): string {
  return `${account} ${currency}`;
}

function broken(what: string): never {
  throw new BrokenPromise(`money: ${what}`);
}
