import { GridError, isGridError } from '@commongrid/base';
import { parseCanonical } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import { emptyFeed, feedLeafHash, feedsRootOf, headWith, nextHead } from '../feeds/feed-hash.ts';
import type { FeedHead, FeedLink } from '../feeds/feed-hash.ts';
import { recordsOf } from '../feeds/feeds-reply.ts';
import type { FeedItem, FeedPlaceText, FeedRecord, FeedsReply } from '../feeds/feeds-reply.ts';
import type { Envelope } from '../record/envelope.ts';
import { systemUrls } from '../record/system-records.ts';
import type { ApprovalRecord, TickRecord } from '../record/system-records.ts';
import { requireShape } from '../state/system-rules.ts';
import { fromBase64url, toBase64url } from '../tree/base64.ts';
import { areIncluded } from '../tree/batch-proof.ts';
import type { PlacedLeaf } from '../tree/batch-proof.ts';
import { isSameHash } from '../tree/merkle.ts';
import { nodePrimitives } from '../tree/node-primitives.ts';
import { sequencerAt } from '../tree/succession.ts';
import { Verifier } from '../tree/verifier.ts';
import type { Trust, VerifiedHead } from '../tree/verifier.ts';
import { HeadCheck } from './head-check.ts';
import type { SeenHead } from './head-check.ts';

/**
 * How far the newest tick may lie behind the time of a checkpoint when records follow it, ms. The
 * sequencer ticks within a second after records; the rest is for a slow disk. What a source can hide
 * is no older.
 */
const tickAgeMaxMs = 10_000;

/** A feed as far as it was received. */
export interface HeldFeed {
  readonly reader: string;
  readonly head: FeedHead;
  /** Sequence of its last record, antecedents apart; -1 for none. */
  readonly lastSeq: number;
  /** Antecedents of the next record, where a reply ended among or behind them. */
  readonly ahead?: Antecedents | undefined;
}

/** Earlier records that come before the one that they are needed for. */
interface Antecedents {
  /** Sequence of that record. */
  readonly because: number;
  readonly head: FeedHead;
  readonly lastSeq: number;
}

/** A record that is in the log, as its author signed it. */
export interface LightRecord {
  readonly seq: number;
  readonly envelope: Envelope;
  readonly version: string;
  readonly leaf: Uint8Array;
  readonly body: Uint8Array | undefined;
  /** The payload as a value; undefined where there is none, or it is sealed. */
  readonly value: JsonValue | undefined;
}

/** A record of a feed. */
export interface LightItem {
  readonly record: LightRecord;
  readonly at: number;
  /** Sequence of the later record that it comes before, whose reader needs it. */
  readonly because: number | undefined;
  /** The proposal that took effect with it. */
  readonly proposal: LightRecord | undefined;
}

export interface LightTick {
  readonly seq: number;
  readonly at: number;
}

/** What a follower knows when it asks. */
export interface LightStanding {
  readonly tick: LightTick | undefined;
  /** As they were last whole, in the order asked for. */
  readonly whole: readonly HeldFeed[];
  /** With what came since. */
  readonly feeds: readonly HeldFeed[];
}

/** Whether what an envelope names may come without its payload. */
export type PayloadRule = (envelope: Pick<Envelope, 'url' | 'obj'>) => boolean;

/** What a reply showed. */
export interface CheckedReply {
  readonly seen: SeenHead;
  readonly tick: LightTick;
  readonly feeds: readonly (HeldFeed & { readonly items: readonly LightItem[] })[];
  /** Whether each feed has all records that the tick tells of. */
  readonly isWhole: boolean;
}

/**
 * Verifies what a source says of feeds.
 *
 * 1. The checkpoint is signed, and continues the one seen before.
 * 2. The tick is in its tree, by the sequencer, and the newest: it is the last record, or its time is
 *    that of the checkpoint but for some seconds. Whoever shows an older one shows an older
 *    checkpoint too.
 * 3. The places are in the tree of feeds of that tick: so many records, with this hash over them.
 * 4. Each record is in the tree of the checkpoint and signed by its author; all together, in their
 *    order and with those that were needed before them, hash to what the place says. One proof shows the first for all of them and the tick.
 */
