import { systemClock, waitFor } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { GridFold, recordTypes } from '@commongrid/model';
import type { BotId, GridRecord, NodeId, SharedAccountId } from '@commongrid/model';
import { LightFollower } from '../follow/light-follower.ts';
import type { LightSource } from '../follow/light-source.ts';
import type { Trust } from '../tree/verifier.ts';
import type { BcdbClient } from './bcdb-client.ts';

/** How long a view may take to have what was said before, ms. */
const syncTimeoutMs = 30_000;
/**
 * How long a round that is held open may take to bring what was just said, ms: so soon the database tells readers
 * of what concerns them. To ask before that breaks the round off, and costs another answer.
 */
const newsWithinMs = 60;
/** Between two rounds that are asked for, and between two looks at what came, ms. */
const syncEveryMs = 50;
const lookEveryMs = 10;

export interface FollowedGridOptions {
  /** Of the follower: what it has read is kept there. */
  readonly folder: string;
  readonly client: Pick<BcdbClient, 'checkpoint'>;
  /** Gives the reader's feed, which is verified. */
  readonly source: LightSource;
  readonly trust: Trust;
  /** Keys of the genesis that sign releases. */
  readonly releaseKeys: readonly string[];
  readonly reader: BotId | NodeId | SharedAccountId;
  readonly logger?: Logger | undefined;
}

/** What records of the log come to for one reader, as of one moment. */
export interface GridNow {
  readonly fold: GridFold;
  /** Log time, ms since 1970. */
  readonly at: number;
}

/** The grid as one reader is told of it: the feed, verified, and judged by the rules. */
export class FollowedGrid implements AsyncDisposable {
  readonly #options: FollowedGridOptions;
  readonly #follower: LightFollower;
  #fold: GridFold;
  #epoch = '';
  #arrived = 0;
  /** Who follows the news: for them a round is held open. */
  #listeners = 0;

  private constructor(options: FollowedGridOptions, follower: LightFollower) {
    this.#options = options;
    this.#follower = follower;
    this.#fold = emptyFold(options);
  }

  /** @throws BCDB_OTHER_LOG */
  static async open(options: FollowedGridOptions): Promise<FollowedGrid> {
    const { folder, source, trust, reader, logger } = options;
    const follower = await LightFollower.open({
      ...{ dataDir: folder, trust, reader, source },
      ...(logger === undefined ? {} : { logger }),
    });
    return new FollowedGrid(options, follower);
  }

  /**
   * With all that was said before the call.
   * @throws BASE_TIMEOUT, and what a round of the follower throws
   */
  async now({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<GridNow> {
    const options = signal === undefined ? {} : { signal };
    const { size } = await this.#options.client.checkpoint(options);
    let syncAtMs = systemClock.monotonicMs() + (this.#listeners > 0 ? newsWithinMs : 0);
    // What was said before this call is told with the next tick.
    const look = async (): Promise<boolean> => {
      if (this.#isTold(size)) return true;
      if (systemClock.monotonicMs() < syncAtMs) return false;
      await this.#follower.sync(options);
      syncAtMs = systemClock.monotonicMs() + syncEveryMs;
      return this.#isTold(size);
    };
    await waitFor(look, {
      ...{ timeoutMs: syncTimeoutMs, everyMs: lookEveryMs, what: 'news of the log' },
      ...options,
    });
    this.#takeIn();
    return { fold: this.#fold, at: this.#follower.logTimeMs };
  }

  /** Follows on its own until the signal fires; gives each time that something came in. */
  async *news(signal: AbortSignal): AsyncGenerator<void, void> {
    let last = '';
    this.#listeners++;
    try {
      for await (const _failure of this.#follower.rounds({ signal })) {
        let arrived = this.#epoch === this.#follower.epoch ? this.#arrived : 0;
        for (const one of this.#follower.changes(arrived)) arrived = one.arrived;
        const place = `${this.#follower.epoch} ${arrived}`;
        if (place !== last) yield;
        last = place;
      }
    } finally {
      this.#listeners--;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#follower.close();
  }

  #takeIn(): void {
    if (this.#epoch !== this.#follower.epoch) {
      // A follower that was begun anew counts from the start.
      this.#fold = emptyFold(this.#options);
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
  }

  /** A follower that was lied to has to hear it again. */
  #isTold(size: number): boolean {
    const { problem, toldSize } = this.#follower;
    return problem === undefined && toldSize >= size;
  }
}

function emptyFold({ trust, releaseKeys, reader }: FollowedGridOptions): GridFold {
  return new GridFold({ log: trust.log, releaseKeys, reader });
}
