import type { HistoryPolicy } from '../engine/namespace.ts';

/** Writes a policy as NSSET takes it: latest, all, versions:N, age:SECONDS. */
export function historyText({ keep, limit }: HistoryPolicy): string {
  return keep === 'latest' || keep === 'all' ? keep : `${keep}:${limit}`;
}

/** Reads it; undefined when it is none. */
export function parseHistory(text: string): HistoryPolicy | undefined {
  const [, keep, digits] = /^(latest|all|versions|age)(?::([1-9]\d{0,9}))?$/.exec(text) ?? [];
  if (keep === 'latest' || keep === 'all') {
    return digits === undefined ? { keep, limit: 0 } : undefined;
  }
  if ((keep !== 'versions' && keep !== 'age') || digits === undefined) return undefined;
  return { keep, limit: Number(digits) };
}
