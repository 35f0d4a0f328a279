import { concerns, everyone, feedNamespaces } from '@commongrid/model';
import type { ReaderId } from '@commongrid/model';
import type { Genesis } from '../record/genesis.ts';
import { logNamespace, systemUrls } from '../record/system-records.ts';
import type { Effect } from '../state/effect.ts';
import type { LogRecord } from '../state/fold.ts';
import type { Identities } from '../state/identities.ts';
import type { StateView } from '../state/state-view.ts';
import { toBase64url } from '../tree/base64.ts';
import { sha256 } from '../tree/node-hasher.ts';
import { emptyFeed, feedsRootOf, nextHead } from './feed-hash.ts';
import type { FeedHead, FeedLink } from './feed-hash.ts';
import { FeedTree } from './feed-tree.ts';
import { NameIndex } from './name-index.ts';
import { StateConcerns } from './state-concerns.ts';

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
 *     fs READER N   record N of the feed, from 0: `SEQ AT`
 *
 * The tree over all feeds is worked out when a tick asks for it, from what changed since the last.
 */
export class Feeds {
  readonly #view: StateView;
  readonly #names: NameIndex;
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

  constructor({ view, identities, genesis }: FeedsParts) {
    this.#view = view;
    this.#genesis = genesis;
    this.#names = new NameIndex(view);
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
    const readers = this.#view.asBefore(() => this.#readersOf(record, proposed, at));
    const link: FeedLink = {
      seq: record.seq,
      leafHash: Buffer.from(record.version, 'base64url'),
      at,
      proposal: proposed && Buffer.from(proposed.version, 'base64url'),
    };
    this.#index(record, proposed);
    const heads = readers.map((reader) => [reader, this.#add(reader, link)] as const);
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

  /** Record `n` of a feed, from 0. */
  entry(reader: string, n: number): FeedEntry | undefined {
    const text = this.#view.feedEntry(`s ${reader} ${n}`);
    if (text === undefined) return undefined;
    const [seq, at] = text.split(' ');
    return { seq: Number(seq), at: Number(at) };
  }

  #readersOf(record: LogRecord, proposed: Effect | undefined, at: number): readonly ReaderId[] {
    const { ns, url, obj, author } = record.envelope;
    const own = { ns, url, obj, author, at, value: this.#valueOf(record) };
    const readers = concerns(this.#concerns, own);
    if (proposed === undefined) return readers;
    const change = {
      ...{ ns, url: proposed.url, obj: proposed.obj, author: proposed.author, at },
      value: this.#concerns.proposal(proposed.version)?.value,
    };
    const all = new Set([...readers, ...concerns(this.#concerns, change)]);
    return all.has(everyone) ? [everyone] : [...all].toSorted();
  }

  #valueOf({ envelope: { url }, value }: LogRecord): unknown {
    return url === 'grid.bot.1' ? this.#concerns.fitting(url, value) : value;
  }

  #add(reader: string, link: FeedLink): FeedHead {
    const before = this.#headOf(reader);
    const head = nextHead(sha256, before, link);
    this.#view.setFeedEntry(`h ${reader}`, `${head.count} ${toBase64url(head.chain)}`);
    this.#view.setFeedEntry(`s ${reader} ${before.count}`, `${link.seq} ${link.at}`);
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
