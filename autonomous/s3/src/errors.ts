/** What `s3` throws. `code` is stable; texts may change. */
export type S3PackageErrorCode =
  | 'S3_LISTEN_FAILED' // the address of the endpoint cannot be opened: see the cause, choose another
  | 'S3_REFUSED'; // the request gets an S3 error: details.s3Code says which, its text what to do