export class LightCheck {
  readonly #trust: Trust;
  readonly #mayLack: PayloadRule;
  readonly #verifier = new Verifier(nodePrimitives);
  readonly #heads: HeadCheck;

  /** @param mayLack of which records the payload may be withheld; of none, unless somebody says so */
  constructor(trust: Trust, mayLack: PayloadRule = () => false) {
    this.#trust = trust;
    this.#mayLack = mayLack;
    this.#heads = new HeadCheck(trust);
  }

  /**
   * The first phase.
   * @throws BCDB_LOG_FORKED, BCDB_LOG_ROLLED_BACK and what the verifier throws
   */
  head(reply: FeedsReply, seen: SeenHead | undefined): SeenHead {
    return this.#heads.take(reply, seen);
  }

  /**
   * The other phases.
   * @throws BCDB_FEED_INCOMPLETE, BCDB_FEEDS_DIFFER
   */
  feeds(reply: FeedsReply, seen: SeenHead, standing: LightStanding): CheckedReply {
    requireInLog(reply, seen.head);
    const { tick, feedsRoot } = this.#tick(reply.tick, seen.head, standing.tick);
    const root = feedsRootOf(nodePrimitives.sha256, reply.tree.size, bytesOf(reply.tree.root));
    if (!isSameHash(root, feedsRoot)) throw incomplete('the tick tells of other feeds');
    requirePlaced(reply);
    // A reply that is full leaves the rest to the next one, but it is never empty.
    const hasItems = reply.feeds.some(({ items }) => items.length > 0);
    let isWhole = true;
    const feeds = standing.feeds.map((held, index) => {
      const given = reply.feeds[index];
      const { reader } = held;
      if (given?.reader !== reader) throw incomplete(`the reply has no feed of ${reader}`);
      const target = placeOf(reader, given.places, reply.tree);
      requireGrown(standing.whole[index], target, reply);
      const items = given.items.map((item) => this.#item(item, reader));
      const next = follow(held, items, tick.seq);
      const missing = target.count - countOf(next);
      if (missing < 0 || (missing > 0 && !hasItems)) {
        throw incomplete(`${target.count} records are for ${reader}, not ${countOf(next)}`);
      }
      if (missing > 0) isWhole = false;
      else if (next.ahead !== undefined || !isSameHash(target.chain, next.head.chain)) {
        throw incomplete(`these are not the ${target.count} records for ${reader}`);
      }
      return { ...next, items };
    });
    return { seen, tick, feeds, isWhole };
  }

  #tick(
    given: FeedRecord,
    head: VerifiedHead,
    before: LightTick | undefined,
  ): { readonly tick: LightTick; readonly feedsRoot: Uint8Array } {
    const { envelope, value, seq } = this.#record(given, 'the tick');
    // A record is by the key that signs the head which ends with it.
    const sequencer = sequencerAt(this.#trust, seq + 1);
    const isTick = envelope.author === sequencer && envelope.url === systemUrls.tick;
    if (!isTick) throw incomplete(`record ${seq} is no tick of the sequencer`);
    requireShape(systemUrls.tick, value);
    const { at, feedsRoot } = value as TickRecord;
    const ageMs = (head.timestamp ?? Number.POSITIVE_INFINITY) * 1000 - at;
    if (seq < (before?.seq ?? 0) || (seq !== head.size - 1 && ageMs > tickAgeMaxMs)) {
      throw incomplete(`there must be a newer tick than ${seq}`, { tick: seq, ageMs });
    }
    return { tick: { seq, at }, feedsRoot: bytesOf(feedsRoot) };
  }

  #item({ record, at, because, proposal }: FeedItem, reader: string): LightItem {
    const own = this.#record(record, reader);
    if (proposal === undefined) return { record: own, at, because, proposal };
    const proposed = this.#record(proposal, reader);
    const isIts =
      own.envelope.url === systemUrls.approval &&
      proposed.envelope.url === systemUrls.proposal &&
      proposed.envelope.ns === own.envelope.ns &&
      (own.value as ApprovalRecord | undefined)?.proposal === proposed.version;
    if (!isIts) throw incomplete(`record ${own.seq} approves another proposal`);
    requireShape(systemUrls.proposal, proposed.value);
    return { record: own, at, because, proposal: proposed };
  }

