import { createHmac, hash } from 'node:crypto';

/** A request that whoever has its URL may make. */
export interface UrlToSign {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  /** With parameters, where there are some, and no part of the path escaped but as it goes over the wire. */
  readonly url: URL;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** For how long it is good. */
  readonly lifeSeconds: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/**
 * Signs a request to S3 in its URL.
 * Source: "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
 */
export function signedUrl(request: UrlToSign): string {
  const { method, url, region, accessKey, secretKey, lifeSeconds, nowMs } = request;
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/s3/aws4_request`;
  const parameters: readonly (readonly [string, string])[] = [
    ...url.searchParams,
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', `${accessKey}/${scope}`],
    ['X-Amz-Date', time],
    ['X-Amz-Expires', String(lifeSeconds)],
    ['X-Amz-SignedHeaders', 'host'],
  ];
  const query = parameters
    .map(([name, value]) => `${escapeS3(name)}=${escapeS3(value)}`)
    .toSorted()
    .join('&');
  const canonical = `${method}\n${url.pathname}\n${query}\nhost:${url.host}\n\nhost\nUNSIGNED-PAYLOAD`;
  const hashed = hash('sha256', canonical, 'hex');
  const key = [day, region, 's3', 'aws4_request'].reduce<Buffer>(
    (before, text) => hmac(before, text),
    Buffer.from(`AWS4${secretKey}`),
  );
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hashed}`).toString('hex');
  return `${url.origin}${url.pathname}?${query}&X-Amz-Signature=${signature}`;
}

/** All but letters, digits and `-._~`, as AWS has it. */
export function escapeS3(text: string): string {
  const escapeOf = (character: string): string =>
    `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, escapeOf);
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
