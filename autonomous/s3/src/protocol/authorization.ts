import { parseBasicDate, parseHttpDate } from './dates.ts';
import type { Query } from './query.ts';
import { S3Error } from './s3-error.ts';
import type { SigningScope } from './signing-key.ts';

/** Headers that one signature may cover. */
const signedHeadersMax = 100;
/** Longest life of a presigned URL: a week. */
const presignedSecondsMax = 604_800;
/** Longest access key, characters, as at AWS. */
const accessKeyLengthMax = 128;

const algorithm = 'AWS4-HMAC-SHA256';
const token = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const headerForm = new RegExp(
  `^${algorithm}\\s+Credential=([^,\\s]+)\\s*,\\s*` +
    `SignedHeaders=([^,\\s]+)\\s*,\\s*Signature=([^,\\s]+)\\s*$`,
);

/** What a request says about its own signature; nothing of it is verified. */
export interface Authorization {
  readonly kind: 'header' | 'presigned';
  readonly accessKey: string;
  readonly scope: SigningScope;
  /** Such as `20130524T000000Z`. */
  readonly timestamp: string;
  readonly atMs: number;
  /** Of a presigned request. */
  readonly lifeSeconds?: number;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Reads the Authorization header or the parameters of a presigned URL; undefined for anonymous
 * requests.
 * @throws S3Error AuthorizationHeaderMalformed, AuthorizationQueryParametersError, AccessDenied,
 *   InvalidArgument, InvalidRequest
 */
export function readAuthorization(headers: Headers, query: Query): Authorization | undefined {
  const header = headers['authorization'];
  const inQuery = query.has('X-Amz-Algorithm') || query.has('X-Amz-Signature');
  if (typeof header === 'string' && inQuery) {
    throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed.');
  }
  if (typeof header === 'string') return readHeader(header, headers);
  if (inQuery) return readQuery(query);
  if (query.has('AWSAccessKeyId')) throw unsupportedMechanism();
  return undefined;
}

function readHeader(header: string, headers: Headers): Authorization {
  if (!header.startsWith(algorithm)) throw unsupportedMechanism();
  const match = headerForm.exec(header);
  if (match === null) throw new S3Error('AuthorizationHeaderMalformed');
  const [, credential = '', names = '', signature = ''] = match;
  const { accessKey, scope } = readCredential(credential, 'AuthorizationHeaderMalformed');
  const date = headers['x-amz-date'] ?? headers['date'];
  const atMs = typeof date === 'string' ? (parseBasicDate(date) ?? parseHttpDate(date)) : undefined;
  if (atMs === undefined) {
    throw new S3Error(
      'AccessDenied',
      'AWS authentication requires a valid Date or x-amz-date header.',
    );
  }
  return {
    kind: 'header',
    accessKey,
    ...checkDay(scope, atMs, String(date), 'AuthorizationHeaderMalformed'),
    signedHeaders: readNames(names, 'AuthorizationHeaderMalformed'),
    signature,
  };
}

function readQuery(query: Query): Authorization {
  const code = 'AuthorizationQueryParametersError';
  const one = (name: string): string => {
    const value = query.get(name);
    if (value === undefined || value === '' || query.count(name) > 1) {
      throw new S3Error(code, `${name} must be given once.`);
    }
    return value;
  };
  if (one('X-Amz-Algorithm') !== algorithm) {
    throw new S3Error(code, `X-Amz-Algorithm only supports "${algorithm}".`);
  }
  const { accessKey, scope } = readCredential(one('X-Amz-Credential'), code);
  const atMs = parseBasicDate(one('X-Amz-Date'));
  if (atMs === undefined) {
    throw new S3Error(code, "X-Amz-Date must be in the ISO8601 format \"yyyyMMdd'T'HHmmss'Z'\".");
  }
  const expires = one('X-Amz-Expires');
  const lifeSeconds = /^\d{1,9}$/.test(expires) ? Number(expires) : 0;
  if (lifeSeconds < 1 || lifeSeconds > presignedSecondsMax) {
    throw new S3Error(code, `X-Amz-Expires must be from 1 to ${presignedSecondsMax} seconds.`);
  }
  return {
    kind: 'presigned',
    accessKey,
    ...checkDay(scope, atMs, one('X-Amz-Date'), code),
    lifeSeconds,
    signedHeaders: readNames(one('X-Amz-SignedHeaders'), code),
    signature: one('X-Amz-Signature'),
  };
}

type MalformedCode = 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError';

/** `ACCESS-KEY/20130524/us-east-1/s3/aws4_request`; access keys may hold slashes. */
function readCredential(
  text: string,
  code: MalformedCode,
): { readonly accessKey: string; readonly scope: SigningScope } {
  const parts = text.split('/');
  const [day = '', region = '', service, end] = parts.slice(-4);
  const accessKey = parts.slice(0, -4).join('/');
  const isWhole =
    accessKey !== '' &&
    accessKey.length <= accessKeyLengthMax &&
    region !== '' &&
    region.length <= 64;
  if (!isWhole || !/^\d{8}$/.test(day) || end !== 'aws4_request') {
    throw new S3Error(code, 'The credential must be "<key>/YYYYMMDD/<region>/s3/aws4_request".');
  }
  if (service !== 's3') {
    throw new S3Error(code, `The credential is for the service "${service}", not for "s3".`);
  }
  return { accessKey, scope: { day, region } };
}

function checkDay(
  scope: SigningScope,
  atMs: number,
  date: string,
  code: MalformedCode,
): { readonly scope: SigningScope; readonly timestamp: string; readonly atMs: number } {
  const isBasic = date.length === '20130524T000000Z'.length;
  const timestamp = isBasic ? date : new Date(atMs).toISOString().replace(/[-:]|\.\d{3}/g, '');
  if (!timestamp.startsWith(scope.day)) {
    throw new S3Error(code, `The day of the credential, ${scope.day}, is not that of the request.`);
  }
  return { scope, timestamp, atMs };
}

function readNames(text: string, code: MalformedCode): readonly string[] {
  const names = text.split(';', signedHeadersMax + 1);
  if (names.length > signedHeadersMax || !names.every((name) => token.test(name))) {
    throw new S3Error(code, 'The list of signed headers is not valid.');
  }
  return names;
}

function unsupportedMechanism(): S3Error {
  return new S3Error(
    'InvalidRequest',
    `The authorization mechanism you have provided is not supported. Please use ${algorithm}.`,
  );
}