  /** A record as its author signed it, whole: nothing that a feed needs is ever erased, only withheld. */
  #record({ seq, leaf, body }: FeedRecord, what: string): LightRecord {
    try {
      const entry = { leaf: bytesOf(leaf), body: body === undefined ? body : bytesOf(body) };
      const { envelope, version, payload } = this.#verifier.verifyEnvelope(entry, this.#trust);
      if (envelope.op === 'put' && payload === undefined && !this.#mayLack(envelope)) {
        throw incomplete('its payload is missing');
      }
      return { seq, envelope, version, ...entry, value: payload && payloadValue(payload) };
    } catch (error) {
      if (!isGridError(error)) throw error;
      throw incomplete(`record ${seq} of ${what}: ${error.message}`, { seq }, error);
    }
  }
}

/** How far the feed of a reader has come, by a tree of feeds. @throws BCDB_FEED_INCOMPLETE */
function placeOf(
  reader: string,
  places: readonly FeedPlaceText[],
  tree: FeedsReply['tree'],
): FeedHead {
  const own = places.find((place) => place.reader === reader);
  if (own !== undefined) return { count: own.count, chain: bytesOf(own.chain) };
  // Readers are sorted: nobody fits between neighbours, before the first, or after the last.
  const [first, second] = places;
  const isBefore = first?.index === 0 && reader < first.reader;
  const isAfter = first?.index === tree.size - 1 && first.reader < reader;
  const isBetween =
    first !== undefined &&
    second?.index === first.index + 1 &&
    first.reader < reader &&
    reader < second.reader;
  if (tree.size === 0 || isBefore || isAfter || isBetween) return emptyFeed;
  throw incomplete(`nothing shows how far the feed of ${reader} has come`);
}

/** That all records of a reply are in the tree of its checkpoint. @throws BCDB_FEED_INCOMPLETE */
function requireInLog(reply: FeedsReply, head: VerifiedHead): void {
  const { hasher } = nodePrimitives;
  const leaves = recordsOf(reply).map(({ seq, leaf }) => {
    return { seq, leafHash: hasher.leafHash(bytesOf(leaf)) };
  });
  if (isProven(leaves, { size: head.size, root: head.root, path: reply.path })) return;
  throw incomplete('the log has other records there');
}

/** That all places of a reply are in its tree of feeds. @throws BCDB_FEED_INCOMPLETE */
function requirePlaced({ tree, feeds }: FeedsReply): void {
  const { sha256 } = nodePrimitives;
  const leaves = feeds.flatMap(({ places }) => {
    return places.map(({ reader, index, count, chain }) => {
      const leafHash = feedLeafHash(sha256, reader, { count, chain: bytesOf(chain) });
      return { seq: index, leafHash };
    });
  });
  if (!isProven(leaves, tree)) throw incomplete('the tick tells of these feeds otherwise');
}

function isProven(
  leaves: readonly PlacedLeaf[],
  { size, root, path }: { size: number; root: string; path: readonly string[] },
): boolean {
  // What several feeds show is in the proof once.
  const places = new Map(leaves.map((leaf) => [leaf.seq, leaf]));
  const isOne = leaves.every(({ seq, leafHash }) => {
    return isSameHash(leafHash, places.get(seq)?.leafHash ?? noBytes);
  });
  const sorted = [...places.values()].toSorted((a, b) => a.seq - b.seq);
  const proof = { leaves: sorted, size, root: bytesOf(root), path: path.map(bytesOf) };
  return isOne && areIncluded(nodePrimitives.hasher, proof);
}

