import { hash } from 'node:crypto';
import type { NodeReader } from '../proof.ts';
import { TreeHasher } from '../merkle.ts';

/*
 * The tree of RFC 6962, section 2.1, as its recursive definitions say, and nothing shared with the
 * code that is tested.
 */

/** Hashes of leaves that differ: leaf `i` is `i` in decimal. */
export function someLeafHashes(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => sha256(Buffer.from(`\0${index}`)));
}

/** MTH of a list of leaf hashes. */
export function naiveRoot(leafHashes: readonly Uint8Array[]): Uint8Array {
  const [first] = leafHashes;
  if (first === undefined) return sha256(Buffer.alloc(0));
  if (leafHashes.length === 1) return first;
  const k = split(leafHashes.length);
  return node(naiveRoot(leafHashes.slice(0, k)), naiveRoot(leafHashes.slice(k)));
}

/** PATH(m, D[n]). */
export function naiveInclusion(m: number, leafHashes: readonly Uint8Array[]): Uint8Array[] {
  if (leafHashes.length <= 1) return [];
  const k = split(leafHashes.length);
  const [left, right] = [leafHashes.slice(0, k), leafHashes.slice(k)];
  return m < k
    ? [...naiveInclusion(m, left), naiveRoot(right)]
    : [...naiveInclusion(m - k, right), naiveRoot(left)];
}

/** PROOF(m, D[n]), for 0 < m <= n. */
export function naiveConsistency(m: number, leafHashes: readonly Uint8Array[]): Uint8Array[] {
  return subProof(m, leafHashes, true);
}

/** Reads nodes out of a list of leaf hashes. */
export function naiveReader(leafHashes: readonly Uint8Array[]): NodeReader {
  return {
    hasher: new TreeHasher(sha256),
    size: leafHashes.length,
    node: (height, index) =>
      naiveRoot(leafHashes.slice(index * 2 ** height, (index + 1) * 2 ** height)),
  };
}

function subProof(m: number, d: readonly Uint8Array[], isWhole: boolean): Uint8Array[] {
  if (m === d.length) return isWhole ? [] : [naiveRoot(d)];
  const k = split(d.length);
  const [left, right] = [d.slice(0, k), d.slice(k)];
  return m <= k
    ? [...subProof(m, left, isWhole), naiveRoot(right)]
    : [...subProof(m - k, right, false), naiveRoot(left)];
}

/** The largest power of two below n. */
function split(n: number): number {
  return 2 ** (31 - Math.clz32(n - 1));
}

function node(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([Buffer.of(1), left, right]));
}

function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}
