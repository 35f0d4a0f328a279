import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { LogHead, StoredEntry } from '../log/log-engine.ts';
import { toBase64url } from '../tree/base64.ts';
import type { SignedHead } from '../signed-head.ts';
import type { HashStore } from '../tree/hash-store.ts';
import type { FeedTree } from './feed-tree.ts';
import { FeedWaiters } from './feed-waiters.ts';
import { feedBytesMax, feedItemsMax, feedsAskedMax, recordsOf } from './feeds-reply.ts';
import type {
  FeedItem,
  FeedPlaceText,
  FeedRecord,
  FeedsReply,
  FeedsRequest,
} from './feeds-reply.ts';
import type { FeedEntry, TickedFeeds } from './feeds.ts';

export interface FeedServerParts {
  readonly ledger: Ledger;
  readonly hashes: HashStore;
  /** The newest head that others believe. */
  readonly signed: () => SignedHead;
}

/** What a reply rests on, all of one moment. */
interface Standing {
  readonly head: LogHead;
  readonly checkpoint: string;
  readonly tick: number;
  readonly tree: FeedsReply['tree'];
  /** Of each feed: its places, and how many records the tick tells of. */
  readonly feeds: readonly {
    readonly reader: string;
    readonly from: number;
    readonly end: number;
    readonly places: readonly FeedPlaceText[];
  }[];
}

/** Serves feeds: the records that concern a reader, with all that shows that they are all. */
export class FeedServer {
  readonly #ledger: Ledger;
  readonly #hashes: HashStore;
  readonly #signed: () => SignedHead;
  readonly #waiters = new FeedWaiters();
  /** The newest tick that those who wait were told of. */
  #tick = -1;

  constructor({ ledger, hashes, signed }: FeedServerParts) {
    this.#ledger = ledger;
    this.#hashes = hashes;
    this.#signed = signed;
  }

  /** How many wait for news. */
  get waiting(): number {
    return this.#waiters.count;
  }

  /**
   * Resolves once there is something else to say of these feeds than that they have so many records,
   * also where that is a refusal; when the signal fires; or at once when too many wait.
   */
  news({ size, feeds }: FeedsRequest, signal: AbortSignal): Promise<void> {
    const isDue = (): boolean => {
      const shown = this.#shown();
      if (shown === undefined) return false;
      const isNews = feeds.some(({ reader, count }) => shown.tree.countOf(reader) !== count);
      return isNews || size > shown.head.size;
    };
    return this.#waiters.until(isDue, signal);
  }

  /** To be called when there is a newer signed head. */
  look(): void {
    if (this.#waiters.count === 0 || this.#ledger.fold.feeds.tick === this.#tick) return;
    const shown = this.#shown();
    if (shown === undefined) return;
    this.#tick = shown.tick;
    this.#waiters.look();
  }

  /**
   * Feeds up to the newest tick, from the records that are asked for. A long feed takes several
   * replies.
   * @throws BCDB_REQUEST_INVALID, BCDB_SEQ_UNKNOWN when `size` is above the log, BCDB_BUSY while no
   * tick tells of the feeds as they are
   */
  async feedsOf({ size, feeds }: FeedsRequest): Promise<FeedsReply> {
    if (feeds.length > feedsAskedMax) {
      throw new GridError<BcdbErrorCode>(
        'BCDB_REQUEST_INVALID',
        `one request asks for ${feedsAskedMax} feeds at most`,
      );
    }
    const standing = await this.#standing(feeds);
    const { head, checkpoint, tree } = standing;
    const consistency = this.#hashes.consistencyProof(size, head.size).map(toBase64url);
    const tick = await this.#record(standing.tick);
    const room = { items: feedItemsMax, bytes: feedBytesMax };
    const served: FeedsReply['feeds'] = [];
    for (const { reader, from, end, places } of standing.feeds) {
      served.push({
        reader,
        places: [...places],
        items: await this.#items(reader, from, end, room),
      });
    }
    const seqs = recordsOf({ tick, feeds: served }).map(({ seq }) => seq);
    const path = this.#hashes.batchProof(ascending(seqs), head.size).map(toBase64url);
    return {
      schema: 'grid.bcdb.feeds.2',
      checkpoint,
      consistency,
      tick,
      path,
      tree,
      feeds: served,
    };
  }

  /** The tree of the feeds moves on with each tick, so that all of it is taken at once. */
  async #standing(asked: FeedsRequest['feeds']): Promise<Standing> {
    for (let tries = 0; tries < settleTriesMax; tries++) {
      const shown = this.#shown();
      if (shown !== undefined) {
        const { head, note, tree, tick } = shown;
        const feeds = asked.map(({ reader, count }) => {
          const places = placesOf(tree, reader);
          const end = places.find((place) => place.reader === reader)?.count ?? 0;
          return { reader, from: count, end, places };
        });
        return { head, checkpoint: note, tick, tree: topOf(tree, feeds), feeds };
      }
      // The tick is on its way into the log.
      await this.#ledger.settled();
    }
    throw new GridError<BcdbErrorCode>('BCDB_BUSY', 'no tick tells of the feeds as they are yet', {
      hint: 'ask again in a second',
      retryable: true,
    });
  }

