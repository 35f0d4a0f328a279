/** What `zstor` throws. `code` is stable; texts may change. */
export type ZstorErrorCode =
  | 'ZSTOR_BLOB_ENDED' // a chunk after the last one of its blob: begin a new blob, with a new key
  | 'ZSTOR_CHUNK_CORRUPT' // right shards, but no chunk of this key and place: compare with the metadata
  | 'ZSTOR_CHUNK_TOO_LARGE' // more plaintext than a chunk may hold: split it first
  | 'ZSTOR_POLICY_INVALID' // no code, chunk size or shard size of these numbers: correct the policy
  | 'ZSTOR_SHARD_CORRUPT' // hash or lengths of a shard are wrong: repair it from the others
  | 'ZSTOR_SHARD_FOREIGN' // a shard of another chunk, index or code: look at who answered
  | 'ZSTOR_SHARD_UNKNOWN' // bytes are no shard of a known format: check the source
  | 'ZSTOR_SHARDS_TOO_FEW' // fewer than k shards are left: bring a backend back
  | 'ZSTOR_SHARDS_UNEQUAL' // shards of different lengths in one call: a bug in the caller
  | 'ZSTOR_THREAD_ENDED'; // a coding thread ended under its work: try again, see the cause
