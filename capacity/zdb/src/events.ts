/** What happened in a store that somebody outside may want to act on. */
export type ZdbEvent =
  | SegmentSealedEvent
  | SegmentMissingEvent
  | QuotaEvent
  | DamageEvent
  | FailureEvent
  | WritableEvent
  | ClockAheadEvent
  | ReplicationEvent;

/** What became of masterships, and of logs that had gone different ways. */
export type ReplicationEvent = PromotedEvent | FencedEvent | DivergedEvent | ResyncEvent;

/** This store is the master now. */
export interface PromotedEvent {
  readonly kind: 'promoted';
  readonly term: number;
  readonly firstSequence: number;
}

/** Another store is the master now: this one takes no more writes. */
export interface FencedEvent {
  readonly kind: 'fenced';
  /** The later mastership. */
  readonly term: number;
}

/** Records after `common` that the new master does not know were cut off and saved in `file`. */
export interface DivergedEvent {
  readonly kind: 'diverged';
  readonly term: number;
  readonly common: number;
  readonly records: number;
  readonly file: string;
}

/** The log could not be continued: its files were renamed with this prefix, and a new copy begins. */
export interface ResyncEvent {
  readonly kind: 'resync';
  readonly term: number;
  readonly prefix: string;
}

/** A segment takes no more records and is on disk whole: it can be copied elsewhere. */
export interface SegmentSealedEvent {
  readonly kind: 'segment-sealed';
  readonly segment: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly records: number;
}

/** A file that the manifest names is not there. */
export interface SegmentMissingEvent {
  readonly kind: 'segment-missing';
  readonly path: string;
}

/** A namespace has passed this part of its reserved room. */
export interface QuotaEvent {
  readonly kind: 'quota';
  readonly namespace: string;
  readonly percent: number;
  readonly usedBytes: number;
  readonly maxBytes: number;
}

/** A record could not be read, or its checksum differs. */
export interface DamageEvent {
  readonly kind: 'damage';
  readonly path: string;
  readonly offset: number;
  readonly message: string;
}

/** The disk refused a write: the store answers reads alone, until `writable` or the next start. */
export interface FailureEvent {
  readonly kind: 'failure';
  readonly code: string;
  readonly message: string;
}

/** The disk was full and has room: writes are taken again. */
export interface WritableEvent {
  readonly kind: 'writable';
}

/** The clock is more than a day ahead of what is believed: no history grows old by it. */
export interface ClockAheadEvent {
  readonly kind: 'clock-ahead';
  readonly aheadSeconds: number;
}
