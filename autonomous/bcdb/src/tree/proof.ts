import { GridError } from '@commongrid/base/browser';
import type { BcdbErrorCode } from '../errors.ts';
import { completeHeight, hashBytes, isSameHash, splitPoint } from './merkle.ts';
import type { TreeHasher } from './merkle.ts';

/** Where the hashes of complete trees come from. */
export interface NodeReader {
  readonly hasher: TreeHasher;
  /** Leaves that there are. */
  readonly size: number;
  /** Root over the leaves `[index * 2^height, (index + 1) * 2^height)`, which all exist. */
  node(height: number, index: number): Uint8Array;
}

/** Longest proof of this program, in hashes: sizes stay below 2^53. */
export const pathHashesMax = 64;

/** Root of the tree over the first `size` leaves. */
export function rootAt(reader: NodeReader, size: number): Uint8Array {
  requireTree(reader, size);
  return size === 0 ? reader.hasher.emptyRoot : rangeRoot(reader, 0, size);
}

/**
 * Proves that leaf `seq` is in the tree of `size` leaves (RFC 6962, section 2.1.1): the sisters on
 * its way to the root, the lowest first.
 * @throws BCDB_SEQ_UNKNOWN
 */
export function inclusionProof(reader: NodeReader, seq: number, size: number): Uint8Array[] {
  requireTree(reader, size);
  requireRange(isSize(seq) && seq < size, `no leaf ${seq} in a tree of ${size}`);
  const path: Uint8Array[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + splitPoint(to - from);
    const isLeft = seq < middle;
    path.push(isLeft ? rangeRoot(reader, middle, to) : rangeRoot(reader, from, middle));
    [from, to] = isLeft ? [from, middle] : [middle, to];
  }
  return path.toReversed();
}

/**
 * Proves that the tree of `newSize` leaves begins with the tree of `oldSize` (RFC 6962, section
 * 2.1.2). Nothing has to be shown where they are equal, or the old one is empty.
 * @throws BCDB_SEQ_UNKNOWN
 */
export function consistencyProof(
  reader: NodeReader,
  oldSize: number,
  newSize: number,
): Uint8Array[] {
  requireTree(reader, newSize);
  requireRange(
    isSize(oldSize) && oldSize <= newSize,
    `a tree of ${oldSize} leaves is no part of one of ${newSize}`,
  );
  if (oldSize === 0) return [];
  const path: Uint8Array[] = [];
  let [from, to] = [0, newSize];
  while (oldSize < to) {
    const middle = from + splitPoint(to - from);
    const isLeft = oldSize <= middle;
    path.push(isLeft ? rangeRoot(reader, middle, to) : rangeRoot(reader, from, middle));
    [from, to] = isLeft ? [from, middle] : [middle, to];
  }
  // The old root itself is known to who asks; a part of it is not.
  if (from > 0) path.push(rangeRoot(reader, from, to));
  return path.toReversed();
}

export interface InclusionClaim {
  readonly leafHash: Uint8Array;
  readonly seq: number;
  readonly size: number;
  readonly root: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** Whether the proof shows that the leaf is there (RFC 9162, section 2.1.3.2). */
export function isIncluded(hasher: TreeHasher, claim: InclusionClaim): boolean {
  const { leafHash, seq, size, root, path } = claim;
  if (!isSize(seq) || !isSize(size) || seq >= size) return false;
  if (![leafHash, root, ...path].every(isHash)) return false;
  let [place, last] = [seq, size - 1];
  let hash = leafHash;
  for (const sister of path) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      hash = hasher.nodeHash(sister, hash);
      [place, last] = skipZeros(place, last);
    } else {
      hash = hasher.nodeHash(hash, sister);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && isSameHash(hash, root);
}

export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly oldRoot: Uint8Array;
  readonly newSize: number;
  readonly newRoot: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/**
 * Whether the proof shows that the new tree begins with the old (RFC 9162, section 2.1.4.2). Every
 * tree begins with the empty one; that takes no proof.
 */
export function isConsistent(hasher: TreeHasher, claim: ConsistencyClaim): boolean {
  const { oldSize, oldRoot, newSize, newRoot, path } = claim;
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize) return false;
  if (![oldRoot, newRoot, ...path].every(isHash)) return false;
  if (oldSize === 0 && !isSameHash(oldRoot, hasher.emptyRoot)) return false;
  if (oldSize === newSize) return path.length === 0 && isSameHash(oldRoot, newRoot);
  if (oldSize === 0) return path.length === 0;
  const [first, ...sisters] = completeHeight(oldSize) === undefined ? path : [oldRoot, ...path];
  if (first === undefined) return false;
  let [place, last] = [oldSize - 1, newSize - 1];
  while (place % 2 === 1) [place, last] = [half(place), half(last)];
  let [oldHash, newHash] = [first, first];
  for (const sister of sisters) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      oldHash = hasher.nodeHash(sister, oldHash);
      newHash = hasher.nodeHash(sister, newHash);
      [place, last] = skipZeros(place, last);
    } else {
      newHash = hasher.nodeHash(newHash, sister);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && isSameHash(oldHash, oldRoot) && isSameHash(newHash, newRoot);
}

/** Up to where the node is a right child again: in between it has no sister and stays as it is. */
function skipZeros(place: number, last: number): [number, number] {
  let [at, end] = [place, last];
  while (at !== 0 && at % 2 === 0) [at, end] = [half(at), half(end)];
  return [at, end];
}

/**
 * That leaves are in a tree, and in order.
 * @throws BCDB_SEQ_UNKNOWN
 */
export function requireLeaves(reader: NodeReader, seqs: readonly number[], size: number): void {
  requireTree(reader, size);
  for (const [index, seq] of seqs.entries()) {
    const isThere = isSize(seq) && seq < size && seq > (seqs[index - 1] ?? -1);
    requireRange(isThere, `no leaf ${seq} in its place in a tree of ${size}`);
  }
}

/** Root over the leaves `[from, to)`; `from` is a multiple of a power of two >= `to - from`. */
export function rangeRoot(reader: NodeReader, from: number, to: number): Uint8Array {
  const count = to - from;
  const height = completeHeight(count);
  if (height !== undefined) return reader.node(height, from / count);
  const middle = from + splitPoint(count);
  return reader.hasher.nodeHash(rangeRoot(reader, from, middle), rangeRoot(reader, middle, to));
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function isHash(bytes: Uint8Array): boolean {
  return bytes.length === hashBytes;
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function requireTree(reader: NodeReader, size: number): void {
  const isThere = isSize(size) && size <= reader.size;
  requireRange(isThere, `no tree of ${size} leaves yet, ${reader.size} so far`);
}

function requireRange(isInside: boolean, message: string): void {
  if (isInside) return;
  throw new GridError<BcdbErrorCode>('BCDB_SEQ_UNKNOWN', message);
}
