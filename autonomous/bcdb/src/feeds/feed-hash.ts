import { hashBytes } from '../tree/merkle.ts';
import type { Sha256, TreeHasher } from '../tree/merkle.ts';

/** How far a feed has come: how many records, and a hash over all of them in their order. */
export interface FeedHead {
  readonly count: number;
  /** 32 bytes. */
  readonly chain: Uint8Array;
}

/** One record of a feed, as its chain commits to it. */
export interface FeedLink {
  readonly seq: number;
  /** Leaf hash of the record, 32 bytes. */
  readonly leafHash: Uint8Array;
  /** Log time in force, milliseconds since 1970. */
  readonly at: number;
  /** Leaf hash of the proposal that took effect with the record. */
  readonly proposal: Uint8Array | undefined;
}

/** The feed of a reader whom nothing has concerned yet. */
export const emptyFeed: FeedHead = { count: 0, chain: new Uint8Array(hashBytes) };

/** The feed with one more record. */
export function nextHead(sha256: Sha256, { count, chain }: FeedHead, link: FeedLink): FeedHead {
  const { seq, leafHash, at, proposal } = link;
  const bytes = new Uint8Array(linkPrefix.length + 3 * hashBytes + 16);
  const numbers = new DataView(bytes.buffer);
  bytes.set(linkPrefix);
  let end = linkPrefix.length;
  bytes.set(chain, end);
  numbers.setBigUint64((end += hashBytes), BigInt(seq));
  bytes.set(leafHash, (end += 8));
  numbers.setBigUint64((end += hashBytes), BigInt(at));
  if (proposal !== undefined) bytes.set(proposal, end + 8);
  return { count: count + 1, chain: sha256(bytes) };
}

/** Hash of the leaf that says how far the feed of a reader has come. */
export function feedLeafHash(
  hasher: TreeHasher,
  reader: string,
  { count, chain }: FeedHead,
): Uint8Array {
  const name = text.encode(reader);
  const bytes = new Uint8Array(leafPrefix.length + 8 + hashBytes + name.length);
  bytes.set(leafPrefix);
  new DataView(bytes.buffer).setBigUint64(leafPrefix.length, BigInt(count));
  bytes.set(chain, leafPrefix.length + 8);
  bytes.set(name, leafPrefix.length + 8 + hashBytes);
  return hasher.leafHash(bytes);
}

/** What a tick says of all feeds: a hash of how many readers there are and of the root over them. */
export function feedsRootOf(sha256: Sha256, readers: number, root: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(rootPrefix.length + 8 + hashBytes);
  bytes.set(rootPrefix);
  new DataView(bytes.buffer).setBigUint64(rootPrefix.length, BigInt(readers));
  bytes.set(root, rootPrefix.length + 8);
  return sha256(bytes);
}

const text = new TextEncoder();
const linkPrefix = text.encode('commongrid/feed-link/1\0');
const leafPrefix = text.encode('commongrid/feed-leaf/1\0');
const rootPrefix = text.encode('commongrid/feeds-root/1\0');
