/** What one run of the load client does. It is given to its process as JSON. */
export interface LoadSpec {
  readonly port: number;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  readonly method: 'PUT' | 'GET';
  readonly bucket: string;
  /** Objects are `prefix`, `/` and a number from 0 on; requests take them by turns. */
  readonly prefix: string;
  readonly objects: number;
  readonly sizeBytes: number;
  readonly requests: number;
  readonly connections: number;
}

/** What came of it. */
export interface LoadResult {
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Requests that were answered 503 and sent again. */
  readonly retries: number;
}
