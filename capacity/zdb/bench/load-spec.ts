/** What one run of the loader does. It is given to its process as JSON. */
export interface LoadSpec {
  readonly port: number;
  readonly connections: number;
  /** Requests that a connection sends at once; it waits for all their replies. */
  readonly pipeline: number;
  /**
   * `fill`: SET of each key once, in order. `overwrite`: SET of random keys, each time another
   * value. `mix`: four GET for each such SET.
   */
  readonly work: 'fill' | 'overwrite' | 'mix';
  /** Keys are `prefix` and 12 digits, as redis-benchmark makes them. */
  readonly prefix: string;
  readonly firstKey: number;
  readonly keys: number;
  readonly valueBytes: number;
  /**
   * Stands in the values of a fill; overwrites count up from it. The same value is not written
   * again, so runs over the same keys need versions far apart.
   */
  readonly version: number;
  /** Ends the run early; a fill without it ends when each key was set. */
  readonly seconds?: number;
  /** Connection i works in namespace i modulo their number; empty: in the default namespace. */
  readonly namespaces?: readonly string[];
}

/** What came of it. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** From sending a request to its reply, ms; requests of one batch count alike. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly gets: number;
  /** GETs that found nothing. */
  readonly nils: number;
  /** Part of one core that the loader used: near 1 it was the bottleneck itself. */
  readonly loaderCores: number;
}
