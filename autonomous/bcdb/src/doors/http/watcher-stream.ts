import { Readable } from 'node:stream';
import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import type { DoorMetrics } from './door-metrics.ts';

/** Watches that are open at one time. */
export const watchersMax = 1000;

/** Text that is ready for a watcher and not sent yet, bytes; one event may go beyond it. */
const watcherBufferBytes = 64 << 10;

/**
 * Sends events as the peer takes them, and counts it among the watchers until it leaves.
 * @param watch begins the watch: is called only when there is room for it
 * @throws BCDB_WATCHERS_FULL
 */
export function watcherStream(metrics: DoorMetrics, watch: () => AsyncIterable<string>): Readable {
  if (metrics.watchers >= watchersMax) throw full();
  const stream = Readable.from(watch(), { objectMode: false, highWaterMark: watcherBufferBytes });
  metrics.watchers++;
  stream.once('close', () => metrics.watchers--);
  return stream;
}

function full(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_WATCHERS_FULL', `${watchersMax} watches are open already`, {
    hint: 'end some, or try again later',
    retryable: true,
  });
}
