import type { KeyPage } from './key-pages.ts';

/** Where a backend stands: what fails together. */
export interface BackendPlace {
  readonly node: string;
  readonly farm: string;
  readonly country: string;
}

/**
 * `healthy` answers; `suspect` did not answer the last time; `lost` has not for so long that what it
 * had is to be made again elsewhere.
 */
export type BackendState = 'healthy' | 'suspect' | 'lost';

export interface BackendEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** One namespace of one Zero-DB. */
export interface Backend {
  /** Its number in the catalogue, 1 to 65,535; never given to another. */
  readonly no: number;
  readonly place: BackendPlace;
  /** Is used for new shards only when the others do not suffice. */
  readonly isSpare: boolean;
  readonly state: BackendState;
  /** Answers, takes writes and has room. */
  readonly isWritable: boolean;
  readonly freeBytes: number;
  /** What its namespace takes on disk. */
  readonly usedBytes: number;
  /** How long reads take, ms; 0 while there was none. */
  readonly readMs: { readonly p50: number; readonly p95: number };
  /**
   * Stores a value; it is on disk when this resolves. Nobody reads the value any more when the
   * promise has settled, whichever way: a put cannot be given up half way.
   * @throws ZSTOR_BACKEND_FAILED, ZSTOR_BACKEND_REFUSED, ZSTOR_BACKEND_BUSY
   */
  put(key: Uint8Array, value: Uint8Array): Promise<void>;
  /** Stores several small values, all or none, in one command. Throws as `put`. */
  putAll(entries: readonly BackendEntry[]): Promise<void>;
  /**
   * The value, or undefined when there is none. Whoever asks verifies it by a hash of his own: what
   * is damaged there may come as it is.
   * @param sizeBytes what is expected: as much is counted against what may be under way
   * @throws ZSTOR_BACKEND_FAILED, ZSTOR_BACKEND_REFUSED, ZSTOR_BACKEND_BUSY, BASE_ABORTED
   */
  get(key: Uint8Array, sizeBytes: number, signal?: AbortSignal): Promise<Buffer | undefined>;
  /**
   * A part of a value: shorter when the value ends before, undefined when there is none. Throws as
   * `get`.
   */
  getPart(
    key: Uint8Array,
    part: { readonly from: number; readonly bytes: number },
    signal?: AbortSignal,
  ): Promise<Buffer | undefined>;
  /**
   * SHA-256 over nonce and value, made there; undefined when there is none. Throws as `get`.
   * @param leftOut bytes of the value that are not hashed
   */
  digest(
    key: Uint8Array,
    nonce: Uint8Array,
    leftOut?: { readonly from: number; readonly to: number },
  ): Promise<Uint8Array | undefined>;
  /** Keys whose values it found damaged on its disk, those that were written anew too. Throws as `get`. */
  damagedKeys(): Promise<readonly Uint8Array[]>;
  /** Deletes keys; those that are not there are no fault. @returns how many were. Throws as `put`. */
  remove(keys: readonly Uint8Array[]): Promise<number>;
  /**
   * The next keys that begin with `prefix`, which is ASCII, from the first one or behind a cursor; see
   * `keyPages`. Throws as `get`.
   */
  scan(prefix: string, cursor?: Uint8Array): Promise<KeyPage>;
}

const shardKind = 'S'.charCodeAt(0);
const copyKind = 'P'.charCodeAt(0);

/** Key of a shard: `S`, 16 bytes id of the chunk, 1 byte index. */
export function shardKey(chunkId: Uint8Array, index: number): Buffer {
  return Buffer.from([shardKind, ...chunkId, index]);
}

/** Key of the copies of a small object: `P`, 16 bytes id of its chunk. */
export function copyKey(chunkId: Uint8Array): Buffer {
  return Buffer.from([copyKind, ...chunkId]);
}

/** What a key of this store is for; undefined for keys that are neither of shards nor of copies. */
export function chunkKeyOf(
  key: Buffer,
): { readonly chunkId: Buffer; readonly index: number | undefined } | undefined {
  const chunkId = key.subarray(1, 17);
  if (key.length === 18 && key[0] === shardKind) return { chunkId, index: key[17] };
  return key.length === 17 && key[0] === copyKind ? { chunkId, index: undefined } : undefined;
}
