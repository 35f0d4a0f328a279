import { errorCode, GridError, isGridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';

const codesByStatus: Readonly<Record<number, readonly FlistErrorCode[]>> = {
  400: [
    'HUB_REQUEST_INVALID',
    'HUB_BODY_MISMATCH',
    'HUB_NAME_INVALID',
    'FLIST_HASH_INVALID',
    'FLIST_CHUNK_CORRUPT',
    'FLIST_CORRUPT',
    'FLIST_VERSION_UNKNOWN',
    'FLIST_PRIVATE_UNSUPPORTED',
    'FLIST_NAME_INVALID',
    'FLIST_NODE_INVALID',
    'FLIST_CONFIG_INVALID',
    'FLIST_SIGNATURE_INVALID',
    'FLIST_ID_OUT_OF_RANGE',
    'FLIST_XATTR_FORBIDDEN',
    'FLIST_NOT_DIRECTORY',
    'FLIST_LINK_BROKEN',
    'FLIST_LINK_LOOP',
  ],
  401: [
    'HUB_SIGNATURE_NEEDED',
    'HUB_SIGNATURE_REFUSED',
    'HUB_TIME_REFUSED',
    'HUB_REPLAYED',
    'HUB_KEY_UNKNOWN',
  ],
  403: ['HUB_DENIED', 'HUB_QUOTA_REACHED'],
  404: ['HUB_NOT_FOUND'],
  405: ['HUB_METHOD_REFUSED'],
  408: ['HUB_TOO_SLOW'],
  409: ['FLIST_CHUNKS_MISSING', 'HUB_LINK_LOOP'],
  413: ['HUB_TOO_LARGE', 'FLIST_TOO_LARGE'],
  429: ['HUB_TOO_MANY_FAILURES'],
  503: ['HUB_BUSY', 'HUB_DIRECTORY_UNREACHABLE'],
  507: ['FLIST_DISK_FULL'],
};

const statuses: ReadonlyMap<string, number> = new Map(
  Object.entries(codesByStatus).flatMap(([status, codes]) =>
    codes.map((code): [string, number] => [code, Number(status)]),
  ),
);

/** What a caller is told of a failure, and with which status. What is not known is a fault of the hub. */
export function refusalOf(error: unknown): { readonly status: number; readonly error: GridError } {
  if (isGridError(error, 'BASE_QUEUE_FULL')) return { status: 503, error: hubBusy('is busy') };
  if (isDiskFull(error)) return { status: 507, error: diskFull(error) };
  const status = isGridError(error) ? statuses.get(error.code) : undefined;
  if (status !== undefined && isGridError(error)) return { status, error };
  return {
    status: 500,
    error: new GridError<FlistErrorCode>('HUB_FAILED', 'the hub failed; its log says more', {
      retryable: true,
    }),
  };
}

/** The header that says when to come again, in seconds; none where that is of no use. */
export function retryAfterOf({ retryable, details }: GridError): Record<string, string> {
  if (!retryable) return {};
  const { retryAfterMs } = details;
  const ms = typeof retryAfterMs === 'number' ? retryAfterMs : 1_000;
  return { 'retry-after': String(Math.ceil(ms / 1_000)) };
}

export function hubBusy(what: string): GridError<FlistErrorCode> {
  return new GridError('HUB_BUSY', `the hub ${what}`, { hint: 'try again', retryable: true });
}

export function requestInvalid(message: string, cause?: unknown): GridError<FlistErrorCode> {
  return new GridError('HUB_REQUEST_INVALID', message, { hint: 'correct the request', cause });
}

export function notFound(what: string): GridError<FlistErrorCode> {
  return new GridError('HUB_NOT_FOUND', `there is no ${what}`, { hint: 'correct the name' });
}

/** SQLite's number for a full disk. */
const sqliteFull = 13;

function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return true;
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteFull;
}

function diskFull(cause: unknown): GridError<FlistErrorCode> {
  return new GridError('FLIST_DISK_FULL', 'the disk of the hub is full', {
    hint: 'make room on the hub, then try again',
    cause,
  });
}
