import {
  antecedents,
  antecedentUrls,
  concerns,
  namesIn,
  recordTypes,
  replacedUrls,
  topicOf,
} from '@commongrid/model';
import type {
  Change,
  ConcernsView,
  GridFold,
  GridRecord,
  ReaderId,
  RecordOf,
  RecordUrl,
  TopicId,
} from '@commongrid/model';

/** Who hears of a record, and what they hear before it. */
export interface Audience {
  readonly readers: readonly ReaderId[];
  readonly before: { readonly records: readonly GridRecord[]; readonly of: ReadonlySet<ReaderId> };
}

/**
 * The feed of each reader, by the rules that BCDB goes by, in memory: which records concern whom, and
 * which earlier ones come with them.
 */
export class Feeds implements ConcernsView {
  readonly #fold: GridFold;
  readonly #feeds = new Map<ReaderId, GridRecord[]>();
  /** Objects by type and an id that their current payload names. */
  readonly #naming = new Map<string, Set<string>>();
  readonly #names = new Map<string, ReadonlySet<string>>();
  readonly #topics = new Map<TopicId, GridRecord[]>();
  readonly #newest = new Map<string, GridRecord>();

  constructor(fold: GridFold) {
    this.#fold = fold;
  }

  /** Records of a reader, in the order in which they came to its feed. */
  of(reader: ReaderId): readonly GridRecord[] {
    return this.#feeds.get(reader) ?? [];
  }

  /** Whom a record would concern; before the fold has it. */
  audienceOf(record: GridRecord): Audience {
    const ns = recordTypes.get(record.url)?.namespace ?? '';
    const readers = concerns(this, { ...record, ns });
    const found = antecedentUrls.has(record.url) ? antecedents(this, record) : undefined;
    if (found === undefined) return { readers, before: { records: [], of: new Set() } };
    const records = found.topics.flatMap((topic) => this.#recordsOf(topic));
    const of = found.readers ?? new Set(readers);
    return { readers, before: { records: records.toSorted((a, b) => a.seq - b.seq), of } };
  }

  /** Gives a record that took effect to its audience. */
  take(record: GridRecord, { readers, before }: Audience): void {
    for (const reader of readers) {
      let feed = this.#feeds.get(reader);
      if (feed === undefined) this.#feeds.set(reader, (feed = []));
      if (before.of.has(reader)) feed.push(...before.records);
      feed.push(record);
    }
    this.#index(record);
    const ns = recordTypes.get(record.url)?.namespace ?? '';
    const place = topicOf({ ...record, ns });
    if (place === undefined) return;
    if (place.isReplaced) {
      this.#newest.set(`${place.topic} ${record.url}`, record);
      return;
    }
    const all = this.#topics.get(place.topic);
    if (all === undefined) this.#topics.set(place.topic, [record]);
    else all.push(record);
  }

  current<Url extends RecordUrl>(url: Url, obj: string): RecordOf<Url> | undefined;
  current(url: string, obj: string): unknown {
    return this.#fold.current(url as RecordUrl, obj);
  }

  naming(url: string, id: string): Iterable<string> {
    return this.#naming.get(`${url} ${id}`) ?? [];
  }

  isSettled(lock: string): boolean {
    return this.#fold.money('escrow', lock)?.isClosed === true;
  }

  holderOf(key: string): ReturnType<ConcernsView['holderOf']> {
    return this.#fold.holderOf(key);
  }

  /** Nothing is proposed in this log. */
  proposal(): Change | undefined {
    return undefined;
  }

  #recordsOf(topic: TopicId): readonly GridRecord[] {
    const last = replacedUrls.flatMap((url) => this.#newest.get(`${topic} ${url}`) ?? []);
    return [...(this.#topics.get(topic) ?? []), ...last];
  }

  #index({ url, obj, op, value }: GridRecord): void {
    const key = `${url} ${obj}`;
    const now = new Set(op === 'put' ? namesIn(value).map(({ id }) => id) : []);
    for (const id of this.#names.get(key) ?? []) {
      if (!now.has(id)) this.#naming.get(`${url} ${id}`)?.delete(obj);
    }
    for (const id of now) {
      const known = this.#naming.get(`${url} ${id}`);
      if (known === undefined) this.#naming.set(`${url} ${id}`, new Set([obj]));
      else known.add(obj);
    }
    this.#names.set(key, now);
  }
}
