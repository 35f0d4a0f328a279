import type { IdShift } from '../erofs/shift-ids.ts';
import type { ObjectId } from '../format/object-id.ts';
import type { LocalFolders } from './local-content.ts';

/** What the read worker begins with. */
export interface WorkerStart extends LocalFolders {
  /** /dev/fuse. */
  readonly fd: number;
  readonly secret: Uint8Array;
  /** Of a `ChunkWindow`. */
  readonly window: SharedArrayBuffer;
  /** Is 1 once there are orders to take: the worker looks each time something is asked. */
  readonly bell: SharedArrayBuffer;
  /** Where it notes what is not answered, and which places are taken; for kernels that forget it. */
  readonly openRequests?: { readonly path: string; readonly taken: SharedArrayBuffer } | undefined;
  /** Taken before the first request. */
  readonly orders: readonly WorkerOrder[];
}

/** What an image shows in the file system. */
export interface ServedImage {
  /** Names it among the images that are served. */
  readonly name: string;
  /** Canonical bytes of the flist. */
  readonly bytes: Uint8Array;
  /** Also as a whole, at `/trees/NAME`. */
  readonly tree?: TreeService | undefined;
}

export interface TreeService extends IdShift {
  /** Whether what is read is noted, in its order. */
  readonly isTraced: boolean;
}

/** From the main thread to the worker. */
export type WorkerOrder =
  | { readonly kind: 'add'; readonly image: ServedImage }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'trace'; readonly name: string }
  /** Once it has answered for the name `last`, which nobody asks after. */
  | { readonly kind: 'end'; readonly last: string };

/** A read of what is not here, or damaged. */
export interface MissMessage {
  readonly kind: 'miss';
  readonly unique: bigint;
  /** Where it is noted among the open requests; 0 when it is not. */
  readonly place: number;
  readonly id: ObjectId;
  readonly offset: number;
  readonly length: number;
}

/** A file, by its place among the files of the image, and its chunks. */
export interface TracedRead {
  readonly file: number;
  readonly firstChunk: number;
  readonly chunkCount: number;
}

/** From the worker to the main thread. */
export type WorkerMessage =
  | MissMessage
  | { readonly kind: 'interrupt'; readonly unique: bigint }
  | { readonly kind: 'trace'; readonly name: string; readonly reads: readonly TracedRead[] };
