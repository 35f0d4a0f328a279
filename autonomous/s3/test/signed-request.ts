import { createHash } from 'node:crypto';

import { canonicalHash } from '../src/protocol/canonical-request.ts';
import { Query } from '../src/protocol/query.ts';
import { sign, signingKey } from '../src/protocol/signing-key.ts';

export const accessKey = 'GRIDACCESSKEY0000001';
export const secretKey = 'a/secret+key/with/odd==signs';

export interface RequestToSign {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly hash?: string;
}

/** The head of a signed request as it goes over the wire, the empty line included. */
export function signedHead(request: RequestToSign): string {
  const { method, path, query = '', hash = 'UNSIGNED-PAYLOAD' } = request;
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = timestamp.slice(0, 8);
  const headers: Record<string, string> = {
    host: 'localhost',
    'x-amz-content-sha256': hash,
    'x-amz-date': timestamp,
    ...request.headers,
  };
  const signedHeaders = Object.keys(headers)
    .filter((name) => name === 'host' || name.startsWith('x-amz-'))
    .toSorted();
  const canonical = canonicalHash({
    method,
    path: decodeURIComponent(path),
    query: Query.parse(query),
    rawHeaders: Object.entries(headers).flat(),
    signedHeaders,
    payloadHash: hash,
  });
  const scope = `${day}/us-east-1/s3/aws4_request`;
  const key = signingKey(secretKey, { day, region: 'us-east-1' });
  const signature = sign(key, `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${canonical}`);
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, ` +
    `SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const target = query === '' ? path : `${path}?${query}`;
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
