import { delay } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { SourceChange, WorkloadSource } from '../ports.ts';

export interface FollowOptions {
  readonly source: Pick<WorkloadSource, 'changes'>;
  /** What the source is to be asked after. */
  readonly cursor: () => string;
  readonly take: (change: SourceChange) => Promise<void>;
  readonly onError: (error: unknown) => void;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Pause after a source failed, ms. */
const retryMs = 1_000;

/** Takes in what a source says, one change after the other, and asks again when it fails. */
export async function followSource(options: FollowOptions): Promise<void> {
  const { source, cursor, take, onError, clock, signal } = options;
  while (!signal.aborted) {
    try {
      for await (const change of source.changes(cursor(), signal)) await take(change);
    } catch (error) {
      if (signal.aborted) return;
      onError(error);
      await delay(retryMs, { signal, clock }).catch(() => {});
    }
  }
}
