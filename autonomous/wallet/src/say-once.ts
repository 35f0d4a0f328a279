import type { RecordOf, WalletUrl } from '@commongrid/model';
import type { LedgerView, Rail } from './rail.ts';

export interface WaitOptions {
  readonly signal?: AbortSignal;
}

/**
 * Says what the ledger does not have yet. A refusal of what it has meanwhile is none.
 * @param isThere whether the ledger has it
 */
export async function sayOnce<Url extends WalletUrl>(
  rail: Rail,
  url: Url,
  value: RecordOf<Url>,
  isThere: (view: LedgerView) => boolean,
  options: WaitOptions = {},
): Promise<void> {
  if (isThere(await rail.sync(options))) return;
  try {
    await rail.say(url, value, options);
  } catch (error) {
    if (isThere(await rail.sync(options))) return;
    throw error;
  }
}
