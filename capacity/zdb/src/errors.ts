/** Failures of the store. Codes are stable; texts may change. */
export type ZdbErrorCode =
  | 'ZDB_FORMAT_NEWER' // the folder was written by a newer release: run that release
  | 'ZDB_MANIFEST_CORRUPT' // the manifest is damaged: grid zdb repair --data DIR
  | 'ZDB_MANIFEST_MISSING' // segments are there, the manifest is not: grid zdb repair --data DIR
  | 'ZDB_SEGMENT_MISSING' // a file that the manifest names is gone: bring it back or repair from a replica
  | 'ZDB_SEGMENT_CORRUPT' // a checksum differs: repair from a replica, or accept the loss
  | 'ZDB_ERASE_FAILED' // a segment that holds the key is damaged: scrub, repair, then erase again
  | 'ZDB_WRITE_FAILED' // the disk refused a write or sync: make room on a full one, else replace it and start anew
  | 'ZDB_READ_FAILED' // a record could not be read or is damaged
  | 'ZDB_TOO_MANY_NAMESPACES' // 16 million namespaces were made in this folder: start a new one
  | 'ZDB_REPLICATION_STATE_INVALID' // the file `replication` of a folder is damaged: bring it back from a copy
  | 'ZDB_TRUNCATE_IMPOSSIBLE' // compaction used what would be cut off: the replica begins anew by itself
  | 'ZDB_REPLICA_REFUSED' // the source does not serve this replica: the message says why
  | 'ZDB_REPLICA_STREAM_BROKEN' // what the source sent makes no sense or arrived damaged: the replica connects again
  | 'ZDB_PROMOTE_REFUSED' // the term is not above every known one, or the first copy is not whole yet
  | 'ZDB_REPAIR_FAILED' // no replica has the record sound: restore a copy, or accept the loss
  | 'ZDB_CLOSED' // the store was closed while the call waited
  | 'ZDB_FOLDER_MISSING' // the folder is not there or holds no store: give the folder of --data
  | 'ZDB_FOLDER_CHANGES' // files of a store change too often to be read together: try again later
  | 'ZDB_REPAIR_LOSS' // repair would lose records, which it lists: add --accept-loss to lose them
  | 'ZDB_REPAIR_UNDECIDED' // the files allow two readings, so nothing was changed: bring missing files back
  | 'ZDB_TARGET_EXISTS' // an export or import would overwrite something: name a new file or folder
  | 'ZDB_NAMESPACE_UNKNOWN' // no namespace has that name: the hint lists those that there are
  | 'ZDB_DUMP_CORRUPT' // a dump was cut or changed, nothing was imported: copy or export it again
  | 'ZDB_DUMP_NEWER' // the dump was written by a newer release: import it with that release
  | 'ZDB_IMPORT_EXISTS' // the folder has a namespace of that name: --rename OLD=NEW
  | 'ZDB_ORIGINAL_CORRUPT' // a file of an original 0-db is damaged: --accept-loss imports the rest
  | 'ZDB_ORIGINAL_UNFIT' // content has no place in the original format: the message says which
  | 'ZDB_CONFIG_INVALID' // an option is wrong: the message names it
  | 'ZDB_PASSWORD_REQUIRED' // others can reach the address and no password is set: set one, or listen on loopback
  | 'ZDB_WEBHOOK_FAILED'; // the webhook did not take an event: it is tried again, then dropped and logged
