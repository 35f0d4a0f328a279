import { GridError } from '@commongrid/base';
import type { WalletErrorCode } from './errors.ts';

/** Most digits of an amount in its smallest unit. */
const digitsMax = 38;

/**
 * Smallest units of a decimal text such as `12.5`.
 * @param decimals of the currency
 * @throws WALLET_AMOUNT_INVALID
 */
export function parseAmount(text: string, decimals: number): bigint {
  const { whole = '', part = '' } = /^(?<whole>\d+)(?:\.(?<part>\d+))?$/.exec(text)?.groups ?? {};
  const digits = whole + part.padEnd(decimals, '0');
  if (whole !== '' && part.length <= decimals && digits.length <= digitsMax) return BigInt(digits);
  throw new GridError<WalletErrorCode>('WALLET_AMOUNT_INVALID', `${text} is no amount`, {
    hint: `give a number with ${decimals} digits behind the point at most, such as 1${decimals > 0 ? '.5' : ''}`,
    details: { amount: text, decimals },
  });
}

/** The decimal text of smallest units, with all digits behind the point. */
export function formatAmount(amount: bigint, decimals: number): string {
  const digits = String(amount < 0n ? -amount : amount).padStart(decimals + 1, '0');
  const sign = amount < 0n ? '-' : '';
  if (decimals === 0) return `${sign}${digits}`;
  return `${sign}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}