  /** The newest tick under the newest signed head; undefined while it is on its way into the log. */
  #shown(): (SignedHead & TickedFeeds) | undefined {
    const { head, note } = this.#signed();
    const { newest } = this.#ledger.fold.feeds;
    return newest === undefined || newest.tick >= head.size ? undefined : { head, note, ...newest };
  }

  async #items(
    reader: string,
    from: number,
    end: number,
    room: { items: number; bytes: number },
  ): Promise<FeedItem[]> {
    const items: FeedItem[] = [];
    for (const entry of this.#ledger.fold.feeds.entries(reader, from, end)) {
      if (room.items <= 0 || room.bytes <= 0) break;
      const item = await this.#item(entry);
      items.push(item);
      room.items--;
      for (const { leaf, body = '' } of [item.record, item.proposal ?? { leaf: '' }]) {
        room.bytes -= ((leaf.length + body.length) * 3) / 4;
      }
    }
    return items;
  }

  async #item({ seq, at, because }: FeedEntry): Promise<FeedItem> {
    const record = await this.#record(seq);
    const item = because === undefined ? { record, at } : { record, at, because };
    const proposal = this.#ledger.view.exception(seq)?.origin;
    return proposal === undefined ? item : { ...item, proposal: await this.#record(proposal) };
  }

  async #record(seq: number): Promise<FeedRecord> {
    const { leaf, body } = await this.#entry(seq);
    const bytes = body === undefined ? {} : { body: toBase64url(body) };
    return { seq, leaf: toBase64url(leaf), ...bytes };
  }

  async #entry(seq: number): Promise<StoredEntry> {
    for await (const [entry] of this.#ledger.read(seq, seq + 1)) {
      if (entry !== undefined) return entry;
    }
    throw new Error(`the log holds no record ${seq}, which its state names`);
  }
}

/** Commits waited for until a tick is durable. */
const settleTriesMax = 8;

function placesOf(tree: FeedTree, reader: string): FeedPlaceText[] {
  return tree.placesOf(reader).map(({ reader: name, index, head: { count, chain } }) => ({
    reader: name,
    index,
    count,
    chain: toBase64url(chain),
  }));
}

/** The tree, and that these places are in it. */
function topOf(tree: FeedTree, feeds: Standing['feeds']): FeedsReply['tree'] {
  const indexes = feeds.flatMap(({ places }) => places.map(({ index }) => index));
  const path = tree.proof(ascending(indexes)).map(toBase64url);
  return { size: tree.size, root: toBase64url(tree.root()), path };
}

/** What a batch proof is made for: each place once. */
function ascending(places: readonly number[]): readonly number[] {
  return [...new Set(places)].toSorted((a, b) => a - b);
}
