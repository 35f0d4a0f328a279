/** Failures of BCDB. `code` is stable; texts may change. */
export type BcdbErrorCode =
  | 'BCDB_ENVELOPE_INVALID' // bytes are no envelope in canonical form: build it with the client
  | 'BCDB_LOG_CORRUPT' // an entry differs from what was signed: see `details.seq`; restore it from a replica
  | 'BCDB_LOG_FULL' // no room for the log: free some, then retry
  | 'BCDB_LOG_NOT_WRITER' // another process took over the log: follow it, do not write
  | 'BCDB_LOG_STOPPED'; // an append failed before: open the log again
