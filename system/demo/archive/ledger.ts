import { isGridError } from '@commongrid/base';
import { workloadIdOf } from '@commongrid/model';
import type { ContractId, RecordOf } from '@commongrid/model';

import type { DemoTown } from '../demo-town.ts';
import { recordsOf, timedRecordsOf, versionsOf } from '../records-of.ts';
import { money } from '../town-plan.ts';

type Lock = RecordOf<'grid.lock.1'>;
type Escrow = RecordOf<'grid.escrow.1'>;

/** Locks of a contract. */
export async function locksOf(town: DemoTown, contract: string): Promise<readonly Lock[]> {
  const locks = await recordsOf(town, 'grid.lock.1');
  return locks.filter((one) => one.contract === contract);
}

/** All escrows of the log. */
export function escrowsIn(town: DemoTown): Promise<readonly Escrow[]> {
  return recordsOf(town, 'grid.escrow.1');
}

/** Locks whose money went back. */
export async function refundedIn(town: DemoTown): Promise<ReadonlySet<string>> {
  return new Set((await recordsOf(town, 'grid.refund.1')).map(({ lock }) => lock));
}

/** Contracts of which anything was ever placed. */
export async function contractsOf(town: DemoTown): Promise<readonly ContractId[]> {
  return (await recordsOf(town, 'grid.placement.1')).map(({ contract }) => contract);
}

/** Who has what, millionths. */
export interface Shares {
  readonly buyer: bigint;
  readonly farmers: bigint;
  /** Put aside, and neither paid nor back. */
  readonly held: bigint;
}

/** What the buyer had in the beginning. */
const startAmount = BigInt(money.start) * 10n ** BigInt(money.decimals);

/** @throws when buyer, farmers and what is put aside have not together what the buyer began with */
export async function requireSums(town: DemoTown): Promise<Shares> {
  const shares = await settled(() => sharesOf(town));
  if (totalOf(shares) === startAmount) return shares;
  const { buyer, farmers, held } = shares;
  throw new Error(
    `${buyer}, ${farmers} of farmers and ${held} put aside are not the ${startAmount} of the beginning`,
  );
}

/**
 * Looks until all is accounted for, or two looks in a row give the same: a look asks for one part after the other, and
 * money that moves meanwhile is seen twice or not at all.
 */
export async function settled(look: () => Promise<Shares>): Promise<Shares> {
  let last: Shares | undefined;
  for (;;) {
    const now = await look();
    if (totalOf(now) === startAmount || isSame(now, last)) return now;
    last = now;
  }
}

function totalOf({ buyer, farmers, held }: Shares): bigint {
  return buyer + farmers + held;
}

function isSame(now: Shares, last: Shares | undefined): boolean {
  return now.buyer === last?.buyer && now.farmers === last.farmers && now.held === last.held;
}

async function sharesOf(town: DemoTown): Promise<Shares> {
  const [buyer, farmers, open] = await Promise.all([
    statementOf(town, 'buyer'),
    farmerLinesOf(town),
    heldFor(town),
  ]);
  const paid = paidByLock(farmers);
  const held = open.map(({ lock, amount }) => BigInt(amount) - (paid.get(lock) ?? 0n));
  return { buyer: sumOf(buyer), farmers: sumOf(farmers), held: held.reduce((a, b) => a + b, 0n) };
}

/**
 * Waits until the money for all places that ended is back. What is left then is for places that never began: it is put aside
 * for two hours more.
 * @throws when some is not back, though its machine told of the place, or when the sum is not that of the beginning
 */
export async function untilAllBack(town: DemoTown, timeoutMs: number): Promise<Shares> {
  try {
    const isBack = async (): Promise<boolean> => (await begunOf(town)).length === 0;
    await town.until('the money that was not used', isBack, timeoutMs);
  } catch (error) {
    if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
    const [one] = await begunOf(town);
    if (one !== undefined) {
      throw new Error(`${one.amount} for ${one.lock} did not come back`, { cause: error });
    }
  }
  return requireSums(town);
}

/** Escrows of which nothing went back yet. */
async function heldFor(town: DemoTown): Promise<readonly Escrow[]> {
  const [escrows, refunded] = await Promise.all([escrowsIn(town), refundedIn(town)]);
  return escrows.filter(({ lock }) => !refunded.has(lock));
}

/** Of these those whose place was there, or of which a machine told. */
async function begunOf(town: DemoTown): Promise<readonly Escrow[]> {
  const held = await heldFor(town);
  if (held.length === 0) return [];
  const locks = await timedRecordsOf(town, 'grid.lock.1');
  const begun = await Promise.all(
    held.map(async (escrow) => {
      const lock = locks.find(({ value }) => value.id === escrow.lock);
      if (lock === undefined) throw new Error(`${escrow.lock} is no lock`);
      const place = placeOf(lock.value);
      // The machine may have had another lock for the same place before, or since.
      const later = locks.filter(({ value, at }) => placeOf(value) === place && at > lock.at);
      const untilMs = Math.min(...later.map(({ at }) => at));
      return (await isBegun(town, lock.value, { fromMs: lock.at, untilMs })) ? [escrow] : [];
    }),
  );
  return begun.flat();
}

/** Name of what a machine says of the place of a lock. */
export function placeOf({ contract, node, slot }: Lock): string {
  return `${node}/${workloadIdOf(contract, slot.role, slot.replica)}`;
}

/** Whether a machine told for how long it had the place of a lock, or is to: what it had was healthy meanwhile. */
async function isBegun(
  town: DemoTown,
  lock: Lock,
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
): Promise<boolean> {
  const receipts = await versionsOf(town, 'grid.receipt.1', placeOf(lock));
  if (receipts.some((one) => one.lock === lock.id)) return true;
  const events = await versionsOf(town, 'grid.event.1', placeOf(lock));
  return events.some(({ phase, at }) => phase === 'healthy' && at >= fromMs && at < untilMs);
}

/** A movement of an account. */
export interface StatementLine {
  readonly kind: string;
  /** Of money that was earned or put aside: the lock. */
  readonly about: string;
  readonly currency: string;
  readonly amount: string;
}

/** All movements of a bot's account in the currency of the demo. */
export async function statementOf(town: DemoTown, bot: string): Promise<readonly StatementLine[]> {
  const words = ['wallet', 'statement'];
  const { lines } = await town.as<{ readonly lines: readonly StatementLine[] }>(bot, ...words);
  return lines.filter(({ currency }) => currency === money.code);
}

/** The same of all farmers together. */
export async function farmerLinesOf(town: DemoTown): Promise<readonly StatementLine[]> {
  const all = town.farms.map(({ farmer }) => statementOf(town, farmer.name));
  return (await Promise.all(all)).flat();
}

/** What farmers got of each lock. */
export function paidByLock(lines: readonly StatementLine[]): ReadonlyMap<string, bigint> {
  const paid = new Map<string, bigint>();
  for (const { kind, about, amount } of lines) {
    if (kind === 'release') paid.set(about, (paid.get(about) ?? 0n) + BigInt(amount));
  }
  return paid;
}

function sumOf(lines: readonly StatementLine[]): bigint {
  return lines.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
}

/** `12.5 TFT` */
export function shown(amount: bigint): string {
  return `${Number(amount) / 10 ** money.decimals} ${money.code}`;
}
