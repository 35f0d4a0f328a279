import { hash } from 'node:crypto';

import { GridError } from '@commongrid/base';
import type { CareStatus } from '@commongrid/zstor';

import type { S3PackageErrorCode } from './errors.ts';
import { canonicalHash } from './protocol/canonical-request.ts';
import { statusProof, statusProofHeader } from './head/store-status.ts';
import { storeStatusParameter } from './protocol/operations.ts';
import { Query } from './protocol/query.ts';
import { isSameSignature } from './protocol/signature.ts';
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
    const headers = signedHeaders(question, url);
    const response = await fetch(url, { headers, redirect: 'error', signal });
    const text = await limitedText(response);
    if (!response.ok) throw new Error(`it answers ${response.status}: ${text.slice(0, 200)}`);
    const proof = statusProof(question.key.secretKey, headers.authorization, text);
    // Whoever is on the way must not say that all is well.
    const given = response.headers.get(statusProofHeader) ?? '';
    if (!isSameSignature(given, proof)) throw new Error('its answer is not that of a head');
    return JSON.parse(text) as CareStatus;
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

async function limitedText({ body }: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body ?? []) {
    bytes += piece.byteLength;
    // Leaving the loop ends the connection.
    if (bytes > statusBytesMax) throw new Error(`its answer has more than ${statusBytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

type SignedHeaders = Record<string, string> & { readonly authorization: string };

/** AWS Signature Version 4, in the header. */
function signedHeaders(
  { region, key: { accessKey, secretKey } }: StoreStatusQuestion,
  { host, search }: URL,
): SignedHeaders {
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
