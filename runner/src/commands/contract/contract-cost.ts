import type { ContractId, GridFold } from '@commongrid/model';

/** A month of prices: 30 days, s. */
const monthSeconds = 2_592_000n;

/** What the places of a contract cost now in 30 days, if all is healthy: smallest units by currency. */
export function monthlyCost(
  fold: Pick<GridFold, 'current'>,
  contract: ContractId,
): ReadonlyMap<string, bigint> {
  const sums = new Map<string, { readonly units: bigint; readonly perSeconds: bigint }[]>();
  for (const { lock: id } of fold.current('grid.placement.1', contract)?.items ?? []) {
    const price = id === undefined ? undefined : fold.current('grid.lock.1', id)?.price;
    if (price === undefined) continue;
    const { amount, currency, perSeconds } = price;
    const one = { units: BigInt(amount), perSeconds: BigInt(perSeconds) };
    sums.set(currency, [...(sums.get(currency) ?? []), one]);
  }
  return new Map(
    [...sums].map(([currency, all]) => {
      const each = all.map(({ units, perSeconds }) => (units * monthSeconds) / perSeconds);
      return [currency, each.reduce((sum, one) => sum + one, 0n)];
    }),
  );
}
