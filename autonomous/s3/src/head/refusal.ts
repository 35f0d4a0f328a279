import type { BaseErrorCode } from '@commongrid/base';
import { isGridError } from '@commongrid/base';
import type { ZstorErrorCode } from '@commongrid/zstor';

import { S3Error } from '../protocol/s3-error.ts';
import type { S3ErrorCode } from '../protocol/s3-error.ts';

/** What clients are told of failures of the store; of these, all but one are worth another try. */
const refusals = {
  ZSTOR_CATALOG_NOT_SERVING: 'ServiceUnavailable',
  ZSTOR_CATALOG_RESULT_UNKNOWN: 'ServiceUnavailable',
  ZSTOR_CATALOG_FENCED: 'ServiceUnavailable',
  ZSTOR_CATALOG_NO_MAJORITY: 'ServiceUnavailable',
  ZSTOR_CATALOG_NO_ROOM: 'StorageFull',
  BASE_CLOSED: 'ServiceUnavailable',
  BASE_ABORTED: 'RequestTimeout',
  BASE_QUEUE_FULL: 'SlowDown',
  ZSTOR_SLOW_DOWN: 'SlowDown',
  ZSTOR_BACKEND_BUSY: 'SlowDown',
  ZSTOR_CATALOG_BUSY: 'SlowDown',
  ZSTOR_THREAD_ENDED: 'ServiceUnavailable',
  ZSTOR_BACKENDS_TOO_FEW: 'BackendsUnavailable',
  ZSTOR_SHARDS_TOO_FEW: 'ObjectUnavailable',
  ZSTOR_CHUNK_CORRUPT: 'ObjectDamaged',
  ZSTOR_CHUNK_UNKNOWN: 'ObjectDamaged',
  ZSTOR_LENGTH_WRONG: 'IncompleteBody',
} as const satisfies Partial<Record<ZstorErrorCode | BaseErrorCode, S3ErrorCode>>;

/** The answer for what was thrown; what has no name in S3 stays as it is, an InternalError. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof S3Error || !isGridError(error)) return error;
  const known: Readonly<Record<string, S3ErrorCode>> = refusals;
  const s3Code = known[error.code];
  return s3Code === undefined ? error : new S3Error(s3Code, undefined, { cause: error });
}
