import { S3Error } from './s3-error.ts';
import { uriDecode } from './uri-encoding.ts';

/** Longest key, bytes of UTF-8. */
const keyBytesMax = 1024;

const bucketForm = /^[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]$/;
const ipForm = /^\d+\.\d+\.\d+\.\d+$/;
const reservedBucket = /^(?:xn--|sthree-|amzn-s3-demo-)|(?:-s3alias|--ol-s3|--x-s3|\.mrap)$/;

/** What a request is about. */
export interface Address {
  /** The decoded path, bucket included where it stands there: what is signed. */
  readonly path: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
}

/**
 * Finds bucket and key in path and Host: `/BUCKET/KEY`, or `/KEY` of `BUCKET.DOMAIN`.
 * @param rawPath what stands ahead of the question mark
 * @param domains names of the endpoint, in lower case, whose sub-domains are buckets
 * @throws S3Error InvalidURI, InvalidBucketName, KeyTooLongError
 */
export function parseAddress(
  rawPath: string,
  host: string | undefined,
  domains: readonly string[],
): Address {
  const path = rawPath.startsWith('/') ? uriDecode(rawPath) : undefined;
  if (path === undefined) throw new S3Error('InvalidURI');
  const hosted = bucketOfHost(host, domains);
  if (hosted !== undefined) return addressOf(path, hosted, path.slice(1));
  const slash = path.indexOf('/', 1);
  if (slash < 0) return addressOf(path, path.slice(1), '');
  return addressOf(path, path.slice(1, slash), path.slice(slash + 1));
}

/** The object that a copy is made of. */
export interface CopySource {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
}

/**
 * Reads x-amz-copy-source: `BUCKET/KEY` or `/BUCKET/KEY`, escaped, and `?versionId=ID`.
 * @throws S3Error InvalidArgument
 */
export function parseCopySource(header: string): CopySource {
  const [, rawPath = '', versionId] = /^\/?([^?]*)(?:\?versionId=([^&]+))?$/.exec(header) ?? [];
  const path = uriDecode(rawPath) ?? '';
  const slash = path.indexOf('/');
  const [bucket, key] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
  if (!isBucketName(bucket) || key === '' || Buffer.byteLength(key) > keyBytesMax) {
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key.', {
      elements: { ArgumentName: 'x-amz-copy-source', ArgumentValue: header },
    });
  }
  return { bucket, key, versionId };
}

/** Whether a bucket may have this name, by the rules for new ones. */
export function isBucketName(name: string): boolean {
  return (
    bucketForm.test(name) &&
    !name.includes('..') &&
    !ipForm.test(name) &&
    !reservedBucket.test(name)
  );
}

/** @throws S3Error KeyTooLongError */
function checkKey(key: string): void {
  if (key.length * 3 > keyBytesMax && Buffer.byteLength(key) > keyBytesMax) {
    throw new S3Error('KeyTooLongError', undefined, {
      elements: { Size: String(Buffer.byteLength(key)), MaxSizeAllowed: String(keyBytesMax) },
    });
  }
}

function addressOf(path: string, bucket: string, key: string): Address {
  if (bucket === '') {
    if (key !== '') throw new S3Error('InvalidBucketName');
    return { path, bucket: undefined, key: undefined };
  }
  // Names that no bucket can have are no bucket; whether this one is, the storage knows.
  if (!isBucketName(bucket)) {
    throw new S3Error('InvalidBucketName', undefined, { elements: { BucketName: bucket } });
  }
  checkKey(key);
  return { path, bucket, key: key === '' ? undefined : key };
}

/** The bucket that a Host header names. */
export function bucketOfHost(
  host: string | undefined,
  domains: readonly string[],
): string | undefined {
  if (host === undefined || domains.length === 0) return undefined;
  const name = host.replace(/:\d+$/, '').toLowerCase();
  for (const domain of domains) {
    if (name.length > domain.length && name.endsWith(`.${domain}`)) {
      return name.slice(0, -domain.length - 1);
    }
  }
  return undefined;
}
