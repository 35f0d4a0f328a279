/** What `s3` throws. `code` is stable; texts may change. */
export type S3PackageErrorCode =
  | 'S3_LISTEN_FAILED' // the address of the endpoint cannot be opened: see the cause, choose another
  | 'S3_REFUSED' // the request gets an S3 error: details.s3Code says which, its text what to do
  | 'S3_HEAD_UNREACHABLE' // no head serves there, or the key is none of its administrators: see the cause
  | 'S3_USER_INVALID' // no such name can be given, or there are too many: see the hint
  | 'S3_USER_EXISTS' // the name is taken, or a policy still names it: choose another
  | 'S3_USER_UNKNOWN' // there is no such user: grid s3 keys ls
  | 'S3_USER_NEEDED' // the user owns buckets, or is the first one: see the hint
  | 'S3_KEY_UNKNOWN' // there is no such access key: grid s3 keys ls
  | 'S3_ORDER_INVALID' // an order over the control socket lacks something: same version on both sides
  | 'S3_VERSION_UNKNOWN' // the bucket has no such version: aws s3api list-object-versions
  | 'S3_NOT_ANCHORED' // no anchor has the version yet: grid s3 anchor
  | 'S3_ANCHOR_NOWHERE' // the head knows no database for anchors: start it with --anchor
  | 'S3_PROOF_INVALID' // a proof shows nothing: it was altered, or is of something else
  | 'S3_BUCKET_UNKNOWN'; // there is no such bucket: grid s3 buckets
