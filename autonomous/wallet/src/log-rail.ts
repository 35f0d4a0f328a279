import { join } from 'node:path';
import { isGridError } from '@commongrid/base';
import { FollowedGrid } from '@commongrid/bcdb/client';
import type { BcdbClient, FollowedGridOptions } from '@commongrid/bcdb/client';
import { recordTypes } from '@commongrid/model';
import type { BotId, RecordOf, SharedAccountId, WalletUrl } from '@commongrid/model';
import { accountUnseen } from './errors.ts';
import type { LedgerView, Rail } from './rail.ts';

export interface LogRailOptions extends Omit<FollowedGridOptions, 'reader'> {
  /** Signs for the bot; what its server says of the log is verified. */
  readonly client: BcdbClient;
  readonly bot: BotId;
}

/** The ledger of the log itself: the bot's own feed, verified, and records of the bot. */
export class LogRail implements Rail, AsyncDisposable {
  readonly log: string;
  readonly bot: BotId;
  readonly #client: BcdbClient;
  readonly #grid: FollowedGrid;
  readonly #options: LogRailOptions;
  /** Of the accounts that were asked for. */
  readonly #accounts = new Map<SharedAccountId, Promise<FollowedGrid>>();

  private constructor(options: LogRailOptions, grid: FollowedGrid) {
    const { trust, bot, client } = options;
    this.log = trust.log;
    this.bot = bot;
    this.#client = client;
    this.#grid = grid;
    this.#options = options;
  }

  /** @throws BCDB_OTHER_LOG */
  static async open(options: LogRailOptions): Promise<LogRail> {
    return new LogRail(options, await FollowedGrid.open({ ...options, reader: options.bot }));
  }

  sync(options: { readonly signal?: AbortSignal } = {}): Promise<LedgerView> {
    return this.#grid.now(options);
  }

  async syncAccount(
    account: SharedAccountId,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<LedgerView> {
    try {
      return await (await this.#follow(account)).now(options);
    } catch (cause) {
      if (!isGridError(cause, 'BCDB_DENIED')) throw cause;
      throw accountUnseen(this.bot, account, cause);
    }
  }

  async say<Url extends WalletUrl>(
    url: Url,
    value: RecordOf<Url>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const obj = recordTypes.get(url)?.objectOf(value) ?? '';
    await this.#client.write({ ns: 'wallet', op: 'put', url, obj, value: { ...value } }, options);
  }

  /** Follows on its own until the signal fires; gives each time that something came in. */
  news(signal: AbortSignal): AsyncIterable<void> {
    return this.#grid.news(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const others = await Promise.allSettled(this.#accounts.values());
    const open = others.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    await Promise.all([this.#grid, ...open].map((grid) => grid[Symbol.asyncDispose]()));
  }

  #follow(account: SharedAccountId): Promise<FollowedGrid> {
    const known = this.#accounts.get(account);
    if (known !== undefined) return known;
    const folder = join(this.#options.folder, account.replace(':', '-'));
    const opened = FollowedGrid.open({ ...this.#options, folder, reader: account });
    this.#accounts.set(account, opened);
    return opened;
  }
}
