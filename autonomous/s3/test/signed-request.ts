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

/** A body in signed chunks, and signed trailers where there are some, for the head of it. */
export function signedChunks(head: string, chunks: readonly string[], trailer?: string): string {
  const at = (pattern: RegExp): string => pattern.exec(head)?.[1] ?? '';
  const timestamp = at(/x-amz-date: (\S+)/);
  const scope = at(/Credential=[^/]+\/([^,]+),/);
  const key = signingKey(secretKey, { day: timestamp.slice(0, 8), region: 'us-east-1' });
  let before = at(/Signature=([0-9a-f]+)/);
  const next = (kind: string, text: string): string => {
    before = sign(key, `AWS4-HMAC-SHA256-${kind}\n${timestamp}\n${scope}\n${before}\n${text}`);
    return before;
  };
  let body = '';
  for (const chunk of [...chunks, '']) {
    const signature = next('PAYLOAD', `${sha256('')}\n${sha256(chunk)}`);
    body += `${chunk.length.toString(16)};chunk-signature=${signature}\r\n${chunk}`;
    body += chunk === '' ? '' : '\r\n';
  }
  if (trailer === undefined) return `${body}\r\n`;
  const signature = next('TRAILER', sha256(`${trailer}\n`));
  return `${body}${trailer}\r\nx-amz-trailer-signature:${signature}\r\n\r\n`;
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