const noBytes = new Uint8Array();

/** How many records of a feed were received. */
export function countOf({ head, ahead }: HeldFeed): number {
  return head.count + (ahead?.head.count ?? 0);
}

/** Adds items to a feed. @throws BCDB_FEED_INCOMPLETE */
function follow(held: HeldFeed, items: readonly LightItem[], end: number): HeldFeed {
  let feed = held;
  for (const item of items) {
    const { because, record } = item;
    if (!isInOrder(feed, item, end)) {
      const { seq } = record;
      throw incomplete(`record ${seq} of ${held.reader} is out of order`, { seq, because, end });
    }
    feed = because === undefined ? withRecord(feed, item) : withAntecedent(feed, item, because);
  }
  return feed;
}

/**
 * Records come by their sequence. Right before one may come some of those before it, which are by
 * their sequence too.
 */
function isInOrder({ lastSeq, ahead }: HeldFeed, item: LightItem, end: number): boolean {
  const { seq } = item.record;
  const { because = seq } = item;
  if (because <= lastSeq || because >= end || because !== (ahead?.because ?? because)) return false;
  return item.because === undefined || (seq < because && seq > (ahead?.lastSeq ?? -1));
}

function withRecord({ reader, head, ahead }: HeldFeed, item: LightItem): HeldFeed {
  const { sha256 } = nodePrimitives;
  const before = ahead === undefined ? head : headWith(sha256, head, ahead.head);
  return { reader, head: nextHead(sha256, before, linkOf(item)), lastSeq: item.record.seq };
}

function withAntecedent(feed: HeldFeed, item: LightItem, because: number): HeldFeed {
  const head = nextHead(nodePrimitives.sha256, feed.ahead?.head ?? emptyFeed, linkOf(item));
  return { ...feed, ahead: { because, head, lastSeq: item.record.seq } };
}

function linkOf({ record: { seq, version }, at, proposal }: LightItem): FeedLink {
  return { seq, at, leafHash: bytesOf(version), proposal: proposal && bytesOf(proposal.version) };
}

/** A feed only grows. Two ticks of one log that say otherwise convict the sequencer. */
function requireGrown(whole: HeldFeed | undefined, target: FeedHead, reply: FeedsReply): void {
  if (whole === undefined) return;
  const { reader, head } = whole;
  const isSame = target.count === head.count && isSameHash(target.chain, head.chain);
  if (isSame || target.count > head.count) return;
  throw new GridError<BcdbErrorCode>(
    'BCDB_FEEDS_DIFFER',
    `the sequencer told of ${head.count} records that concern ${reader}, and now of others`,
    {
      hint: 'keep the evidence; only a handover by the admins of the log continues',
      details: {
        reader,
        before: { count: head.count, chain: toBase64url(head.chain) },
        tick: reply.tick,
        tree: reply.tree,
        places: reply.feeds.flatMap(({ places }) => places),
      },
    },
  );
}

/** A payload as a value; undefined where it is sealed. */
export function payloadValue(payload: Uint8Array): JsonValue | undefined {
  try {
    return parseCanonical(payload);
  } catch {
    return undefined;
  }
}

/** No bytes, which are no hash and no leaf, where the text is none. */
function bytesOf(text: string): Uint8Array {
  return fromBase64url(text) ?? new Uint8Array();
}

function incomplete(
  message: string,
  details: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): GridError<BcdbErrorCode> {
  return new GridError('BCDB_FEED_INCOMPLETE', message, {
    hint: 'start nothing by it; ask another source',
    retryable: true,
    details,
    cause,
  });
}
