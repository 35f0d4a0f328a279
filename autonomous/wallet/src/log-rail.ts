import { waitFor } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { LightFollower } from '@commongrid/bcdb/client';
import type { BcdbClient, BcdbClientOptions, HttpLightSource } from '@commongrid/bcdb/client';
import { GridFold, recordTypes } from '@commongrid/model';
import type { BotId, GridRecord, RecordOf, WalletUrl } from '@commongrid/model';
import type { LedgerView, Rail } from './rail.ts';

/** How long a view may take to have what was said before, ms. */
const syncTimeoutMs = 30_000;

export interface LogRailOptions {
  /** Of the follower: what it has read is kept there. */
  readonly folder: string;
  /** Signs for the bot; what its server says of the log is verified. */
  readonly client: BcdbClient;
  /** Gives the bot's feed, which is verified too. */
  readonly source: HttpLightSource;
  readonly trust: BcdbClientOptions['trust'];
  /** Keys of the genesis that sign releases. */
  readonly releaseKeys: readonly string[];
  readonly bot: BotId;
  readonly logger?: Logger;
}

/** The ledger of the log itself: the bot's own feed, verified, and records of the bot. */
export class LogRail implements Rail, AsyncDisposable {
  readonly log: string;
  readonly bot: BotId;
  readonly #client: BcdbClient;
  readonly #follower: LightFollower;
  readonly #releaseKeys: readonly string[];
  #fold: GridFold;
  #epoch = '';
  #arrived = 0;

  private constructor(options: LogRailOptions, follower: LightFollower) {
    this.log = options.trust.log;
    this.bot = options.bot;
    this.#client = options.client;
    this.#follower = follower;
    this.#releaseKeys = options.releaseKeys;
    this.#fold = this.#empty();
  }

  /** @throws BCDB_OTHER_LOG */
  static async open(options: LogRailOptions): Promise<LogRail> {
    const { folder, source, trust, bot, logger } = options;
    const follower = await LightFollower.open({
      ...{ dataDir: folder, trust, reader: bot, source },
      ...(logger === undefined ? {} : { logger }),
    });
    return new LogRail(options, follower);
  }

  async sync({ signal }: { readonly signal?: AbortSignal } = {}): Promise<LedgerView> {
    const options = signal === undefined ? {} : { signal };
    const { size } = await this.#client.checkpoint(options);
    // What was said before this call is told with the next tick.
    await waitFor(() => this.#reaches(size, options), {
      ...{ timeoutMs: syncTimeoutMs, everyMs: 50, what: 'news of the log' },
      ...options,
    });
    if (this.#epoch !== this.#follower.epoch) {
      // A follower that was begun anew counts from the start.
      this.#fold = this.#empty();
      this.#arrived = 0;
      this.#epoch = this.#follower.epoch;
    }
    const records: GridRecord[] = [];
    for (const { arrived, seq, at, changes } of this.#follower.changes(this.#arrived)) {
      this.#arrived = arrived;
      for (const { url, obj, op, author, value } of changes) {
        if (recordTypes.has(url)) records.push({ seq, at, author, url, obj, op, value });
      }
    }
    this.#fold.add(records);
    return { fold: this.#fold, at: this.#follower.at };
  }

  async say<Url extends WalletUrl>(
    url: Url,
    value: RecordOf<Url>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const obj = recordTypes.get(url)?.objectOf(value) ?? '';
    await this.#client.write({ ns: 'wallet', op: 'put', url, obj, value: { ...value } }, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#follower.close();
  }

  async #reaches(size: number, options: { readonly signal?: AbortSignal }): Promise<boolean> {
    await this.#follower.sync(options);
    return this.#follower.size >= size;
  }

  #empty(): GridFold {
    return new GridFold({ log: this.log, releaseKeys: this.#releaseKeys, reader: this.bot });
  }
}
