import { hash } from 'node:crypto';

import { GridError } from '@commongrid/base';
import type { CareStatus } from '@commongrid/zstor';

import type { S3PackageErrorCode } from './errors.ts';
import { canonicalHash } from './protocol/canonical-request.ts';
import { storeStatusParameter } from './protocol/operations.ts';
import { Query } from './protocol/query.ts';
import { sign, signingKey } from './protocol/signing-key.ts';
import type { AccessKey } from './rights/rights.ts';

export interface StoreStatusQuestion {
  /** `HOST:PORT` of a head. */
  readonly address: string;
  readonly region: string;
  /** Of an administrator. */
  readonly key: AccessKey;
  /** `survey`: as records are now, which takes a while where there are many. */
  readonly action: 'status' | 'survey';
  readonly signal: AbortSignal;
}

/** More than any status has. */
const statusBytesMax = 16 << 20;

/**
 * Asks the head that serves how its store is.
 * @throws S3_HEAD_UNREACHABLE where nobody serves there, or the key is none of its administrators
 */
export async function askStoreStatus(question: StoreStatusQuestion): Promise<CareStatus> {
  const { address, action, signal } = question;
  const query = action === 'survey' ? `${storeStatusParameter}=survey` : storeStatusParameter;
  try {
    const url = new URL(`http://${address}/?${query}`);
    const response = await fetch(url, {
      headers: signedHeaders(question, url),
      redirect: 'error',
      signal,
    });
    const text = await response.text();
    if (response.ok && text.length <= statusBytesMax) return JSON.parse(text) as CareStatus;
    throw new Error(`it answers ${response.status}: ${text.slice(0, 200)}`);
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GridError<S3PackageErrorCode>(
      'S3_HEAD_UNREACHABLE',
      `no head of the store answers at ${address}: ${why}`,
      { retryable: true, details: { address }, cause },
    );
  }
}

/** AWS Signature Version 4, in the header. */
function signedHeaders(
  { region, key: { accessKey, secretKey } }: StoreStatusQuestion,
  { host, search }: URL,
): Record<string, string> {
  const timestamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const day = timestamp.slice(0, 8);
  const payloadHash = hash('sha256', '');
  const headers = { 'x-amz-content-sha256': payloadHash, 'x-amz-date': timestamp };
  const names = ['host', ...Object.keys(headers)];
  const request = canonicalHash({
    ...{ method: 'GET', path: '/', signedHeaders: names, payloadHash },
    query: Query.parse(search.slice(1)),
    rawHeaders: ['host', host, ...Object.entries(headers).flat()],
  });
  const scope = `${day}/${region}/s3/aws4_request`;
  const signature = sign(
    signingKey(secretKey, { day, region }),
    `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${request}`,
  );
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, ` +
    `SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { ...headers, authorization };
}
