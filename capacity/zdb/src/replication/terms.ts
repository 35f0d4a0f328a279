/** A mastership: its number, and the first record that was written in it. */
export interface Term {
  readonly term: number;
  readonly firstSequence: number;
}

/** Masterships of a log, oldest first. Two logs are the same as far as their histories are. */
export type TermHistory = readonly Term[];

/** Before the first promotion. */
export const FIRST_TERMS: TermHistory = [{ term: 0, firstSequence: 1 }];

/** A longer history is refused: as a record it must be short enough to be read in the turn. */
export const TERMS_MAX = 400;

export function encodeTerms(history: TermHistory): string {
  return history.map(({ term, firstSequence }) => `${term}:${firstSequence}`).join(',');
}

/** Undefined unless terms and sequences are whole numbers that rise. */
export function decodeTerms(text: string): TermHistory | undefined {
  const parts = text.split(',');
  if (parts.length > TERMS_MAX) return undefined;
  const history: Term[] = [];
  for (const part of parts) {
    const match = /^(\d{1,15}):(\d{1,16})$/.exec(part);
    if (match === null) return undefined;
    const next = { term: Number(match[1]), firstSequence: Number(match[2]) };
    const before = history.at(-1);
    if (!Number.isSafeInteger(next.firstSequence)) return undefined;
    if (before !== undefined) {
      if (next.term <= before.term || next.firstSequence < before.firstSequence) return undefined;
    }
    history.push(next);
  }
  return history;
}

export function lastTerm(history: TermHistory): number {
  return history.at(-1)?.term ?? 0;
}

/** The part of a history that a log which ends at `lastSequence` can know from its records. */
export function termsUpTo(history: TermHistory, lastSequence: number): TermHistory {
  return history.filter((one, i) => i === 0 || one.firstSequence <= lastSequence);
}

export interface LogEnd {
  readonly history: TermHistory;
  readonly lastSequence: number;
}

/**
 * How a replica's log stands to that of its source.
 * - `continues`: all of it is the source's too.
 * - `diverged`: only up to `common`.
 * - `behind`: the source lacks records that the replica has from the same mastership.
 * - `stale`: the replica comes from a later mastership than the source.
 * - `foreign`: they have no mastership in common.
 */
export type Comparison =
  | { readonly kind: 'continues' | 'behind' | 'stale' | 'foreign' }
  | { readonly kind: 'diverged'; readonly common: number };

export function compareLogs(source: LogEnd, replica: LogEnd): Comparison {
  const shared = sharedTerms(source.history, replica.history);
  if (shared === 0) return { kind: 'foreign' };
  const later = source.history[shared];
  const other = replica.history[shared];
  if (other !== undefined && lastTerm(replica.history) > lastTerm(source.history)) {
    return { kind: 'stale' };
  }
  const sourceEnd = later === undefined ? source.lastSequence : later.firstSequence - 1;
  const replicaEnd = other === undefined ? replica.lastSequence : other.firstSequence - 1;
  const common = Math.min(sourceEnd, replicaEnd);
  if (common >= replica.lastSequence) return { kind: 'continues' };
  if (later === undefined && other === undefined) return { kind: 'behind' };
  return { kind: 'diverged', common };
}

function sharedTerms(one: TermHistory, other: TermHistory): number {
  let count = 0;
  while (count < one.length && count < other.length) {
    const a = one[count];
    const b = other[count];
    if (a?.term !== b?.term || a?.firstSequence !== b?.firstSequence) break;
    count++;
  }
  return count;
}
