/** What a server says of itself once it is open. */
export interface NewsServerFacts {
  readonly port: number;
  readonly log: string;
  readonly sequencerKey: string;
}

/** Asks for records about the first node, so far apart on average. */
export interface NewsRequest {
  readonly records: number;
  readonly everyMs: number;
}

/** A sequence, and when: nanoseconds of the machine's monotonic clock, in digits. */
export type Stamp = readonly [seq: number, atNs: string];

/** What readers are to follow. */
export interface NewsReadersTask extends NewsServerFacts {
  readonly dataDir: string;
  readonly readers: number;
}

/** Name of a node: its key follows from it. */
export function nodeName(index: number): string {
  return `news node ${index}`;
}
