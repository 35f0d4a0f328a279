/** Failures of images, their store and the hub. Codes are stable; texts may change. */
export type FlistErrorCode =
  | 'FLIST_CORRUPT' // the bytes are no flist, or do not agree with themselves: fetch it again
  | 'FLIST_VERSION_UNKNOWN' // a newer release made it: use that release
  | 'FLIST_PRIVATE_UNSUPPORTED' // it is a private image, which this release cannot read: use a newer one
  | 'FLIST_TOO_LARGE' // more inodes, names or bytes than an image may have: the message says which
  | 'FLIST_NAME_INVALID' // a name is empty, `.` or `..`, too long, or has a slash or zero in it: rename it
  | 'FLIST_ID_OUT_OF_RANGE' // a uid or gid is above 65,535: give the file another owner
  | 'FLIST_XATTR_FORBIDDEN' // an attribute that images may not have: leave it out
  | 'FLIST_SOURCE_FAILED'; // a source of chunks does not answer or answers nonsense: try again
