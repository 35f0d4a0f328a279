import type { DatabaseSync } from 'node:sqlite';

import { repeat, throwIfAborted } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';

import { hasReleased, releaseSome } from '../meta/bodies.ts';
import { forgetCompleted, hasForgettable } from '../meta/complete-upload.ts';

/** How often is looked whether something is to be done. */
const lookEveryMs = 1_000;
/** Bytes of large bodies whose blobs one change releases. */
const releasedBytesMax = 512 << 20;

/** What this needs of a catalogue. */
export interface CareCatalog {
  readonly isServing: boolean;
  read<T>(query: (db: DatabaseSync) => T): T;
  write<T>(change: (db: DatabaseSync) => T): Promise<T>;
}

export interface TableCareOptions {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Does, until the signal fires, what requests left over for later: releases the blobs of large bodies,
 * in changes of a size that requests can wait for, and forgets uploads that were completed long ago.
 */
export async function careForTables(
  catalog: CareCatalog,
  { signal, clock, logger }: TableCareOptions,
): Promise<void> {
  const look = async (): Promise<void> => {
    if (!catalog.isServing) return;
    const nowMs = clock.nowMs();
    while (catalog.read(hasReleased)) {
      await catalog.write((db) => releaseSome(db, releasedBytesMax));
      throwIfAborted(signal);
    }
    while (catalog.read((db) => hasForgettable(db, nowMs))) {
      await catalog.write((db) => forgetCompleted(db, nowMs));
      throwIfAborted(signal);
    }
  };
  const onError = (err: unknown): void => logger.warn({ err }, 'releasing bodies failed');
  await repeat(lookEveryMs, look, { signal, clock, onError });
}
