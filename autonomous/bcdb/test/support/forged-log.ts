import { hash } from 'node:crypto';
import { canonicalBytes } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import type { Bcdb } from '../../src/bcdb.ts';
import { feedsRootOf } from '../../src/feeds/feed-hash.ts';
import { FeedTree } from '../../src/feeds/feed-tree.ts';
import type { FeedHead } from '../../src/feeds/feed-hash.ts';
import { recordsOf } from '../../src/feeds/feeds-reply.ts';
import type {
  FeedItem,
  FeedRecord,
  FeedsReply,
  FeedsRequest,
} from '../../src/feeds/feeds-reply.ts';
import type { LightSource } from '../../src/follow/light-source.ts';
import type { LogSource } from '../../src/follow/log-source.ts';
import type { LogHead } from '../../src/log/log-engine.ts';
import { signRecord } from '../../src/record/author.ts';
import type { Entry } from '../../src/record/entry.ts';
import type { TickRecord } from '../../src/record/system-records.ts';
import { toBase64url } from '../../src/tree/base64.ts';
import { batchProof } from '../../src/tree/batch-proof.ts';
import { CheckpointSigner } from '../../src/tree/checkpoint-signer.ts';
import { treeHasher } from '../../src/tree/node-hasher.ts';
import { naiveConsistency, naiveReader, naiveRoot } from '../../src/tree/testing/naive-tree.ts';

/** What a forger says of feeds in a tick. */
export interface ForgedFeeds {
  readonly heads: ReadonlyMap<string, FeedHead>;
  /** Records that it shows, whatever it was asked for. */
  readonly items: readonly (FeedItem & { readonly reader: string })[];
}

/** A log whose sequencer signs whatever it likes: it begins as an honest one. */
export class ForgedLog implements LogSource, LightSource {
  readonly #bcdb: Bcdb;
  readonly #key: SigningKey;
  readonly #entries: Entry[];
  readonly #leafHashes: Uint8Array[];
  readonly #nowMs: () => number;
  #n: number;
  #tick = -1;
  #feeds: ForgedFeeds = { heads: new Map(), items: [] };

  private constructor(bcdb: Bcdb, key: SigningKey, nowMs: () => number, entries: Entry[]) {
    this.#bcdb = bcdb;
    this.#key = key;
    this.#nowMs = nowMs;
    this.#entries = entries;
    this.#leafHashes = entries.map(({ leaf }) => treeHasher.leafHash(leaf));
    this.#n = bcdb.lastN(key.publicKey.text);
  }

  static async after(bcdb: Bcdb, key: SigningKey, nowMs: () => number): Promise<ForgedLog> {
    const entries: Entry[] = [];
    for await (const group of bcdb.read(0, bcdb.head.size)) entries.push(...group);
    return new ForgedLog(bcdb, key, nowMs, entries);
  }

  /** Records that it has; the honest log may have grown since. */
  get size(): number {
    return this.#entries.length;
  }

  /** Leaves the last records out. */
  cut(count: number): void {
    this.#entries.length -= count;
    this.#leafHashes.length -= count;
  }

  tick(tick: TickRecord): void {
    this.#n++;
    const said = { ns: 'log', op: 'put', url: 'bcdb.tick.1', obj: 'tick' } as const;
    const payload = canonicalBytes(tick);
    const entry = signRecord(
      this.#key,
      { ...said, payload },
      { log: this.#bcdb.log, n: this.#n, t: tick.at },
    );
    this.#tick = this.#entries.length;
    this.#entries.push(entry);
    this.#leafHashes.push(treeHasher.leafHash(entry.leaf));
  }

  /** Ticks with feeds of its own making. */
  tickWith(feeds: ForgedFeeds, state: string): void {
    this.#feeds = feeds;
    const tree = this.#tree();
    const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
    const feedsRoot = toBase64url(feedsRootOf(sha256, tree.size, tree.root()));
    this.tick({ at: this.#nowMs(), feedsRoot, state });
  }

  async feeds({ size, feeds }: FeedsRequest): Promise<FeedsReply> {
    const tree = this.#tree();
    const tick = this.record(this.#tick);
    const shown = feeds.map(({ reader }) => ({
      reader,
      places: tree.placesOf(reader).map(({ reader: name, index, head: { count, chain } }) => ({
        ...{ reader: name, index, count, chain: toBase64url(chain) },
      })),
      items: this.#feeds.items
        .filter((item) => item.reader === reader)
        .map(({ reader: _reader, ...item }) => item),
    }));
    const places = shown.flatMap((feed) => feed.places.map(({ index }) => index));
    return {
      schema: 'grid.bcdb.feeds.2',
      checkpoint: this.#sign(),
      consistency: this.#consistency(size, this.#entries.length),
      tick,
      path: pathOf({ tick, feeds: shown }, this.#leafHashes),
      tree: {
        ...{ size: tree.size, root: toBase64url(tree.root()) },
        path: tree.proof(ascending(places)).map(toBase64url),
      },
      feeds: shown,
    };
  }

  /** A record of this log. */
  record(seq: number): FeedRecord {
    const { leaf, body } = this.#entries[seq] ?? { leaf: new Uint8Array(), body: undefined };
    const bytes = body === undefined ? {} : { body: toBase64url(body) };
    return { seq, leaf: toBase64url(leaf), ...bytes };
  }

  async checkpoint(): Promise<string> {
    return this.#sign();
  }

  async *entries(from: number, to: number): AsyncGenerator<readonly Entry[]> {
    yield this.#entries.slice(from, to);
  }

  async consistency(oldSize: number, newSize: number): Promise<readonly string[]> {
    return this.#consistency(oldSize, newSize);
  }

  async succession(): Promise<unknown> {
    return this.#bcdb.succession;
  }

  async waitForMore(): Promise<void> {
    await Promise.resolve();
  }

  #consistency(oldSize: number, newSize: number): string[] {
    if (oldSize === 0 || oldSize >= newSize) return [];
    return naiveConsistency(oldSize, this.#leafHashes.slice(0, newSize)).map(toBase64url);
  }

  #sign(): string {
    const head: LogHead = { size: this.#entries.length, root: naiveRoot(this.#leafHashes) };
    const signer = new CheckpointSigner(this.#key, this.#bcdb.log);
    return signer.signAt(head, Math.floor(this.#nowMs() / 1000));
  }

  #tree(): FeedTree {
    const tree = new FeedTree();
    tree.update(this.#feeds.heads);
    return tree;
  }
}

/** Shows that the records of a reply, as far as there are such, are in the tree of these leaves. */
export function pathOf(
  reply: Pick<FeedsReply, 'tick' | 'feeds'>,
  leafHashes: readonly Uint8Array[],
): string[] {
  const seqs = recordsOf(reply).map(({ seq }) => seq);
  const inside = ascending(seqs).filter((seq) => seq < leafHashes.length);
  return batchProof(naiveReader(leafHashes), inside, leafHashes.length).map(toBase64url);
}

function ascending(places: readonly number[]): readonly number[] {
  return [...new Set(places)].toSorted((a, b) => a - b);
}
