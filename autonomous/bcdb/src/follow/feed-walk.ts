import { GridError } from '@commongrid/base';
import { everyone } from '@commongrid/model';
import type { ReaderId } from '@commongrid/model';
import type { BcdbErrorCode } from '../errors.ts';
import { emptyFeed } from '../feeds/feed-hash.ts';
import { isFeedsReply } from '../feeds/feeds-reply.ts';
import type { FeedsRequest } from '../feeds/feeds-reply.ts';
import type { Trust, VerifiedHead } from '../tree/verifier.ts';
import type { SeenHead } from './head-check.ts';
import { changeOf, proposedChange } from './light-change.ts';
import type { LightChange } from './light-change.ts';
import { countOf, LightCheck } from './light-check.ts';
import type { HeldFeed, LightItem, LightTick, PayloadRule } from './light-check.ts';

export interface FeedWalkOptions {
  readonly trust: Trust;
  readonly reader: ReaderId;
  /** Of which records the payload may be withheld. Default: of none. */
  readonly mayLack?: PayloadRule;
}

/** A record of a feed and what it did, as the log proves it. */
export interface WalkedRecord {
  readonly seq: number;
  /** Log time then, ms since 1970. */
  readonly at: number;
  readonly changes: readonly LightChange[];
}

/**
 * Goes through the feeds of one reader from their beginning, reply by reply, and verifies each as a
 * follower does (`LightCheck`). Nothing is kept but how far it came, so replies that somebody kept are
 * verified by it without any source: they are evidence of all that the reader was told.
 */
export class FeedWalk {
  readonly #check: LightCheck;
  readonly #begin: readonly HeldFeed[];
  #feeds: readonly HeldFeed[];
  #seen: SeenHead | undefined;
  #tick: LightTick | undefined;
  #isWhole = false;

  constructor({ trust, reader, mayLack }: FeedWalkOptions) {
    this.#check = new LightCheck(trust, mayLack);
    this.#begin = [...new Set([reader, everyone])].map((one) => {
      return { reader: one, head: emptyFeed, lastSeq: -1 };
    });
    this.#feeds = this.#begin;
  }

  /** What to ask a source for next. */
  get request(): FeedsRequest {
    const feeds = this.#feeds.map((feed) => ({ reader: feed.reader, count: countOf(feed) }));
    return { size: this.#seen?.head.size ?? 0, feeds };
  }

  /** Whether all records are there that the last reply's tick tells of. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** The newest head, verified; undefined before the first reply. */
  get head(): VerifiedHead | undefined {
    return this.#seen?.head;
  }

  /** The tick up to which the feeds go; undefined before the first reply. */
  get tick(): LightTick | undefined {
    return this.#tick;
  }

  /**
   * Takes the next reply, parsed JSON. What is in both feeds comes twice.
   * @throws BCDB_REPLY_INVALID, BCDB_FEED_INCOMPLETE, BCDB_LOG_FORKED and what a verifier throws
   */
  take(reply: unknown): readonly WalkedRecord[] {
    if (!isFeedsReply(reply)) {
      throw new GridError<BcdbErrorCode>('BCDB_REPLY_INVALID', 'this is no reply with feeds');
    }
    const seen = this.#check.head(reply, this.#seen);
    const standing = { tick: this.#tick, whole: this.#begin, feeds: this.#feeds };
    const checked = this.#check.feeds(reply, seen, standing);
    this.#seen = checked.seen;
    this.#tick = checked.tick;
    this.#isWhole = checked.isWhole;
    this.#feeds = checked.feeds.map(({ items: _items, ...feed }) => feed);
    return checked.feeds.flatMap(({ items }) => items.map(walked));
  }
}

function walked({ record, at, proposal }: LightItem): WalkedRecord {
  const own = changeOf(record);
  const changes = proposal === undefined ? [own] : [own, proposedChange(changeOf(proposal))];
  return { seq: record.seq, at, changes };
}
