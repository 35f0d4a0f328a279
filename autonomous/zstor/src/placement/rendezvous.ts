import type { Candidate } from './placement-rules.ts';

/**
 * Candidates in the order in which a chunk prefers them: weighted rendezvous. Each has the score
 * -free / ln(h), with h uniform between 0 and 1 out of chunk and backend. So a backend is chosen as
 * often as its share of free space says, and one that comes or goes moves nothing else.
 *
 * Schindelhauer and Schomaker, Weighted Distributed Hash Tables, SPAA 2005.
 */
export function inPreference(
  chunkId: Uint8Array,
  candidates: readonly Candidate[],
): readonly Candidate[] {
  const seed = hash(0, chunkId);
  return candidates
    .map((candidate) => {
      const drawn = (mix(seed ^ Math.imul(candidate.no, 0x9e3779b1)) + 0.5) / 2 ** 32;
      return { candidate, score: -Math.max(1, candidate.freeBytes) / Math.log(drawn) };
    })
    .toSorted((a, b) => b.score - a.score || a.candidate.no - b.candidate.no)
    .map(({ candidate }) => candidate);
}

/** It need not resist anybody: who chooses chunk ids has the keys. */
function hash(seed: number, bytes: Uint8Array): number {
  return bytes.reduce((state, byte) => mix(Math.imul(state, 31) + byte), seed);
}

/** The finalizer of MurmurHash3: each bit of the input changes half of the output. */
function mix(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
