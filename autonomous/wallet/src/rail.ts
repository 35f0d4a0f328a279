import type { GridNow } from '@commongrid/bcdb/client';
import type { BotId, RecordOf, SharedAccountId, WalletUrl } from '@commongrid/model';

/** What a bot knows, verified: contracts, locks, receipts and money, as far as it was told. */
export type LedgerView = GridNow;

/**
 * Where money moves. A rail takes records that carry their own ids, so that saying one twice does
 * nothing more, and shows what became of them. Another ledger is another rail.
 */
export interface Rail {
  /** Hash of the genesis of the log. */
  readonly log: string;
  /** Whose keys sign here. */
  readonly bot: BotId;
  /** Whatever was said before this call is in the view that it gives. */
  sync(options?: { readonly signal?: AbortSignal }): Promise<LedgerView>;
  /**
   * The same of an account of several bots, all of it from its first revision on: for its signers. A rail
   * that pays alone has none.
   * @throws WALLET_ACCOUNT_UNSEEN
   */
  syncAccount?(
    account: SharedAccountId,
    options?: { readonly signal?: AbortSignal },
  ): Promise<LedgerView>;
  /**
   * Says it once and for all: when it returns, the ledger has it. A failure leaves open whether it does.
   * @throws BCDB_RULE_BROKEN with the code of the rule in `details.rule`
   */
  say<Url extends WalletUrl>(
    url: Url,
    value: RecordOf<Url>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<void>;
}
