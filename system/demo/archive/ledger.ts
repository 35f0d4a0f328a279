import { isGridError } from '@commongrid/base';
import type { ContractId, RecordOf } from '@commongrid/model';

import type { DemoTown } from '../demo-town.ts';
import { money } from '../town-plan.ts';

type Lock = RecordOf<'grid.lock.1'>;
type Escrow = RecordOf<'grid.escrow.1'>;
type Refund = RecordOf<'grid.refund.1'>;
type Placement = RecordOf<'grid.placement.1'>;
type Receipt = RecordOf<'grid.receipt.1'>;

/** Objects of one type: a demo has fewer. */
const limit = 1_000;

/** Locks of a contract. */
export async function locksOf({ client }: DemoTown, contract: string): Promise<readonly Lock[]> {
  const { objects } = await client.find('grid', { url: 'grid.lock.1', limit });
  return objects.map(({ value }) => value as Lock).filter((one) => one.contract === contract);
}

/** All escrows of the log. */
export async function escrowsIn({ client }: DemoTown): Promise<readonly Escrow[]> {
  const { objects } = await client.find('wallet', { url: 'grid.escrow.1', limit });
  return objects.map(({ value }) => value as Escrow);
}

/** Locks whose money went back. */
export async function refundedIn({ client }: DemoTown): Promise<ReadonlySet<string>> {
  const { objects } = await client.find('wallet', { url: 'grid.refund.1', limit });
  return new Set(objects.map(({ value }) => (value as Refund).lock));
}

/** What the buyer has and what is put aside, millionths. Nothing is earned in the first hour, so no third part is there. */
export interface Sums {
  readonly balance: bigint;
  readonly held: bigint;
}

/** @throws when they are not together what the buyer began with */
export async function requireSums(town: DemoTown): Promise<Sums> {
  const look = async (): Promise<Sums> => {
    const [escrows, refunded] = await Promise.all([escrowsIn(town), refundedIn(town)]);
    const open = escrows.filter(({ lock }) => !refunded.has(lock));
    const held = open.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
    return { balance: await balanceOf(town), held };
  };
  const { balance, held } = await look();
  if (balance + held === startAmount) return { balance, held };
  throw new Error(`${balance} and ${held} put aside are not the ${startAmount} of the beginning`);
}

/** Contracts of which anything was ever placed. */
export async function contractsOf({ client }: DemoTown): Promise<readonly ContractId[]> {
  const { objects } = await client.find('grid', { url: 'grid.placement.1', limit });
  return objects.map(({ value }) => (value as Placement).contract);
}

/** Who has what, millionths. */
export interface Shares {
  readonly buyer: bigint;
  readonly farmers: bigint;
  /** Put aside for places of which their machines told nothing, as they never began there: for two hours more. */
  readonly held: bigint;
}

/**
 * Waits until the money for all places that ended is back.
 * @throws when some is not, though its machine told of the place, or when the sum is not that of the beginning
 */
export async function untilAllBack(town: DemoTown, timeoutMs: number): Promise<Shares> {
  try {
    const isBack = async (): Promise<boolean> => (await heldFor(town)).length === 0;
    await town.until('the money that was not used', isBack, timeoutMs);
  } catch (error) {
    if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
  }
  const left = await heldFor(town);
  const told = await toldOf(town);
  for (const { lock, amount } of left) {
    if (told.has(lock)) throw new Error(`${amount} for ${lock} did not come back`);
  }
  const held = left.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  const buyer = await balanceOf(town);
  let farmers = 0n;
  for (const { farmer } of town.farms) farmers += await balanceOf(town, farmer.name);
  if (buyer + farmers + held === startAmount) return { buyer, farmers, held };
  throw new Error(
    `${buyer}, ${farmers} of farmers and ${held} put aside are not the ${startAmount} of the beginning`,
  );
}

/** Escrows of which nothing went back yet. */
async function heldFor(town: DemoTown): Promise<readonly Escrow[]> {
  const [escrows, refunded] = await Promise.all([escrowsIn(town), refundedIn(town)]);
  return escrows.filter(({ lock }) => !refunded.has(lock));
}

/** Locks of which a machine told for how long it had their place. */
async function toldOf({ client }: DemoTown): Promise<ReadonlySet<string | undefined>> {
  const { objects } = await client.find('grid', { url: 'grid.receipt.1', limit });
  return new Set(objects.map(({ value }) => (value as Receipt).lock));
}

/** What the buyer had in the beginning. */
const startAmount = BigInt(money.start) * 10n ** BigInt(money.decimals);

async function balanceOf(town: DemoTown, bot = 'buyer'): Promise<bigint> {
  const { balances } = await town.as<{
    readonly balances: readonly { readonly currency: string; readonly amount: string }[];
  }>(bot, 'wallet', 'balance');
  return BigInt(balances.find(({ currency }) => currency === money.code)?.amount ?? 0);
}

/** `12.5 TFT` */
export function shown(amount: bigint): string {
  return `${Number(amount) / 10 ** money.decimals} ${money.code}`;
}
