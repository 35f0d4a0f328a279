import { FollowedGrid } from '@commongrid/bcdb/client';
import type { BcdbClient, FollowedGridOptions } from '@commongrid/bcdb/client';
import { recordTypes } from '@commongrid/model';
import type { BotId, RecordOf, WalletUrl } from '@commongrid/model';
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

  private constructor({ trust, bot, client }: LogRailOptions, grid: FollowedGrid) {
    this.log = trust.log;
    this.bot = bot;
    this.#client = client;
    this.#grid = grid;
  }

  /** @throws BCDB_OTHER_LOG */
  static async open(options: LogRailOptions): Promise<LogRail> {
    return new LogRail(options, await FollowedGrid.open({ ...options, reader: options.bot }));
  }

  sync(options: { readonly signal?: AbortSignal } = {}): Promise<LedgerView> {
    return this.#grid.now(options);
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
    await this.#grid[Symbol.asyncDispose]();
  }
}
