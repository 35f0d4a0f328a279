/** Failures of BCDB. `code` is stable; texts may change. */
export type BcdbErrorCode =
  | 'BCDB_ALREADY_VOTED' // this signer has spoken on the proposal already: one word each counts
  | 'BCDB_AUTH_FAILED' // wrong token, or a signature that does not answer the challenge: see whether token or key are those of this log
  | 'BCDB_AUTH_NEEDED' // nobody may do this without saying who he is: show the token, or answer a challenge
  | 'BCDB_BODY_MISMATCH' // the payload is not the one that was signed: send both as they were made
  | 'BCDB_BODY_MISSING' // a put without a payload, or a payload where none belongs: correct the record
  | 'BCDB_BUSY' // too many records wait to be appended: slow down, then retry
  | 'BCDB_CHALLENGE_EXPIRED' // a challenge that is used up, too old or unknown: ask for a new one
  | 'BCDB_CHECKPOINT_UNSIGNED' // no good signature of the sequencer on a checkpoint: trust nothing that rests on it
  | 'BCDB_CIRCLE_CYCLE' // a circle would contain itself: leave one of the memberships out
  | 'BCDB_CIRCLE_DEPTH' // circles nested deeper than the limit: flatten them
  | 'BCDB_CLOCK_JUMPED' // the clock of the sequencer leapt: set it right; if the new time is right, start the server again
  | 'BCDB_CONFLICT' // the object changed since `prev`: read it again, then decide; see `details.head`
  | 'BCDB_COUNTER_GAP' // a record of this key is missing before this one: send `details.expected` first
  | 'BCDB_DENIED' // this key has no such right there: ask an admin of the namespace
  | 'BCDB_ENTRIES_WITHHELD' // a source leaves out records or payloads that the log does not say are erased, see `details.sequences`: follow with a key that may read all, or from another source
  | 'BCDB_ENVELOPE_INVALID' // bytes are no envelope in canonical form: build it with the client
  | 'BCDB_EPOCH_OVER' // signed for another run of the sequencer: sign again with `details.epoch`
  | 'BCDB_EQUIVOCATION' // this key signed two records with one counter; both are kept as evidence: find out why
  | 'BCDB_EXPORT_INVALID' // a file is no export of a log, or was cut off: export it again
  | 'BCDB_FEEDS_DIFFER' // the sequencer gave other records to readers than the rules do: stop, keep the evidence
  | 'BCDB_FEED_INCOMPLETE' // a source did not show a feed whole and in order: start nothing, ask another source
  | 'BCDB_FOLDER_DAMAGED' // genesis or key of the folder are missing or differ: restore them from a backup
  | 'BCDB_FOLDER_EXISTS' // a restore would write over a database: name a new or empty folder
  | 'BCDB_FOLDER_MISSING' // there is no database in the folder: give that of `grid bcdb serve --data`
  | 'BCDB_FORKED_VIEW' // the author saw a head that this log does not have: compare both logs, keep the evidence
  | 'BCDB_HANDED_OVER' // the admins gave up a branch of the log that this copy has: adopt the handover; see `details`
  | 'BCDB_HANDOVER_INVALID' // a certificate of a handover does not fit this log, see `details.reason`: make it anew on the log as it is
  | 'BCDB_HANDOVER_KEY_USED' // a handover names a key that signed in this log before: make a new key
  | 'BCDB_HANDOVER_NEEDED' // a backup was restored, and what was written after it is unknown: hand the log over before it goes on
  | 'BCDB_HANDOVER_UNSIGNED' // too few admins of the log signed a handover: have others sign it too
  | 'BCDB_HEARTBEAT_STALE' // a heartbeat or renewal that came before, or of a session that is over: send newer ones only
  | 'BCDB_INTERNAL' // a fault in the server itself: see its log, report it
  | 'BCDB_KEY_ENDED' // this key was retired or is compromised: sign with a current one
  | 'BCDB_LAST_ADMIN' // nobody would be left to administer the namespace: name another admin first
  | 'BCDB_LEASE_HELD' // the lease is another's, who renews it: try again after `details.remainingMs`
  | 'BCDB_LEASE_LOST' // the lease ran out, was let go or taken: stop acting, take it under the next fence
  | 'BCDB_LOG_BATCH_INVALID' // a batch does not follow the log's end: a bug in its caller, or two of them
  | 'BCDB_LOG_BUSY' // too much waits to be written: let appends end, then retry
  | 'BCDB_LOG_CORRUPT' // an entry differs from what was signed: see `details.seq`; restore it from a replica
  | 'BCDB_LOG_FORKED' // the server shows a log that does not continue the one seen before: trust neither, keep both checkpoints of `details`
  | 'BCDB_LOG_FULL' // no room for the log: free some, then retry
  | 'BCDB_LOG_HEAD_LOST' // the head file is unreadable: give the last head that a follower saw, or restore
  | 'BCDB_LOG_NOT_DURABLE' // PostgreSQL has no synchronous standby: give it one, or open the log as single
  | 'BCDB_LOG_NOT_WRITER' // another process took over the log: follow it, do not write
  | 'BCDB_LOG_ROLLED_BACK' // the server shows less of the log than was seen before: find out what was lost, keep both checkpoints of `details`
  | 'BCDB_LOG_STOPPED' // an append failed before: open the log again
  | 'BCDB_LOG_UNREACHABLE' // no PostgreSQL server takes writes: start it, or correct its address
  | 'BCDB_LOG_VERSION' // written by a newer program: use that one
  | 'BCDB_NAMESPACE_PRIVATE' // payloads are sealed there, so no schema, condition, search or SQL sees into them: read objects by id, or list and choose yourself
  | 'BCDB_NAMESPACE_UNKNOWN' // no namespace of this name: create it first
  | 'BCDB_NAME_RESERVED' // this name belongs to BCDB itself: take another
  | 'BCDB_NODE_CLONED' // another machine speaks with the key of this node: take it away there, adopt the node again
  | 'BCDB_NODE_UNKNOWN' // no such node or session in the log: append them first
  | 'BCDB_NOTE_INVALID' // a text is no signed note or checkpoint: fetch it again, or ask another source
  | 'BCDB_NOT_FOUND' // no such object, or it is deleted: check its type and id
  | 'BCDB_NOT_READER' // the key that a payload is sealed with was never given to this reader: have an admin add the reader, for what is written from then on
  | 'BCDB_NOT_SEALED' // a payload of a private namespace came in the clear, and was not taken: seal it, as the client library and the command line do
  | 'BCDB_NOT_SIGNER' // the policy does not name this key in this role: ask one whom it names
  | 'BCDB_OTHER_LOG' // the record or genesis is of another log: check the address and the join token
  | 'BCDB_PAYLOAD_INVALID' // the payload is no canonical JSON: write it with canonicalText
  | 'BCDB_POLICY_IMPOSSIBLE' // a policy that nobody could meet: lower min, or name more signers
  | 'BCDB_POLICY_REQUIRED' // a policy covers this change: propose it, and have it approved
  | 'BCDB_PRESENCE_FULL' // more nodes than there is room for: see which of them are none any more
  | 'BCDB_PROJECTION_BUSY' // too many questions wait for an answer: ask less at a time, then retry
  | 'BCDB_PROJECTION_CORRUPT' // the file of a projection differs from the log: rebuild it
  | 'BCDB_PROJECTION_STOPPED' // the projection has ended after a fault: see the cause, open it again
  | 'BCDB_PROOF_INVALID' // a proof does not show what it claims, see `details.reason`: trust nothing of it, keep it
  | 'BCDB_PROPOSAL_CLOSED' // the proposal took effect, was rejected or has lapsed: make a new one
  | 'BCDB_PROPOSAL_STALE' // the object or the policy changed meanwhile: propose again on what is there now
  | 'BCDB_QUERY_INVALID' // a filter, order or cursor that cannot be answered: see `details`, or mark the field with an index
  | 'BCDB_READERS_CHANGED' // sealed with another key than the newest of the namespace: read its readers again, seal again
  | 'BCDB_READERS_MISSING' // a private namespace has no readers yet: have an admin name some
  | 'BCDB_READ_ONLY' // this is a copy of the log: ask its sequencer, whose address is in `details.sequencer`
  | 'BCDB_REFERENCE_MISSING' // a field names an object that does not exist: make that first
  | 'BCDB_REPLY_INVALID' // the server answered something that is not in its protocol: see whether the address is right
  | 'BCDB_REQUEST_INVALID' // the door does not understand the request: see the message, and docs/formats
  | 'BCDB_RULE_BROKEN' // the rules of the namespace refuse the record: see `details.rule`
  | 'BCDB_SCHEMA_INCOMPATIBLE' // a new schema would refuse what the old one took: see `details.differences`, or raise the version of the type
  | 'BCDB_SCHEMA_INVALID' // no schema, or one that is not safe to run: see `details.path`
  | 'BCDB_SCHEMA_MISMATCH' // a payload does not keep to its schema: correct what is at `details.path`
  | 'BCDB_SCHEMA_UNKNOWN' // no schema of this hash or type in the namespace: define it first
  | 'BCDB_SEALED_INVALID' // a private payload or key does not open: another key, another place, or altered bytes
  | 'BCDB_SEEN_MISSING' // the namespace has rules, and the record does not say which head its author saw: sign again with `seen`
  | 'BCDB_SEQ_UNKNOWN' // the log has no such record or size yet: ask for what its head covers
  | 'BCDB_SESSION_EXPIRED' // the session of this key is over: answer a new challenge
  | 'BCDB_SIGNATURE_INVALID' // the signature is not of this author over these bytes: sign again
  | 'BCDB_SOURCE_WRONG' // a source gave entries that the sequencer did not sign: use another source
  | 'BCDB_SQL_LIMIT' // a statement ran too long, or its result is too large: narrow it
  | 'BCDB_SQL_REFUSED' // a statement that is wrong, or does more than read: see the message
  | 'BCDB_STATE_DIFFERS' // replicas judged one record differently: stop, keep the evidence, compare versions
  | 'BCDB_STATE_UNUSABLE' // the file of the state cannot be opened: see whether the disk has room and takes writes
  | 'BCDB_TOKEN_EXPOSED' // the owner token would cross a network unencrypted: listen on loopback, or serve without it
  | 'BCDB_TOKEN_WEAK' // the owner token is not 32 random bytes as base64url: make a new one
  | 'BCDB_TOO_LARGE' // a payload or batch above its limit: split it
  | 'BCDB_TREE_DAMAGED' // a file of tree hashes differs from what was written: start the log again, it makes them anew
  | 'BCDB_TREE_STOPPED' // hashes of the tree could not be written: see whether the disk has room, open the log again
  | 'BCDB_UNIQUE_TAKEN' // another object has this value in a unique field: choose another
  | 'BCDB_UNREACHABLE' // no answer from the server: see whether it runs, then retry
  | 'BCDB_VALIDATOR_UNKNOWN' // the namespace has rules that this release does not know: use a newer one
  | 'BCDB_VIEW_STALE' // what was verified is older than what is to be done allows: reach the log, then retry
  | 'BCDB_WATCHERS_FULL' // as many watchers as a server has room for: end some, or retry later
  | 'BCDB_WATCHER_LAGS'; // a watcher reads slower than changes come, and was cut: go on from the last event it got
