import { replacedUrls } from '@commongrid/model';
import type { TopicId, TopicPlace } from '@commongrid/model';
import type { StateView } from '../state/state-view.ts';
import { toBase64url } from '../tree/base64.ts';
import { sha256 } from '../tree/node-hasher.ts';
import { chainOf } from './feed-hash.ts';
import type { FeedHead, FeedLink } from './feed-hash.ts';

/** What somebody needs who comes to rely on some topics. */
export interface TopicList {
  /** Each once, by sequence. */
  readonly links: readonly FeedLink[];
  /** All of them as a feed of their own. */
  readonly chain: FeedHead;
}

/**
 * Which records made each topic what it is, for readers who come to rely on it later:
 *
 *     ft TOPIC       how many, of those that are all needed
 *     ft TOPIC N     one of them, from 0: `SEQ AT LEAF [PROPOSAL]`
 *     ft TOPIC URL   the newest record of a type of which one is enough
 */
export class TopicRecords {
  readonly #view: StateView;
  /** The last list that was asked for: slices of one contract ask for the same, one after the other. */
  #last: { readonly key: string; readonly list: TopicList } | undefined;

  constructor(view: StateView) {
    this.#view = view;
  }

  add({ topic, isReplaced }: TopicPlace, url: string, link: FeedLink): void {
    this.#last = undefined;
    if (isReplaced) return this.#view.setFeedEntry(`t ${topic} ${url}`, textOf(link));
    const count = this.#count(topic);
    this.#view.setFeedEntry(`t ${topic} ${count}`, textOf(link));
    this.#view.setFeedEntry(`t ${topic}`, String(count + 1));
  }

  /** As the topics are now. */
  of(topics: readonly TopicId[]): TopicList {
    const key = `${this.#view.drops} ${topics.join(' ')}`;
    if (this.#last?.key !== key) {
      const links = topics.flatMap((topic) => this.#linksOf(topic));
      const sorted = links.toSorted((a, b) => a.seq - b.seq);
      this.#last = { key, list: { links: sorted, chain: chainOf(sha256, sorted) } };
    }
    return this.#last.list;
  }

  #linksOf(topic: TopicId): readonly FeedLink[] {
    const numbers = Array.from({ length: this.#count(topic) }, (_, n) => String(n));
    const last = topic.startsWith('contract:') ? replacedUrls : [];
    return [...numbers, ...last].flatMap((name) => {
      const text = this.#view.feedEntry(`t ${topic} ${name}`);
      return text === undefined ? [] : [linkFrom(text)];
    });
  }

  #count(topic: TopicId): number {
    return Number(this.#view.feedEntry(`t ${topic}`) ?? 0);
  }
}

function textOf({ seq, at, leafHash, proposal }: FeedLink): string {
  const text = `${seq} ${at} ${toBase64url(leafHash)}`;
  return proposal === undefined ? text : `${text} ${toBase64url(proposal)}`;
}

function linkFrom(text: string): FeedLink {
  const [seq, at, leafHash = '', proposal] = text.split(' ');
  return {
    seq: Number(seq),
    at: Number(at),
    leafHash: Buffer.from(leafHash, 'base64url'),
    proposal: proposal === undefined ? undefined : Buffer.from(proposal, 'base64url'),
  };
}
