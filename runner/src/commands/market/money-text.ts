import { isGridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import { formatAmount } from '@commongrid/wallet';

import { currencyOf } from '../wallet/own-wallet.ts';

/** How amounts of some currencies are shown: in whole units where the log says how fine they are. */
export class MoneyText {
  readonly #decimals = new Map<string, number | undefined>();

  /** Looks up currencies. Prices may be in one that is not in the log yet. */
  static async of(client: BcdbClient, codes: Iterable<string>): Promise<MoneyText> {
    const text = new MoneyText();
    for (const code of new Set(codes)) text.#decimals.set(code, await decimalsOf(client, code));
    return text;
  }

  /** Such as `12.50 EUR`, or `1250 of the smallest unit of EUR`. */
  show(amount: bigint, code: string): string {
    const decimals = this.#decimals.get(code);
    if (decimals === undefined) return `${amount} of the smallest unit of ${code}`;
    return `${formatAmount(amount, decimals)} ${code}`;
  }
}

async function decimalsOf(client: BcdbClient, code: string): Promise<number | undefined> {
  try {
    return (await currencyOf(client, code)).decimals;
  } catch (error) {
    if (isGridError(error, 'GRID_CURRENCY_UNKNOWN')) return undefined;
    throw error;
  }
}
