import { parseBytes } from '@commongrid/base';
import { InvalidArgumentError } from 'commander';

/** What a bucket may hold as an option says it; `none` takes the limit away. */
export type QuotaLimit = number | 'none';

/** @throws InvalidArgumentError */
export function parseSizeLimit(text: string): QuotaLimit {
  if (text === 'none') return text;
  try {
    return parseBytes(text);
  } catch {
    throw new InvalidArgumentError('give a size such as 10GiB, or none');
  }
}

/** @throws InvalidArgumentError */
export function parseCountLimit(text: string): QuotaLimit {
  if (text === 'none') return text;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number, or none');
}

/** The limit as a head is told it. An option itself cannot be null: commander makes it ''. */
export function orderedLimit(limit: QuotaLimit): number | null {
  return limit === 'none' ? null : limit;
}
