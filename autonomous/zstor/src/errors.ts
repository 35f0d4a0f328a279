/** What `zstor` throws. `code` is stable; texts may change. */
export type ZstorErrorCode =
  | 'ZSTOR_BACKEND_BUSY' // too much is under way to a backend: others are used, try again
  | 'ZSTOR_BACKEND_FAILED' // a backend does not answer, or not in time: look at that server
  | 'ZSTOR_BACKEND_REFUSED' // a backend answers with an error: its text says why
  | 'ZSTOR_BACKEND_UNKNOWN' // no backend of the store has that name: grid zstor status shows all
  | 'ZSTOR_BACKENDS_INVALID' // the backends file is wrong: the message names entry and field
  | 'ZSTOR_BACKENDS_TOO_FEW' // too few nodes take shards for a write that survives: bring some back
  | 'ZSTOR_BLOB_ENDED' // a chunk after the last one of its blob: begin a new blob, with a new key
  | 'ZSTOR_CATALOG_BUSY' // too many changes wait: send less at a time, try again
  | 'ZSTOR_CATALOG_CHANGE_INVALID' // a change that waits, alters tables or ends transactions: a bug in it
  | 'ZSTOR_CATALOG_CHANGE_TOO_LARGE' // one change alters more than a record of the log holds: split it
  | 'ZSTOR_CATALOG_FENCED' // another head took over: ask that one
  | 'ZSTOR_CATALOG_HALTED' // the log and the tables disagree: keep both, see the details, then rebuild
  | 'ZSTOR_CATALOG_LOG_BEHIND' // the log ends before the local tables do: look for its right members
  | 'ZSTOR_CATALOG_LOG_FOREIGN' // members or tables are of another log: correct the configuration
  | 'ZSTOR_CATALOG_LOG_INCOMPLETE' // records are missing that no snapshot has: bring members back
  | 'ZSTOR_CATALOG_MEMBER_FAILED' // a member of the log does not answer as it should: see the cause
  | 'ZSTOR_CATALOG_MEMBER_FORGOT' // a member lacks what it confirmed: it is filled again by itself
  | 'ZSTOR_CATALOG_MEMBER_WIPED' // a member lost what it had: replace it, by itself if it is sound
  | 'ZSTOR_CATALOG_NOT_EMPTY' // a log cannot begin where there are records: use empty namespaces
  | 'ZSTOR_CATALOG_NOT_SERVING' // this head may not answer just now: ask again, or the other head
  | 'ZSTOR_CATALOG_NO_ROOM' // the disk of the tables is full: make room, all goes on by itself
  | 'ZSTOR_CATALOG_NO_MAJORITY' // too few members of the log answer: bring one back, try again
  | 'ZSTOR_CATALOG_RECORD_CORRUPT' // bytes are no record of this log and key: the others are read
  | 'ZSTOR_CATALOG_RESULT_UNKNOWN' // a change may be kept or not: look before it is made again
  | 'ZSTOR_CATALOG_SCHEMA_INVALID' // tables that the log cannot carry: see the message
  | 'ZSTOR_CATALOG_SCHEMA_NEWER' // the log has tables that this program does not know: update it
  | 'ZSTOR_CATALOG_SNAPSHOT_CORRUPT' // a snapshot is damaged, cut, or of another key: use the former
  | 'ZSTOR_CATALOG_UNREADABLE' // sound tables cannot be opened: make room on their disk, start again
  | 'ZSTOR_CHUNK_CORRUPT' // right shards, but no chunk of this key and place: compare with the metadata
  | 'ZSTOR_CHUNK_TOO_LARGE' // more plaintext than a chunk may hold: split it first
  | 'ZSTOR_CHUNK_UNKNOWN' // the metadata has no chunk of this id: rebuild it from the backends
  | 'ZSTOR_FILE_UNKNOWN' // no file has that name: `grid zstor ls` shows those that are there
  | 'ZSTOR_KEYS_TOO_FEW' // too few holders of bucket keys answer or have one: bring them back
  | 'ZSTOR_KEY_ERASED' // the key of a bucket was erased: what it wrapped is gone for good
  | 'ZSTOR_KEY_INVALID' // the key file is unreadable, or of another store: put the right one back
  | 'ZSTOR_KEY_MISSING' // there is a store, but not its key: name the key file that was made with it
  | 'ZSTOR_KEY_NOT_LOADED' // a bucket's key is used before it was asked for: a bug in the caller
  | 'ZSTOR_KEY_UNKNOWN' // no key of a bucket has this number: compare with the tables
  | 'ZSTOR_LENGTH_WRONG' // a stream is longer or shorter than was declared: send it again
  | 'ZSTOR_MANIFEST_CORRUPT' // the manifest of a version is damaged: other backends have copies of it
  | 'ZSTOR_NAME_INVALID' // a file cannot have that name: give 1 to 1,024 bytes of UTF-8 without NUL
  | 'ZSTOR_POLICY_INVALID' // no code, chunk size or shard size of these numbers: correct the policy
  | 'ZSTOR_REBUILD_UNFINISHED' // tables were being made again when that ended: run the rebuild again
  | 'ZSTOR_SHARDS_TOO_FEW' // fewer than k shards are left: bring a backend back
  | 'ZSTOR_SHARDS_UNEQUAL' // shards of different lengths in one call: a bug in the caller
  | 'ZSTOR_SHARD_CORRUPT' // hash or lengths of a shard are wrong: repair it from the others
  | 'ZSTOR_SHARD_FOREIGN' // a shard of another chunk, index or code: look at who answered
  | 'ZSTOR_SHARD_UNKNOWN' // bytes are no shard of a known format: check the source
  | 'ZSTOR_SLOW_DOWN' // no memory for another stream within 5 s: try again a little later
  | 'ZSTOR_STORE_UNKNOWN' // the backends have no store yet: the first `grid zstor put` begins one
  | 'ZSTOR_THREAD_ENDED'; // a coding thread ended under its work: try again, see the cause
