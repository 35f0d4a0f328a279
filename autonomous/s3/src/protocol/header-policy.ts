import { S3Error } from './s3-error.ts';

/** Headers of features that are not here: an answer of 200 would say that they were done. */
const refused: ReadonlySet<string> = new Set([
  'x-amz-grant-full-control',
  'x-amz-grant-read',
  'x-amz-grant-read-acp',
  'x-amz-grant-write',
  'x-amz-grant-write-acp',
  'x-amz-if-match-initiated-time',
  'x-amz-if-match-last-modified-time',
  'x-amz-if-match-size',
  'x-amz-copy-source-server-side-encryption-customer-algorithm',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
  'x-amz-server-side-encryption-context',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-server-side-encryption-customer-key',
  'x-amz-website-redirect-location',
  'x-amz-write-offset-bytes',
]);

/** Headers of which some values mean what is done anyway. */
const allowedValues: Readonly<Record<string, readonly string[]>> = {
  'x-amz-server-side-encryption': ['AES256'],
  // Without Requester Pays nobody is asked to pay, and without ACLs the bucket's owner owns all.
  'x-amz-object-ownership': ['BucketOwnerEnforced'],
  'x-amz-request-payer': ['requester'],
  'x-amz-mfa': [],
};

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Refuses what would otherwise be passed over in silence.
 * @throws S3Error NotImplemented, InvalidStorageClass
 */
export function refuseUnsupported(headers: Headers): void {
  for (const name of Object.keys(headers)) {
    if (!name.startsWith('x-amz-')) continue;
    const allowed = allowedValues[name];
    const isRefused = allowed?.includes(String(headers[name])) === false;
    if (isRefused || refused.has(name)) {
      throw new S3Error('NotImplemented', undefined, {
        elements: { Header: name, AdditionalMessage: `${name} is not implemented.` },
      });
    }
  }
  const storageClass = headers['x-amz-storage-class'];
  if (storageClass !== undefined && storageClass !== 'STANDARD') {
    throw new S3Error('InvalidStorageClass');
  }
}
