import { algorithmOfHeader, checksumHeader, parseAlgorithm, parseChecksum } from './checksum.ts';
import type { Checksum, ChecksumAlgorithm } from './checksum.ts';
import { S3Error } from './s3-error.ts';

/** Largest body of one request: 5 GiB, as at AWS. */
const payloadBytesMax = 5 * 2 ** 30;

const sha256Hex = /^[0-9a-f]{64}$/;
const md5Base64 = /^[A-Za-z0-9+/]{22}==$/;

/** The forms of x-amz-content-sha256 besides UNSIGNED-PAYLOAD and a hash. */
const framings: ReadonlyMap<string, NonNullable<PayloadPlan['framing']>> = new Map([
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { isSigned: true, hasTrailers: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { isSigned: true, hasTrailers: true }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { isSigned: false, hasTrailers: true }],
]);

/** What the head of a request says about its body. */
export interface PayloadPlan {
  /** Whether a length or a transfer coding announces a body, be it an empty one. */
  readonly isPresent: boolean;
  /** Bytes on the wire; undefined when they come in chunks of HTTP. */
  readonly wireBytes: number | undefined;
  /** Bytes of data; undefined when only the end will tell. */
  readonly sizeBytes: number | undefined;
  /** Present when the body is aws-chunked. */
  readonly framing?: { readonly isSigned: boolean; readonly hasTrailers: boolean };
  /** SHA-256 in hex that the signature covers. */
  readonly sha256?: string;
  /** Base64. */
  readonly contentMd5?: string;
  readonly checksum?: Checksum;
  /** The checksum comes behind the body. */
  readonly trailer?: ChecksumAlgorithm;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Reads the headers about the body.
 * @param hash the line about the payload in what is signed; undefined for anonymous requests
 *   that do not say
 * @param isChecksumOfBody false where the checksum headers are about something else
 * @throws S3Error InvalidArgument, InvalidDigest, InvalidRequest, MissingContentLength,
 *   EntityTooLarge
 */
export function planPayload(
  headers: Headers,
  hash: string | undefined,
  isChecksumOfBody: boolean,
): PayloadPlan {
  const wireBytes = lengthOf(headers, 'content-length');
  const framing = framingOf(hash);
  const hasBody = wireBytes !== undefined || headers['transfer-encoding'] !== undefined;
  const decoded = framing && lengthOf(headers, 'x-amz-decoded-content-length');
  if (framing !== undefined && decoded === undefined) throw new S3Error('MissingContentLength');
  const sizeBytes = framing === undefined ? (hasBody ? wireBytes : 0) : decoded;
  if ((sizeBytes ?? 0) > payloadBytesMax) throw new S3Error('EntityTooLarge');
  return {
    isPresent: hasBody,
    wireBytes: hasBody ? wireBytes : 0,
    sizeBytes,
    ...(framing === undefined ? {} : { framing }),
    ...(hash !== undefined && sha256Hex.test(hash) ? { sha256: hash } : {}),
    ...contentMd5(headers),
    ...(isChecksumOfBody ? checksumPlan(headers, framing?.hasTrailers === true) : {}),
  };
}

function framingOf(hash: string | undefined): PayloadPlan['framing'] {
  if (hash === undefined || hash === 'UNSIGNED-PAYLOAD' || sha256Hex.test(hash)) return undefined;
  const framing = framings.get(hash);
  if (framing !== undefined) return framing;
  if (hash.startsWith('STREAMING-')) {
    throw new S3Error(
      'NotImplemented',
      `The payload form ${hash.slice(0, 64)} is not implemented.`,
    );
  }
  throw new S3Error(
    'InvalidArgument',
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-..., or a valid sha256 value.',
  );
}

function contentMd5(headers: Headers): { readonly contentMd5?: string } {
  const value = text(headers, 'content-md5');
  if (value === undefined) return {};
  if (!md5Base64.test(value)) throw new S3Error('InvalidDigest');
  return { contentMd5: value };
}

function checksumPlan(
  headers: Headers,
  hasTrailers: boolean,
): Pick<PayloadPlan, 'checksum' | 'trailer'> {
  const given: Checksum[] = [];
  for (const name of Object.keys(headers)) {
    const algorithm = algorithmOfHeader(name);
    const value = algorithm && text(headers, name);
    if (algorithm !== undefined && value !== undefined) given.push(parseChecksum(algorithm, value));
  }
  const trailer = hasTrailers ? trailerOf(headers) : undefined;
  if (given.length + (trailer === undefined ? 0 : 1) > 1) {
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  const [checksum] = given;
  checkNamed(headers, checksum?.algorithm ?? trailer);
  if (checksum !== undefined) return { checksum };
  return trailer === undefined ? {} : { trailer };
}

function trailerOf(headers: Headers): ChecksumAlgorithm | undefined {
  const value = text(headers, 'x-amz-trailer');
  if (value === undefined) return undefined;
  const algorithm = algorithmOfHeader(value.trim().toLowerCase());
  if (algorithm === undefined) {
    throw new S3Error(
      'InvalidRequest',
      'The value specified in the x-amz-trailer is not supported',
    );
  }
  return algorithm;
}

/** SDKs also name the algorithm; one that is named has to come. */
function checkNamed(headers: Headers, found: ChecksumAlgorithm | undefined): void {
  const name = text(headers, 'x-amz-sdk-checksum-algorithm');
  if (name === undefined) return;
  const named = parseAlgorithm(name);
  if (named === undefined) {
    throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  }
  if (found === undefined) {
    throw new S3Error(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or ' +
        'x-amz-trailer headers were found.',
    );
  }
  if (found !== named) {
    throw new S3Error('InvalidRequest', `${checksumHeader(found)} is not of the algorithm named.`);
  }
}

function lengthOf(headers: Headers, name: string): number | undefined {
  const value = text(headers, name);
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw new S3Error('InvalidArgument', `${name} is not a length.`);
  return Number(value);
}

function text(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
