import {
  antecedents,
  antecedentUrls,
  concerns,
  everyone,
  feedNamespaces,
  topicOf,
} from '@commongrid/model';
import type { ConcerningRecord, ReaderId } from '@commongrid/model';
import type { Genesis } from '../record/genesis.ts';
import { logNamespace, systemUrls } from '../record/system-records.ts';
import type { Effect } from '../state/effect.ts';
import type { LogRecord } from '../state/fold.ts';
import type { Identities } from '../state/identities.ts';
import { fitting } from '../state/fitting.ts';
import type { StateView } from '../state/state-view.ts';
import { toBase64url } from '../tree/base64.ts';
import { sha256 } from '../tree/node-hasher.ts';
import { emptyFeed, feedsRootOf, headWith, nextHead } from './feed-hash.ts';
import type { FeedHead, FeedLink } from './feed-hash.ts';
import { FeedTree } from './feed-tree.ts';
import { NameIndex } from './name-index.ts';
import { StateConcerns } from './state-concerns.ts';
import { TopicRecords } from './topic-records.ts';
import type { TopicList } from './topic-records.ts';

export interface FeedsParts {
  readonly view: StateView;
  readonly identities: Identities;
  readonly genesis: Genesis;
}

/** A record in a feed. */
export interface FeedEntry {
  readonly seq: number;
  /** Log time in force, milliseconds since 1970. */
  readonly at: number;
  /** The later record that it comes before, whose reader needs it; undefined when it comes itself. */
  readonly because?: number;
}

/** Earlier records that come before one. */
interface Before extends TopicList {
  readonly readers: ReadonlySet<ReaderId> | undefined;
}

/** The feeds as the newest tick tells of them. */
export interface TickedFeeds {
  readonly tree: FeedTree;
  /** Sequence of that tick. */
  readonly tick: number;
}

/**
 * Who must hear of which record: part of the fold, so that every full replica comes to the same.
 *
 *     fh READER     how far the feed has come: `COUNT CHAIN`
 *     fs READER N   record N of the feed, from 0: `SEQ AT`, and how many antecedents are before it
 *     fl SEQ        antecedents of a record: `SEQ AT`, one after the other
 *
 * The tree over all feeds is worked out when a tick asks for it, from what changed since the last.
 */
export class Feeds {
  readonly #view: StateView;
  readonly #names: NameIndex;
  readonly #topics: TopicRecords;
  readonly #concerns: StateConcerns;
  readonly #genesis: Genesis;
  readonly #tree = new FeedTree();
  /** Heads that the tree does not have yet, as the state has them. */
  readonly #changed = new Map<string, FeedHead>();
  /** Drops of the view that `#changed` knows of. */
  #changedDrops = -1;
  /** Drops of the view that the tree knows of; it is made anew after each. */
  #drops = -1;
  /** Root of the tree as it is. */
  #root = '';
  #concerned = 0;

  constructor({ view, identities, genesis }: FeedsParts) {
    this.#view = view;
    this.#genesis = genesis;
    this.#names = new NameIndex(view);
    this.#topics = new TopicRecords(view);
    this.#concerns = new StateConcerns({ view, names: this.#names, identities, genesis });
  }

