import { GridError } from '@commongrid/base';

import type { S3PackageErrorCode } from '../errors.ts';

/**
 * Status and usual sentence of every error that is answered, by its name in the S3 API.
 * Source: "Error responses" of the Amazon S3 API reference.
 */
const s3Errors = {
  AccessControlListNotSupported: [400, 'The bucket does not allow ACLs.'],
  AccessDenied: [403, 'Access Denied'],
  AccessForbidden: [403, 'CORSResponse: This CORS request is not allowed.'],
  AuthorizationHeaderMalformed: [400, 'The authorization header that you provided is not valid.'],
  AuthorizationQueryParametersError: [400, 'The authorization query parameters are not valid.'],
  BackendsUnavailable: [503, 'Too few storage nodes take data. Please try again.'],
  BadDigest: [400, 'The digest that you specified did not match what was received.'],
  BucketAlreadyExists: [409, 'The requested bucket name is not available.'],
  BucketAlreadyOwnedByYou: [409, 'The bucket that you tried to create exists, and you own it.'],
  BucketNotEmpty: [409, 'The bucket that you tried to delete is not empty.'],
  ConditionalRequestConflict: [409, 'A conflicting operation ran during this request.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed object size.'],
  EntityTooSmall: [400, 'Your proposed upload is smaller than the minimum allowed object size.'],
  IncompleteBody: [400, 'The body ended before the number of bytes that Content-Length announced.'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
  InvalidAccessKeyId: [403, 'The access key id that you provided does not exist in our records.'],
  InvalidArgument: [400, 'Invalid argument.'],
  InvalidBucketName: [400, 'The specified bucket is not valid.'],
  InvalidBucketState: [409, 'The request is not valid for the current state of the bucket.'],
  InvalidChunkSizeError: [403, 'Only the last chunk may have a size of less than 8192 bytes.'],
  InvalidDigest: [400, 'The Content-MD5 that you specified is not valid.'],
  InvalidLocationConstraint: [400, 'The specified location constraint is not valid.'],
  InvalidPart: [400, 'One or more of the specified parts could not be found.'],
  InvalidPartNumber: [416, 'The requested partnumber is not satisfiable.'],
  InvalidPartOrder: [400, 'The list of parts was not in ascending order.'],
  InvalidRange: [416, 'The requested range is not satisfiable.'],
  InvalidRequest: [400, 'Invalid request.'],
  InvalidStorageClass: [400, 'The storage class that you specified is not valid.'],
  InvalidTag: [400, 'The tag provided was not a valid tag.'],
  InvalidToken: [400, 'The provided token is malformed or otherwise not valid.'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  KeyTooLongError: [400, 'Your key is too long.'],
  MalformedPolicy: [400, 'The policy that you provided is not valid.'],
  MalformedTrailerError: [400, 'The request contained trailing data that was not well-formed.'],
  MalformedXML: [400, 'The XML that you provided was not well-formed or not of our schema.'],
  MaxMessageLengthExceeded: [400, 'Your request was too large.'],
  MetadataTooLarge: [400, 'Your metadata headers exceed the maximum allowed metadata size.'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  MissingRequestBodyError: [400, 'Request body is empty.'],
  NoSuchBucket: [404, 'The specified bucket does not exist.'],
  NoSuchBucketPolicy: [404, 'The bucket policy does not exist.'],
  NoSuchCORSConfiguration: [404, 'The CORS configuration does not exist.'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchLifecycleConfiguration: [404, 'The lifecycle configuration does not exist.'],
  NoSuchObjectLockConfiguration: [404, 'The object has no such lock configuration.'],
  NoSuchTagSet: [404, 'The TagSet does not exist.'],
  NoSuchUpload: [404, 'The specified multipart upload does not exist.'],
  NoSuchVersion: [404, 'The specified version does not exist.'],
  NotImplemented: [501, 'A header or query that you provided is not implemented.'],
  ObjectLockConfigurationNotFoundError: [404, 'The bucket has no Object Lock configuration.'],
  ObjectDamaged: [500, 'Data of the object is damaged or unknown. It must be repaired first.'],
  ObjectUnavailable: [503, 'Too few storage nodes that hold the object answer. Please try again.'],
  OperationAborted: [409, 'A conflicting conditional operation is in progress. Try again.'],
  PreconditionFailed: [412, 'At least one of the preconditions you specified did not hold.'],
  QuotaExceeded: [403, 'The quota of the bucket does not allow this request.'],
  RequestHeaderSectionTooLarge: [400, 'Your request header section is too large.'],
  RequestTimeTooSkewed: [403, 'The request time and the current time differ by too much.'],
  RequestTimeout: [400, 'Your connection was not read from or written to in time.'],
  ServerSideEncryptionConfigurationNotFoundError: [404, 'There is no encryption configuration.'],
  ServiceUnavailable: [503, 'Service is unable to handle the request.'],
  SignatureDoesNotMatch: [403, 'The signature that we calculated is not the one you provided.'],
  SlowDown: [503, 'Please reduce your request rate.'],
  StorageFull: [503, 'The disk of the metadata is full. Nothing was changed; please try again.'],
  TooManyBuckets: [400, 'You have tried to create more buckets than are allowed.'],
  XAmzContentSHA256Mismatch: [400, 'The x-amz-content-sha256 does not match what was received.'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type S3ErrorCode = keyof typeof s3Errors;

export interface S3ErrorOptions {
  /** Elements that this error has in its document besides the usual ones. */
  readonly elements?: Readonly<Record<string, string>>;
  /** Headers of the answer besides the usual ones. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An answer that S3 has a name for. Its text goes to the client: nothing secret belongs in it. */
export class S3Error extends GridError<S3PackageErrorCode> {
  override readonly name = 'S3Error';
  readonly s3Code: S3ErrorCode;
  readonly status: number;
  readonly elements: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(s3Code: S3ErrorCode, message?: string, options: S3ErrorOptions = {}) {
    const [status, usual] = s3Errors[s3Code];
    super('S3_REFUSED', message ?? usual, {
      details: { s3Code },
      retryable: status >= 500 && status !== 501,
      cause: options.cause,
    });
    this.s3Code = s3Code;
    this.status = status;
    this.elements = options.elements ?? {};
    this.headers = options.headers ?? {};
  }
}
