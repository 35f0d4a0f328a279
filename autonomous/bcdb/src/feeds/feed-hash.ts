import { hashBytes } from '../tree/merkle.ts';
import type { Sha256 } from '../tree/merkle.ts';

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
  const bytes = Buffer.allocUnsafe(linkPrefix.length + 3 * hashBytes + 16);
  linkPrefix.copy(bytes);
  let end = linkPrefix.length;
  bytes.set(chain, end);
  end = writeNumber(bytes, seq, end + hashBytes);
  bytes.set(leafHash, end);
  end = writeNumber(bytes, at, end + hashBytes);
  bytes.set(proposal ?? noProposal, end);
  return { count: count + 1, chain: sha256(bytes) };
}

/** Records that come before another because its reader needs them: as a feed of their own. */
export function chainOf(sha256: Sha256, links: readonly FeedLink[]): FeedHead {
  return links.reduce((head, link) => nextHead(sha256, head, link), emptyFeed);
}

/** The feed with antecedents of its next record, by their count and chain. */
export function headWith(sha256: Sha256, feed: FeedHead, antecedents: FeedHead): FeedHead {
  const bytes = Buffer.allocUnsafe(antecedentsPrefix.length + 2 * hashBytes + 8);
  antecedentsPrefix.copy(bytes);
  bytes.set(feed.chain, antecedentsPrefix.length);
  const end = writeNumber(bytes, antecedents.count, antecedentsPrefix.length + hashBytes);
  bytes.set(antecedents.chain, end);
  return { count: feed.count + antecedents.count, chain: sha256(bytes) };
}

/** Hash of the leaf that says how far the feed of a reader has come. */
export function feedLeafHash(
  sha256: Sha256,
  reader: string,
  { count, chain }: FeedHead,
): Uint8Array {
  const nameAt = leafPrefix.length + 8 + hashBytes;
  const bytes = Buffer.allocUnsafe(nameAt + Buffer.byteLength(reader));
  leafPrefix.copy(bytes);
  bytes.set(chain, writeNumber(bytes, count, leafPrefix.length));
  bytes.write(reader, nameAt);
  return sha256(bytes);
}

/** What a tick says of all feeds: a hash of how many readers there are and of the root over them. */
export function feedsRootOf(sha256: Sha256, readers: number, root: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(rootPrefix.length + 8 + hashBytes);
  rootPrefix.copy(bytes);
  bytes.set(root, writeNumber(bytes, readers, rootPrefix.length));
  return sha256(bytes);
}

const noProposal = new Uint8Array(hashBytes);

/** Writes eight bytes, the highest first. @returns where they end */
function writeNumber(bytes: Buffer, value: number, at: number): number {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  return bytes.writeUInt32BE(value % 2 ** 32, at + 4);
}

const linkPrefix = Buffer.from('commongrid/feed-link/1\0');
const antecedentsPrefix = Buffer.from('commongrid/feed-antecedents/1\0');
/** A leaf of the tree is hashed after a byte 0. */
const leafPrefix = Buffer.from('\0commongrid/feed-leaf/1\0');
const rootPrefix = Buffer.from('commongrid/feeds-root/1\0');
