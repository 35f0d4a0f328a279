import { timingSafeEqual } from 'node:crypto';

import type { Authorization } from './authorization.ts';
import { readAuthorization } from './authorization.ts';
import { canonicalHash } from './canonical-request.ts';
import type { Query } from './query.ts';
import { S3Error } from './s3-error.ts';
import { sign, SigningKeys } from './signing-key.ts';

/** How far the clock of a client may be from ours. */
const skewMsMax = 15 * 60_000;

/** The secret of an access key; undefined when there is no such key, or it is switched off. */
export type SecretOf = (accessKey: string) => string | undefined | Promise<string | undefined>;

export interface SignatureVerifierOptions {
  readonly region: string;
  readonly secretOf: SecretOf;
  readonly nowMs: () => number;
}

/** A request before its body, as far as a signature covers it. */
export interface UnverifiedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Query;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders: readonly string[];
}

/** Who asks, and with what the chunks of the body are signed. */
export interface Caller {
  readonly accessKey: string;
  readonly chain: SignatureChain;
}

/** Where a chain of chunk signatures begins. */
export interface SignatureChain {
  readonly key: Buffer;
  readonly seed: string;
  readonly timestamp: string;
  /** Such as `20130524/us-east-1/s3/aws4_request`. */
  readonly scope: string;
}

/** Verifies AWS Signature Version 4 of requests, in the header or in the URL. */
export class SignatureVerifier {
  readonly #options: SignatureVerifierOptions;
  readonly #keys = new SigningKeys();

  constructor(options: SignatureVerifierOptions) {
    this.#options = options;
  }

  /**
   * Who signed the request; undefined when nobody did. The body is not looked at: `payloadHash`
   * is what the client says about it.
   * @throws S3Error as S3 answers requests that are wrongly signed, late, or of nobody known
   */
  async verify(request: UnverifiedRequest, payloadHash: string): Promise<Caller | undefined> {
    const authorization = readAuthorization(request.headers, request.query);
    if (authorization === undefined) return undefined;
    const { region } = this.#options;
    if (authorization.scope.region !== region) throw wrongRegion(authorization, region);
    refuseTokens(request);
    checkTime(authorization, this.#options.nowMs());
    checkSignedHeaders(authorization, request.headers);
    const { accessKey } = authorization;
    const secret = await this.#options.secretOf(accessKey);
    if (secret === undefined) {
      throw new S3Error('InvalidAccessKeyId', undefined, {
        elements: { AWSAccessKeyId: accessKey },
      });
    }
    const key = this.#keys.keyOf(accessKey, secret, authorization.scope);
    const scope = `${authorization.scope.day}/${region}/s3/aws4_request`;
    const { signedHeaders, timestamp } = authorization;
    const hash = canonicalHash({ ...request, signedHeaders, payloadHash });
    const expected = sign(key, `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${hash}`);
    if (!isSameSignature(authorization.signature, expected)) {
      throw new S3Error('SignatureDoesNotMatch', undefined, {
        elements: { AWSAccessKeyId: accessKey },
      });
    }
    return { accessKey, chain: { key, seed: expected, timestamp, scope } };
  }
}

/** Compares in constant time what a client sent with what is right. */
export function isSameSignature(given: string, expected: string): boolean {
  const left = Buffer.from(given, 'latin1');
  const right = Buffer.from(expected, 'latin1');
  return left.length === right.length && timingSafeEqual(left, right);
}

function checkTime(authorization: Authorization, nowMs: number): void {
  const ageMs = nowMs - authorization.atMs;
  if (authorization.lifeSeconds === undefined) {
    if (Math.abs(ageMs) > skewMsMax) {
      throw new S3Error('RequestTimeTooSkewed', undefined, {
        elements: {
          RequestTime: authorization.timestamp,
          ServerTime: new Date(nowMs).toISOString(),
          MaxAllowedSkewMilliseconds: String(skewMsMax),
        },
      });
    }
    return;
  }
  if (ageMs < -skewMsMax) throw new S3Error('AccessDenied', 'Request is not valid yet.');
  if (ageMs > authorization.lifeSeconds * 1000) {
    throw new S3Error('AccessDenied', 'Request has expired.', {
      elements: {
        'X-Amz-Expires': String(authorization.lifeSeconds),
        Expires: new Date(authorization.atMs + authorization.lifeSeconds * 1000).toISOString(),
        ServerTime: new Date(nowMs).toISOString(),
      },
    });
  }
}

/** Host and all of S3's own headers: who could add one unsigned could change what is asked for. */
function checkSignedHeaders(
  { signedHeaders }: Authorization,
  headers: UnverifiedRequest['headers'],
): void {
  const missing = signedHeaders.filter((name) => headers[name] === undefined);
  if (missing.length > 0) {
    throw new S3Error('SignatureDoesNotMatch', `Signed headers did not come: ${missing.join()}`);
  }
  const unsigned = Object.keys(headers).filter(
    // The payload's hash is a line of its own in what is signed.
    (name) =>
      (name === 'host' || (name.startsWith('x-amz-') && name !== 'x-amz-content-sha256')) &&
      !signedHeaders.includes(name),
  );
  if (unsigned.length > 0) {
    throw new S3Error(
      'AccessDenied',
      'There were headers present in the request which were not signed.',
      { elements: { HeadersNotSigned: unsigned.join(', ') } },
    );
  }
}

/** Keys for a while are not given out here, so that no token can be a good one. */
function refuseTokens(request: UnverifiedRequest): void {
  const inHeader = request.headers['x-amz-security-token'] !== undefined;
  if (inHeader || request.query.has('X-Amz-Security-Token')) throw new S3Error('InvalidToken');
}

function wrongRegion({ kind, scope }: Authorization, region: string): S3Error {
  const code =
    kind === 'header' ? 'AuthorizationHeaderMalformed' : 'AuthorizationQueryParametersError';
  return new S3Error(code, `The region '${scope.region}' is wrong; expecting '${region}'.`, {
    elements: { Region: region },
    headers: { 'x-amz-bucket-region': region },
  });
}
