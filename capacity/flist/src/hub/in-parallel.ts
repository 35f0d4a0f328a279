import { throwIfAborted } from '@commongrid/base';

/**
 * Works on the items, a few at a time. When one fails no further one is begun, the signal of those
 * under way fires, and the failure is thrown once they have ended.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  workers: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  outer?: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const signal = outer === undefined ? failed.signal : AbortSignal.any([outer, failed.signal]);
  const left = items[Symbol.iterator]();
  const run = async (): Promise<void> => {
    try {
      for (let next = left.next(); next.done !== true; next = left.next()) {
        if (signal.aborted) return;
        await work(next.value, signal);
      }
    } catch (error) {
      // The first failure counts; that others were stopped for it says nothing.
      failed.abort(error);
    }
  };
  await Promise.all(Array.from({ length: workers }, run));
  if (failed.signal.aborted) throw failed.signal.reason;
  throwIfAborted(outer);
}

/** The list in pieces of so many. */
export function* piecesOf<T>(list: readonly T[], count: number): Generator<T[], void> {
  for (let at = 0; at < list.length; at += count) yield list.slice(at, at + count);
}
