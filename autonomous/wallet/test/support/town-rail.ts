import { delay, GridError, isGridError, waitFor } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { LightFollower } from '@commongrid/bcdb/client';
import type { Citizen, TimedTown } from '@commongrid/bcdb/testing';
import { GridFold, recordTypes } from '@commongrid/model';
import type { BotId, GridRecord, RecordOf, SharedAccountId, WalletUrl } from '@commongrid/model';
import type { LedgerView, Rail } from '../../src/rail.ts';

/** The ledger of a real database whose time a test moves; now and then an order or its answer is lost. */
export class TownRail implements Rail {
  readonly log: string;
  readonly bot: BotId;
  losses = 0;
  readonly #timed: TimedTown;
  readonly #who: Citizen;
  readonly #random: Random;
  readonly #own: TownView;
  readonly #folder: string;

  private constructor(
    timed: TimedTown,
    who: Citizen,
    own: TownView,
    folder: string,
    random: Random,
  ) {
    this.log = timed.bcdb.log;
    this.bot = who.id;
    this.#timed = timed;
    this.#who = who;
    this.#own = own;
    this.#folder = folder;
    this.#random = random;
  }

  /** @param folder of this rail alone */
  static async open(
    timed: TimedTown,
    who: Citizen,
    folder: string,
    random: Random,
  ): Promise<TownRail> {
    return new TownRail(timed, who, await TownView.open(timed, folder, who.id), folder, random);
  }

  sync(options: { readonly signal?: AbortSignal } = {}): Promise<LedgerView> {
    return this.#own.sync(options);
  }

  async syncAccount(
    account: SharedAccountId,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<LedgerView> {
    const folder = `${this.#folder}-${account.slice(8)}`;
    await using view = await TownView.open(this.#timed, folder, account);
    return await view.sync(options);
  }

  async say<Url extends WalletUrl>(url: Url, value: RecordOf<Url>): Promise<void> {
    this.#mayLose('the order');
    await this.#timed.town.put(url, this.#who.device, value);
    this.#mayLose('the answer');
  }

  async *news(signal: AbortSignal): AsyncGenerator<void, void> {
    let seen = -1;
    while (!signal.aborted) {
      const { size } = this.#timed.bcdb.head;
      if (size !== seen) yield;
      seen = size;
      await delay(10, { signal }).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#own[Symbol.asyncDispose]();
  }

  #mayLose(what: string): void {
    if (this.#random.int(0, 2) === 0) return;
    this.losses++;
    throw new GridError('BASE_TIMEOUT', `${what} is lost`, { retryable: true });
  }
}

/** What one reader is told. */
class TownView implements AsyncDisposable {
  readonly #timed: TimedTown;
  readonly #follower: LightFollower;
  readonly #fold: GridFold;
  #arrived = 0;

  private constructor(timed: TimedTown, follower: LightFollower, reader: BotId | SharedAccountId) {
    const { log, genesis } = timed.bcdb;
    this.#timed = timed;
    this.#follower = follower;
    this.#fold = new GridFold({ log, releaseKeys: genesis.releaseKeys, reader });
  }

  static async open(
    timed: TimedTown,
    folder: string,
    reader: BotId | SharedAccountId,
  ): Promise<TownView> {
    return new TownView(timed, await timed.followAs(folder, reader), reader);
  }

  async sync({ signal }: { readonly signal?: AbortSignal }): Promise<LedgerView> {
    const { size } = this.#timed.bcdb.head;
    const isThere = async (): Promise<boolean> => {
      try {
        await this.#follower.sync();
      } catch (error) {
        // Time jumps here: a tick that is on its way can be late.
        if (isGridError(error, 'BCDB_FEED_INCOMPLETE')) return false;
        throw error;
      }
      return this.#follower.toldSize >= size;
    };
    const patience = { timeoutMs: 60_000, everyMs: 5, what: 'news of the log' };
    await waitFor(isThere, signal === undefined ? patience : { ...patience, signal });
    const records: GridRecord[] = [];
    for (const { arrived, seq, at, changes } of this.#follower.changes(this.#arrived)) {
      this.#arrived = arrived;
      for (const one of changes) if (recordTypes.has(one.url)) records.push({ seq, at, ...one });
    }
    this.#fold.add(records);
    return { fold: this.#fold, at: this.#follower.logTimeMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#follower.close();
  }
}
