/** Where snapshots of the tables are kept: outside of the log and of the tables themselves. */
export interface SnapshotStore {
  /**
   * Keeps a sealed stream, and resolves when it survives what the log survives. What `get` needs is
   * in the pointer, since the tables are not there when it is asked for.
   */
  put(content: AsyncIterable<Buffer>): Promise<Buffer>;
  get(pointer: Buffer): AsyncIterable<Uint8Array>;
  /** Nothing refers to any others: also those whose pointer nobody knows, since a head ended. */
  keepOnly(pointers: readonly Buffer[]): Promise<void>;
}
