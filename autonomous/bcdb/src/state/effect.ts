/**
 * What a record did, once it was judged: the only thing that projections see. Most records have one
 * effect; an approval that completes a proposal has the effect of the proposed change; a record that
 * was refused has none.
 */
export type Effect = ObjectPut | ObjectDeleted | ObjectErased;

interface ObjectEffect {
  readonly ns: string;
  readonly url: string;
  readonly obj: string;
  /** Sequence of the record that made it take effect. */
  readonly seq: number;
  /** Sequence of the record that carries the change: the proposal's, or `seq` itself. */
  readonly origin: number;
  /** Leaf hash of the record `origin`, base64url: what the next version names as `prev`. */
  readonly version: string;
  /** Who signed the change: text of a key. */
  readonly author: string;
  /** Log time in force, milliseconds since 1970. */
  readonly at: number;
}

/** A new current version. */
export interface ObjectPut extends ObjectEffect {
  readonly kind: 'put';
  /** Hash of its schema; undefined for the urls that BCDB itself knows. */
  readonly schema: string | undefined;
  /** Canonical JSON, or a sealed box in a private namespace; undefined once it was erased. */
  readonly payload: Uint8Array | undefined;
}

/** No current version any more; former ones stay. */
export interface ObjectDeleted extends ObjectEffect {
  readonly kind: 'del';
}

/** As deleted, and the payloads of all its versions are gone. */
export interface ObjectErased extends ObjectEffect {
  readonly kind: 'erase';
}

/** Effects of a run of records, in order. Applied in one transaction, or not at all. */
export interface EffectBatch {
  /** Sequence of the first record. */
  readonly from: number;
  /** Size of the log after the last one. */
  readonly size: number;
  /** Merkle root (32 bytes) at that size. */
  readonly root: Uint8Array;
  readonly effects: readonly Effect[];
}
