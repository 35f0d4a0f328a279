import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { leafBytesMax, payloadBytesMax, saltBytes } from '../record/entry.ts';
import { pathHashesMax } from '../tree/proof.ts';

/** Feeds that one request asks for. */
export const feedsAskedMax = 8;

/** Longest time that an answer waits for news, ms. */
export const feedsWaitMsMax = 25_000;

/** Records of one reply, proposals besides; there is always one, however large. */
export const feedItemsMax = 512;

/** Bytes of leaves and bodies from which on a reply takes no more records. */
export const feedBytesMax = 4 << 20;

const closed = { additionalProperties: false } as const;
const number = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const reader = Type.String({ minLength: 1, maxLength: 64, pattern: '^[!-~]+$' });

/** What a light follower asks for: see docs/formats/bcdb-feeds.md. */
export interface FeedsRequest {
  /** Size of the newest head that it knows; 0 for none. */
  readonly size: number;
  /** Readers, and how many records of each it has. */
  readonly feeds: readonly { readonly reader: string; readonly count: number }[];
  /** How long the answer may wait while there is nothing else to say of these feeds, ms. Default 0. */
  readonly waitMs?: number;
}

/** The form of a `FeedsRequest`. */
export const feedsRequest = Type.Object(
  {
    size: number,
    feeds: Type.Array(Type.Object({ reader, count: number }, closed), {
      minItems: 1,
      maxItems: feedsAskedMax,
    }),
    waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: feedsWaitMsMax })),
  },
  closed,
);

const hash = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });
const path = Type.Array(hash, { maxItems: pathHashesMax });
/** One proof for so many leaves. */
const batchPath = (leavesMax: number): Type.TArray<typeof hash> =>
  Type.Array(hash, { maxItems: leavesMax * pathHashesMax });
const textOf = (bytesMax: number): Type.TString =>
  Type.String({ maxLength: Math.ceil((bytesMax * 4) / 3), pattern: '^[A-Za-z0-9_-]*$' });

const feedRecord = Type.Object(
  {
    seq: number,
    /** Envelope and signature. */
    leaf: textOf(leafBytesMax),
    /** Salt and payload; absent where there is none. */
    body: Type.Optional(textOf(saltBytes + payloadBytesMax)),
  },
  closed,
);
/** A record with its place in the log. */
export type FeedRecord = Static<typeof feedRecord>;

const feedItem = Type.Object(
  {
    record: feedRecord,
    /** Log time in force, milliseconds since 1970. */
    at: number,
    /** Of a record that its reader needs for a later one, right before which it comes: that one's sequence. */
    because: Type.Optional(number),
    /** The proposal that took effect with the record. */
    proposal: Type.Optional(feedRecord),
  },
  closed,
);
export type FeedItem = Static<typeof feedItem>;

const feedPlace = Type.Object({ reader, index: number, count: number, chain: hash }, closed);
/** A leaf of the feeds tree. */
export type FeedPlaceText = Static<typeof feedPlace>;

/** The form of a reply. */
export const feedsReply = Type.Object(
  {
    schema: Type.Literal('grid.bcdb.feeds.2'),
    /** A signed note; all proofs are under it. */
    checkpoint: Type.String({ maxLength: 16_384 }),
    /** Shows that the log only grew since the size that was asked with. */
    consistency: path,
    /** The newest tick. */
    tick: feedRecord,
    /** Shows that the tick and all records of the feeds are in the tree of the checkpoint. */
    path: batchPath(1 + 2 * feedItemsMax),
    /** The feeds tree of that tick: how many readers, the root over them, and that `places` are in it. */
    tree: Type.Object({ size: number, root: hash, path: batchPath(2 * feedsAskedMax) }, closed),
    feeds: Type.Array(
      Type.Object(
        {
          reader,
          /** The reader's own place; its neighbours where it has none. */
          places: Type.Array(feedPlace, { maxItems: 2 }),
          /** Records from the one asked for, in the order of the feed; may end early. */
          items: Type.Array(feedItem, { maxItems: feedItemsMax }),
        },
        closed,
      ),
      { maxItems: feedsAskedMax },
    ),
  },
  closed,
);
export type FeedsReply = Static<typeof feedsReply>;

/** All records of a reply: the tick, those of the feeds, and proposals. */
export function recordsOf({
  tick,
  feeds,
}: Pick<FeedsReply, 'tick' | 'feeds'>): readonly FeedRecord[] {
  const items = feeds.flatMap((feed) => feed.items);
  const ofFeeds = items.flatMap(({ record, proposal }) =>
    proposal ? [record, proposal] : [record],
  );
  return [tick, ...ofFeeds];
}

/** Whether parsed JSON has the form of a reply; nothing of it is verified. */
export function isFeedsReply(value: unknown): value is FeedsReply {
  return compiled.Check(value);
}

const compiled = Compile(feedsReply);
