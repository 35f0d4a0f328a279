import type { Address } from './address.ts';
import { parseAddress } from './address.ts';
import type { Operation } from './operations.ts';
import { Payload } from './payload.ts';
import type { PieceSource } from './payload.ts';
import { planPayload } from './payload-plan.ts';
import type { PayloadPlan } from './payload-plan.ts';
import { refuseUnsupported } from './header-policy.ts';
import { Query } from './query.ts';
import { routeOf } from './router.ts';
import { S3Error } from './s3-error.ts';
import type { Caller, SignatureVerifier } from './signature.ts';

export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** A request whose signature is right, with a body that is verified while it is read. */
export interface S3Request {
  /** The x-amz-request-id of the answer. */
  readonly id: string;
  readonly method: string;
  readonly operation: Operation;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly query: Query;
  /** In lower case; of presigned requests also those that stand in the URL. */
  readonly headers: RequestHeaders;
  /** undefined for anonymous requests. */
  readonly accessKey: string | undefined;
  /** Who is at the other end of the connection, or of that of a trusted proxy. */
  readonly remoteAddress: string;
  /** Whether the bytes came encrypted, which only a trusted proxy can say. */
  readonly isSecure: boolean;
  readonly payload: Payload;
  /** Fires when the client is gone before it has its answer. */
  readonly signal: AbortSignal;
}

/** What an operation answers. */
export interface S3Response {
  /** Default 200. */
  readonly status?: number;
  /** Names in lower case. A text that is no ASCII goes through `headerValue`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A text is XML, unless the headers say otherwise. */
  readonly body?: string | Buffer | AsyncIterable<Uint8Array | string>;
  /** Of the object that the operation is about, for logs. */
  readonly objectBytes?: number | undefined;
}

/** A request as node:http has it. */
export interface RawRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: RequestHeaders;
  readonly rawHeaders: readonly string[];
  readonly remoteAddress: string;
  readonly isSecure: boolean;
}

export interface ReadRequestOptions {
  readonly id: string;
  readonly domains: readonly string[];
  readonly verifier: SignatureVerifier;
  readonly source: PieceSource;
  readonly signal: () => AbortSignal;
}

/** Operations that have no use without the length of their body. */
const needLength: ReadonlySet<Operation> = new Set(['PutObject', 'UploadPart']);

/**
 * Reads the head of a request: address, signature, operation, what its body will be. The body is
 * not touched, so that whoever may not send it is told so first.
 * @throws S3Error whatever the request is refused with
 */
export async function readRequest(
  raw: RawRequest,
  options: ReadRequestOptions,
): Promise<S3Request> {
  const { path: rawPath, query: rawQuery, host } = splitTarget(raw);
  const query = Query.parse(rawQuery);
  const address = parseAddress(rawPath, host, options.domains);
  const hash = payloadHashOf(raw.headers, query);
  // What is signed are the headers as they came.
  const caller = await verify(raw, address, query, hash, options.verifier);
  const headers = hasSignedQuery(query) ? withQueryHeaders(raw.headers, query) : raw.headers;
  const operation = routeOf(raw.method, address, query, headers);
  refuseUnsupported(headers);
  // Completing an upload, the client says the checksum of the object, not that of the list.
  const plan = planPayload(headers, hash, operation !== 'CompleteMultipartUpload');
  checkLength(plan, operation);
  return {
    id: options.id,
    method: raw.method,
    operation,
    bucket: address.bucket,
    key: address.key,
    query,
    headers,
    accessKey: caller?.accessKey,
    remoteAddress: raw.remoteAddress,
    isSecure: raw.isSecure,
    payload: new Payload({ plan, source: options.source, ...(caller && { chain: caller.chain }) }),
    get signal() {
      return options.signal();
    },
  };
}

/**
 * Parts of the request's target. Proxies get it with the host ahead, which must be that of the
 * Host header: only the header is signed, and it can name the bucket.
 */
function splitTarget({ url, headers }: RawRequest): {
  readonly path: string;
  readonly query: string;
  readonly host: string | undefined;
} {
  const host = typeof headers['host'] === 'string' ? headers['host'] : undefined;
  const [, authority, rest] = /^https?:\/\/([^/?]*)(.*)$/is.exec(url) ?? [];
  if (authority !== undefined && authority.toLowerCase() !== host?.toLowerCase()) {
    throw new S3Error('InvalidURI');
  }
  const target = rest ?? url;
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  return { path, query: mark < 0 ? '' : target.slice(mark + 1), host };
}

async function verify(
  raw: RawRequest,
  { path }: Address,
  query: Query,
  hash: string | undefined,
  verifier: SignatureVerifier,
): Promise<Caller | undefined> {
  // Browsers ask without a signature whether they may ask with one.
  if (raw.method === 'OPTIONS') return undefined;
  if (hash === undefined && raw.headers['authorization'] !== undefined) {
    // AWS demands it too; without it the body would be no part of the signature.
    throw new S3Error('InvalidRequest', 'Missing required header: x-amz-content-sha256');
  }
  const { method, headers, rawHeaders } = raw;
  return verifier.verify({ method, path, query, headers, rawHeaders }, hash ?? 'UNSIGNED-PAYLOAD');
}

function payloadHashOf(headers: RequestHeaders, query: Query): string | undefined {
  const header = headers['x-amz-content-sha256'];
  if (typeof header === 'string') return header;
  return hasSignedQuery(query)
    ? (query.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD')
    : undefined;
}

function hasSignedQuery(query: Query): boolean {
  return query.has('X-Amz-Signature');
}

/** In a presigned URL SDKs write headers as parameters; they are as good as headers. */
function withQueryHeaders(headers: RequestHeaders, query: Query): RequestHeaders {
  const all: Record<string, string | string[] | undefined> = { ...headers };
  for (const [rawName, value] of query.entries) {
    const name = rawName.toLowerCase();
    if (!name.startsWith('x-amz-') || authParameters.has(name) || all[name] !== undefined) continue;
    if (!/^[a-z0-9-]+$/.test(name) || !isHeaderText(value)) {
      throw new S3Error('InvalidArgument', 'A parameter of the URL is no valid header.');
    }
    all[name] = Buffer.from(value, 'utf8').toString('latin1');
  }
  return all;
}

/** Whether a text can stand in a header: no control characters. */
function isHeaderText(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return !/[\u0000-\u001f\u007f]/.test(text);
}

const authParameters: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signature',
  'x-amz-signedheaders',
  'x-amz-content-sha256',
]);

function checkLength(plan: PayloadPlan, operation: Operation): void {
  const isAnnounced = plan.sizeBytes !== undefined && plan.isPresent;
  if (needLength.has(operation) && !isAnnounced) throw new S3Error('MissingContentLength');
}
