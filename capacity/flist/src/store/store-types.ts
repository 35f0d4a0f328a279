import type { Clock, Logger } from '@commongrid/base';

import type { ObjectId } from '../format/object-id.ts';
import type { ChunkHash } from '../ports.ts';
import type { SourceSet } from '../sources/source-set.ts';
import type { Priority } from './chunk-requests.ts';

/** Something that happened in a store, for a log and for people. */
export type StoreEvent =
  | {
      /** A whole file had other bytes than it should; it was removed. These mounts name it. */
      readonly kind: 'object-tainted';
      readonly object: ObjectId;
      readonly mounts: readonly string[];
    }
  | { readonly kind: 'chunk-damaged'; readonly hash: ChunkHash };

export interface ObjectStoreOptions {
  /** Made where it is not there. One process at a time. */
  readonly folder: string;
  /** Bytes that its files may have on disk together. */
  readonly maxBytes: number;
  /** Whoever gives them closes them, after the store. */
  readonly sources: SourceSet;
  readonly onEvent?: (event: StoreEvent) => void;
  /** A chunk came, verified, that was needed with the priority `next`, and by nobody who waits. */
  readonly onNext?: (hash: ChunkHash, plaintext: Uint8Array) => void;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface NeedOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: read. */
  readonly priority?: Priority;
}

/** Where the bytes of a chunk are. */
export interface ChunkPlace {
  readonly path: string;
  readonly offset: number;
}

export interface VerifyResult {
  /** Objects of the flist that are whole here. */
  readonly wholeObjects: number;
  /** Of those, the ones that were read, since their files had changed. */
  readonly readObjects: number;
  /** Removed, since they had other bytes. */
  readonly removedObjects: number;
}

export interface StoreScrubResult {
  readonly checkedFiles: number;
  readonly checkedBytes: number;
  readonly badFiles: number;
}

export interface StoreUsage {
  readonly usedBytes: number;
  readonly maxBytes: number;
  readonly objects: number;
  readonly chunks: number;
  readonly pins: number;
  /** Plaintext that came from sources since it was opened, and what of that could not be kept. */
  readonly fetchedBytes: number;
  readonly notKeptBytes: number;
  readonly evictedBytes: number;
}
