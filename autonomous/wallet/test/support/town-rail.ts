import { delay, GridError, isGridError, waitFor } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { LightFollower } from '@commongrid/bcdb/client';
import type { Citizen, TimedTown } from '@commongrid/bcdb/testing';
import { GridFold, recordTypes } from '@commongrid/model';
import type { BotId, GridRecord, RecordOf, WalletUrl } from '@commongrid/model';
import type { LedgerView, Rail } from '../../src/rail.ts';

/** The ledger of a real database whose time a test moves; now and then an order or its answer is lost. */
export class TownRail implements Rail {
  readonly log: string;
  readonly bot: BotId;
  losses = 0;
  readonly #timed: TimedTown;
  readonly #who: Citizen;
  readonly #follower: LightFollower;
  readonly #random: Random;
  readonly #fold: GridFold;
  #arrived = 0;

  private constructor(timed: TimedTown, who: Citizen, follower: LightFollower, random: Random) {
    const { log, genesis } = timed.bcdb;
    this.log = log;
    this.bot = who.id;
    this.#timed = timed;
    this.#who = who;
    this.#follower = follower;
    this.#random = random;
    this.#fold = new GridFold({ log, releaseKeys: genesis.releaseKeys, reader: who.id });
  }

  /** @param folder of this rail alone */
  static async open(
    timed: TimedTown,
    who: Citizen,
    folder: string,
    random: Random,
  ): Promise<TownRail> {
    return new TownRail(timed, who, await timed.followAs(folder, who.id), random);
  }

  async sync({ signal }: { readonly signal?: AbortSignal } = {}): Promise<LedgerView> {
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
    await this.#follower.close();
  }

  #mayLose(what: string): void {
    if (this.#random.int(0, 2) === 0) return;
    this.losses++;
    throw new GridError('BASE_TIMEOUT', `${what} is lost`, { retryable: true });
  }
}