  /** Gives a record that was accepted to whom it concerns; the state holds its effects already. */
  take(record: LogRecord, effects: readonly Effect[], at: number): void {
    const { ns, url } = record.envelope;
    if (!feedNamespaces.has(ns) || url === systemUrls.tick) return;
    const proposed = effects.find(({ origin }) => origin !== record.seq);
    this.#concerns.forget();
    if (this.#changedDrops !== this.#view.drops) this.#changed.clear();
    this.#changedDrops = this.#view.drops;
    const change = this.#changeOf(record, proposed, at);
    const [readers, before] = this.#view.asBefore(() => {
      return [this.#readersOf(record, change), this.#before(change)] as const;
    });
    const link: FeedLink = {
      seq: record.seq,
      leafHash: Buffer.from(record.version, 'base64url'),
      at,
      proposal: proposed && Buffer.from(proposed.version, 'base64url'),
    };
    this.#index(record, proposed);
    const place = topicOf(change);
    if (place !== undefined) this.#topics.add(place, change.url, link);
    if (before !== undefined) this.#view.setFeedEntry(`l ${record.seq}`, listText(before.links));
    if (readers.length > 0) this.#concerned++;
    const heads = readers.map((reader) => [reader, this.#add(reader, link, before)] as const);
    for (const [reader, head] of heads) this.#changed.set(reader, head);
  }

  /**
   * Root over all feeds as they are now, base64url: what a tick says that comes next. The tree
   * follows, so that it is asked for by ticks only.
   */
  root(): string {
    if (this.#drops !== this.#view.drops) this.#reload();
    else if (this.#changed.size > 0) this.#settle();
    return this.#root;
  }

  /** How many records concerned somebody since the start, those of dropped batches too. */
  get concerned(): number {
    return this.#concerned;
  }

  /** Remembers the tick that told of the feeds as they are. */
  ticked(seq: number): void {
    this.#view.setFact('tick', `${seq} ${this.root()}`);
  }

  /** Sequence of the newest tick; -1 while there is none. */
  get tick(): number {
    return Number(this.#view.fact('tick')?.split(' ')[0] ?? -1);
  }

  /** Undefined while no tick tells of the tree as it is. */
  get newest(): TickedFeeds | undefined {
    const [tick, root] = this.#view.fact('tick')?.split(' ') ?? [];
    // After a start the tree is made from the state, which may have gone beyond the tick.
    if (this.#drops < 0) this.root();
    return root === this.#root ? { tree: this.#tree, tick: Number(tick) } : undefined;
  }

  /** Records of a feed from number `from`, counted from 0, to before `end`, as a tick tells of it. */
  *entries(reader: string, from: number, end: number): Generator<FeedEntry> {
    for (let n = from; n < end; n++) {
      const first = n;
      // A record stands behind its antecedents, which have no rows of their own.
      let text = this.#view.feedEntry(`s ${reader} ${n}`);
      while (text === undefined && ++n < end) text = this.#view.feedEntry(`s ${reader} ${n}`);
      if (text === undefined) throw new Error(`the feed of ${reader} has no record ${first}`);
      const [seq = 0, at = 0] = text.split(' ').map(Number);
      if (n > first) {
        const list = listFrom(this.#view.feedEntry(`l ${seq}`) ?? '');
        for (const entry of list.slice(first - n)) yield { ...entry, because: seq };
      }
      yield { seq, at };
    }
  }

  /** What took effect: the record itself, or what it completed. */
  #changeOf(record: LogRecord, proposed: Effect | undefined, at: number): ConcerningRecord {
    const { ns, url, obj, author } = record.envelope;
    if (proposed === undefined) {
      const value = url === 'grid.bot.1' ? fitting(url, record.value) : record.value;
      return { ns, url, obj, author, at, value };
    }
    const { value } = this.#concerns.proposal(proposed.version) ?? {};
    return { ns, url: proposed.url, obj: proposed.obj, author: proposed.author, at, value };
  }

  #readersOf(record: LogRecord, change: ConcerningRecord): readonly ReaderId[] {
    const readers = concerns(this.#concerns, change);
    const { ns, url, obj, author } = record.envelope;
    if (url !== systemUrls.approval) return readers;
    const { at } = change;
    const own = concerns(this.#concerns, { ns, url, obj, author, at, value: record.value });
    const all = new Set([...own, ...readers]);
    return all.has(everyone) ? [everyone] : [...all].toSorted();
  }

  #before(change: ConcerningRecord): Before | undefined {
    if (!antecedentUrls.has(change.url)) return undefined;
    const value = fitting(change.url, change.value);
    const found = antecedents(this.#concerns, { ...change, value });
    if (found === undefined) return undefined;
    const list = this.#topics.of(found.topics);
    return list.links.length === 0 ? undefined : { ...list, readers: found.readers };
  }

  #add(reader: ReaderId, link: FeedLink, before: Before | undefined): FeedHead {
    const isBehind =
      before !== undefined &&
      (before.readers === undefined || before.readers.has(reader) || reader === everyone);
    const former = this.#headOf(reader);
    const start = isBehind ? headWith(sha256, former, before.chain) : former;
    const head = nextHead(sha256, start, link);
    const { seq, at } = link;
    const text = isBehind ? `${seq} ${at} ${before.links.length}` : `${seq} ${at}`;
    this.#view.setFeedEntry(`h ${reader}`, `${head.count} ${toBase64url(head.chain)}`);
    this.#view.setFeedEntry(`s ${reader} ${start.count}`, text);
    return head;
  }

  /** Proposals and approvals are not what anybody relies on: their change is, once it took effect. */
  #index({ envelope, value }: LogRecord, proposed: Effect | undefined): void {
    const { ns, url, obj } = envelope;
    if (proposed !== undefined) {
      const change = this.#concerns.proposal(proposed.version);
      this.#move(ns, proposed.url, proposed.obj, change?.value);
    } else if (ns === logNamespace) {
      this.#names.move(url, `${ns} ${obj}`, undefined, this.#genesis);
    } else if (url !== systemUrls.proposal && url !== systemUrls.approval) {
      this.#move(ns, url, obj, value);
    }
  }

  #move(ns: string, url: string, obj: string, after: unknown): void {
    const before = this.#view.asBefore(() => this.#view.document<unknown>({ ns, url, obj })?.value);
    this.#names.move(url, `${ns} ${obj}`, before, after);
  }

  #headOf(reader: string): FeedHead {
    const known = this.#changed.get(reader);
    if (known !== undefined) return known;
    const text = this.#view.feedEntry(`h ${reader}`);
    return text === undefined ? emptyFeed : headFrom(text);
  }

  #reload(): void {
    this.#tree.clear();
    this.#changed.clear();
    for (const [reader, text] of this.#view.feedHeads()) this.#changed.set(reader, headFrom(text));
    this.#drops = this.#view.drops;
    this.#changedDrops = this.#view.drops;
    this.#settle();
  }

  /** Brings the tree to what changed. */
  #settle(): void {
    this.#tree.update(this.#changed);
    this.#changed.clear();
    this.#root = toBase64url(feedsRootOf(sha256, this.#tree.size, this.#tree.root()));
  }
}

function headFrom(text: string): FeedHead {
  const space = text.indexOf(' ');
  const chain = Buffer.from(text.slice(space + 1), 'base64url');
  return { count: Number(text.slice(0, space)), chain };
}

function listText(links: readonly FeedLink[]): string {
  return links.map(({ seq, at }) => `${seq} ${at}`).join(' ');
}

function listFrom(text: string): readonly FeedEntry[] {
  const numbers = text.split(' ').map(Number);
  return Array.from({ length: numbers.length / 2 }, (_, n) => {
    return { seq: numbers[2 * n] ?? 0, at: numbers[2 * n + 1] ?? 0 };
  });
}
