/** What happened in a store that somebody outside may want to act on. */
export type ZdbEvent =
  | SegmentSealedEvent
  | SegmentMissingEvent
  | QuotaEvent
  | DamageEvent
  | FailureEvent;

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

/** The disk refused a write: the store answers reads alone. */
export interface FailureEvent {
  readonly kind: 'failure';
  readonly code: string;
  readonly message: string;
}
