import type { Bucket } from '../meta/buckets.ts';
import type { StoredChecksum, Version } from '../meta/versions.ts';
import { checksumHeader } from '../protocol/checksum.ts';
import { httpDate, isoDate } from '../protocol/dates.ts';
import { headerValue } from '../protocol/object-headers.ts';
import type { SystemHeader } from '../protocol/object-headers.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request } from '../protocol/s3-request.ts';

/** Parameters of a GET that stand in for headers of the object. */
const overrides: Readonly<Record<string, SystemHeader>> = {
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
  'response-content-language': 'content-language',
  'response-content-type': 'content-type',
  'response-expires': 'expires',
};

/** The headers by which GET and HEAD describe an object, besides those of its bytes. */
export function objectHeaders(
  bucket: Bucket,
  object: Version,
  request: S3Request,
): Record<string, string> {
  const headers: Record<string, string> = {
    etag: `"${object.etag}"`,
    'last-modified': httpDate(object.modifiedMs),
    'accept-ranges': 'bytes',
    'content-type': 'binary/octet-stream',
    ...madeHeaders(bucket.versioning === 'off' ? undefined : object.versionId),
  };
  for (const [name, value] of Object.entries(object.system)) headers[name] = headerValue(value);
  for (const [name, value] of Object.entries(object.user)) {
    headers[`x-amz-meta-${name}`] = headerValue(value);
  }
  if (object.tags.length > 0) headers['x-amz-tagging-count'] = String(object.tags.length);
  if (object.lock !== undefined) {
    headers['x-amz-object-lock-mode'] = object.lock.mode;
    headers['x-amz-object-lock-retain-until-date'] = isoDate(object.lock.retainUntilMs);
  }
  if (object.legalHold !== undefined) {
    headers['x-amz-object-lock-legal-hold'] = object.legalHold ? 'ON' : 'OFF';
  }
  override(headers, request);
  return headers;
}

/** The headers that say how and as what an object was made. */
export function madeHeaders(versionId: string | undefined): Record<string, string> {
  const encrypted = { 'x-amz-server-side-encryption': 'AES256' };
  return versionId === undefined ? encrypted : { ...encrypted, 'x-amz-version-id': versionId };
}

/** A checksum, and what it is of. */
export function checksumHeaders(checksum: StoredChecksum | undefined): Record<string, string> {
  if (checksum === undefined) return {};
  const { algorithm, value, type } = checksum;
  return { [checksumHeader(algorithm)]: value, 'x-amz-checksum-type': type };
}

function override(headers: Record<string, string>, { query, accessKey }: S3Request): void {
  for (const [parameter, name] of Object.entries(overrides)) {
    const value = query.get(parameter);
    if (value === undefined) continue;
    if (accessKey === undefined) {
      throw new S3Error(
        'InvalidRequest',
        'Request specific response headers cannot be used for anonymous GET requests.',
      );
    }
    // oxlint-disable-next-line no-control-regex
    if (/[\u0000-\u001f\u007f]/.test(value)) {
      throw new S3Error('InvalidArgument', `${parameter} cannot stand in a header.`);
    }
    headers[name] = headerValue(value);
  }
}
