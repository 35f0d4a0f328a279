import { GridError, isGridError } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import type { ObjectChange } from '../../projection/object-row.ts';
import { changeText } from './object-shapes.ts';

/** A watcher hears something at least so often. */
export const keepAliveMs = 15_000;

/** A watcher that does not take what is ready for it in so long is cut. */
export const watcherLagMs = 30_000;

/** Where a watcher stands: after change `index` of record `seq`. */
export interface WatchPlace {
  readonly seq: number;
  /** Changes of that record that it has seen already; undefined: all. */
  readonly seen: number | undefined;
}

export interface WatchEventsOptions {
  /** Changes from the sequence of the place on. */
  readonly changes: AsyncIterator<ObjectChange, void>;
  readonly place: WatchPlace | undefined;
  readonly mayRead: (change: ObjectChange) => boolean;
  readonly clock: Clock;
}

/**
 * Changes as server-sent events. Nothing is queued for a watcher: changes are read from the
 * projection when the peer has taken those before.
 *
 *     id: 1234.0          record and place among its changes: where to go on after
 *     event: change
 *     data: {"url":…,"obj":…,"kind":"put","value":…}
 */
export async function* watchEvents(options: WatchEventsOptions): AsyncGenerator<string, void> {
  const { changes, place, mayRead, clock } = options;
  let [seq, index] = [-1, 0];
  yield 'retry: 1000\n\n';
  try {
    let next: Promise<IteratorResult<ObjectChange, void>> | undefined;
    for (;;) {
      next ??= nextOf(changes);
      const result = await orKeepAlive(next, clock);
      const readyMs = clock.monotonicMs();
      if (result === undefined) {
        yield ': still here\n\n';
      } else if (result.done === true) {
        return;
      } else {
        const change = result.value;
        index = change.seq === seq ? index + 1 : 0;
        seq = change.seq;
        const isSeen = seq === place?.seq && index < (place.seen ?? index + 1);
        next = undefined;
        if (!isSeen && mayRead(change)) yield changeEvent(change, index);
      }
      if (clock.monotonicMs() - readyMs > watcherLagMs) throw lagged();
    }
  } catch (error) {
    if (!isGridError(error) || error.code === 'BASE_ABORTED') return;
    yield `event: cut\ndata: ${JSON.stringify(error)}\n\n`;
  } finally {
    await changes.return?.();
  }
}

/** Reads the id of the last event that a watcher got; undefined when it is none. */
export function parsePlace(id: string): WatchPlace | undefined {
  const { seq, index } = /^(?<seq>\d{1,15})(?:\.(?<index>\d{1,9}))?$/.exec(id)?.groups ?? {};
  if (seq === undefined) return undefined;
  return { seq: Number(seq), seen: index === undefined ? undefined : Number(index) + 1 };
}

function changeEvent(change: ObjectChange, index: number): string {
  const data = JSON.stringify(changeText(change));
  return `id: ${change.seq}.${index}\nevent: change\ndata: ${data}\n\n`;
}

/** It may fail while nobody looks, and is looked at later. */
export function nextOf<T>(changes: AsyncIterator<T, void>): Promise<IteratorResult<T, void>> {
  const next = changes.next();
  next.catch(() => undefined);
  return next;
}

/** Undefined when nothing came in time. */
export async function orKeepAlive<T>(next: Promise<T>, clock: Clock): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = clock.setTimer(keepAliveMs, () => resolve(undefined));
  try {
    return await Promise.race([next, promise]);
  } finally {
    timer.cancel();
  }
}

export function lagged(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_WATCHER_LAGS', 'this watcher did not take what was ready for it', {
    hint: 'watch again with the id of the last event',
    retryable: true,
  });
}
