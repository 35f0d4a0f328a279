import type { S3Request } from '../protocol/s3-request.ts';

/**
 * Who shares the memory of streams with others: a user's key at one address. Who sends or reads slowly
 * from one machine keeps neither others nor its other machines from being served.
 */
export function borrowerOf({
  accessKey = '',
  remoteAddress,
}: Pick<S3Request, 'accessKey' | 'remoteAddress'>): string {
  return `${accessKey}@${remoteAddress}`;
}
