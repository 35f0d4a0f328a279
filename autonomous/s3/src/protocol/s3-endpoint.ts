import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { closeOnce, GridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

import type { S3PackageErrorCode } from '../errors.ts';
import { bucketOfHost } from './address.ts';
import { TrustedProxies } from './client-address.ts';
import { S3Error } from './s3-error.ts';
import { exchange } from './s3-exchange.ts';
import type { Answered, ExchangeOptions, HeadersFor, S3Handler } from './s3-exchange.ts';
import { SignatureVerifier } from './signature.ts';
import type { SecretOf } from './signature.ts';
import { writeXml } from './xml-writer.ts';

/** Answered 200 by an endpoint that serves, 503 by one that does not; no bucket has this name. */
export const healthPath = '/-/health';

/** Open connections; more are refused. */
const connectionsMax = 4096;
/** Bytes of a request's first line and headers: presigned URLs are long. */
const headBytesMax = 32 << 10;
/** Time for the headers of a request. */
const headMsMax = 30_000;
/** Time for which a connection may lie idle between requests. */
const idleMsMax = 65_000;
/** Time that running requests get when the endpoint closes. */
const closeMsMax = 10_000;

export interface S3EndpointOptions {
  readonly handler: S3Handler;
  readonly secretOf: SecretOf;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 for any. */
  readonly port: number;
  /** Default us-east-1. */
  readonly region?: string;
  /** Names of the endpoint whose sub-domains are buckets, such as `s3.example.org`. */
  readonly domains?: readonly string[];
  /** Addresses of proxies that end TLS, whose X-Forwarded-For and -Proto are believed. */
  readonly trustedProxies?: readonly string[];
  readonly clock?: Clock;
  readonly onAnswer?: (answered: Answered) => void;
  /** Headers that every answer to a request that could be read gets. Must not throw. */
  readonly headersFor?: HeadersFor;
  /** Whether others wait for memory, which slow clients hold: then these are cut soon. Default: never. */
  readonly isPressed?: () => boolean;
  /** For `healthPath`. Default: it always serves. */
  readonly isServing?: () => boolean;
}

/** The S3 protocol on a port: signatures, framing, errors; what is asked for, the handler does. */
export class S3Endpoint implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #server: Server;

  private constructor(server: Server, clock: Clock) {
    this.#server = server;
    this.close = closeOnce(() => closeServer(server, clock));
  }

  /** @throws S3_LISTEN_FAILED */
  static async open(options: S3EndpointOptions): Promise<S3Endpoint> {
    const { host = '127.0.0.1', port, region = 'us-east-1', clock = systemClock } = options;
    const hostId = randomBytes(24).toString('base64');
    const nextId = requestIds();
    const exchangeOptions: ExchangeOptions = {
      handler: options.handler,
      verifier: new SignatureVerifier({
        region,
        secretOf: options.secretOf,
        nowMs: () => clock.nowMs(),
      }),
      domains: (options.domains ?? []).map((domain) => domain.toLowerCase()),
      proxies: new TrustedProxies(options.trustedProxies ?? []),
      clock,
      hostId,
      isPressed: options.isPressed ?? (() => false),
      onAnswer: options.onAnswer,
      headersFor: options.headersFor,
    };
    const { isServing = () => true } = options;
    const latest = new WeakMap<Socket, ServerResponse>();
    const take = (waits: boolean) => (incoming: IncomingMessage, outgoing: ServerResponse) => {
      latest.set(incoming.socket, outgoing);
      if (isAboutHealth(incoming, exchangeOptions.domains)) {
        outgoing.writeHead(isServing() ? 200 : 503).end();
        return;
      }
      // Every failure inside is an answer, and one of the answer ends the connection.
      exchange(nextId(), incoming, outgoing, waits, exchangeOptions).catch(() => {
        outgoing.destroy();
      });
    };
    const server = createServer({
      maxHeaderSize: headBytesMax,
      headersTimeout: headMsMax,
      keepAliveTimeout: idleMsMax,
      // Bodies may last for hours; their progress is watched instead.
      requestTimeout: 0,
    });
    server.maxConnections = connectionsMax;
    // With a limit node:http would pass over the rest in silence; the bytes are limited anyway.
    server.maxHeadersCount = 0;
    server.on('request', take(false));
    server.on('checkContinue', take(true));
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      // What is said in the middle of an answer would be taken for a part of it, or for all of it.
      if (isFree(latest.get(socket))) refuseGarbage(error, socket, nextId(), hostId);
      else socket.destroy();
    });
    await listen(server, host, port);
    return new S3Endpoint(server, clock);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function isAboutHealth({ url, headers }: IncomingMessage, domains: readonly string[]): boolean {
  return url === healthPath && bucketOfHost(headers.host, domains) === undefined;
}

/** Sixteen hex digits each: eight of this process, eight counted. */
function requestIds(): () => string {
  const prefix = randomBytes(4).toString('hex').toUpperCase();
  let count = randomBytes(4).readUInt32BE();
  return () => {
    count = (count + 1) >>> 0;
    return prefix + count.toString(16).toUpperCase().padStart(8, '0');
  };
}

/** Whether nothing is answered, or the garbage is in the body of what would be. */
function isFree(answer: ServerResponse | undefined): boolean {
  if (answer === undefined || answer.writableFinished) return true;
  return answer.socket !== null && !answer.headersSent && !answer.req.complete;
}

/** Answers what is no HTTP, or too long to be read. */
function refuseGarbage(
  error: NodeJS.ErrnoException,
  socket: Socket,
  id: string,
  hostId: string,
): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const isLong = error.code === 'HPE_HEADER_OVERFLOW';
  const isSlow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const answer = isLong
    ? new S3Error('RequestHeaderSectionTooLarge')
    : new S3Error(isSlow ? 'RequestTimeout' : 'InvalidRequest');
  const body = writeXml(
    'Error',
    [
      ['Code', answer.s3Code],
      ['Message', answer.message],
      ['RequestId', id],
      ['HostId', hostId],
    ],
    false,
  );
  socket.end(
    `HTTP/1.1 ${answer.status} Bad Request\r\nx-amz-request-id: ${id}\r\n` +
      `x-amz-id-2: ${hostId}\r\nContent-Type: application/xml\r\nConnection: close\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    throw new GridError<S3PackageErrorCode>(
      'S3_LISTEN_FAILED',
      `cannot listen on ${host}:${port}`,
      { hint: 'choose another address or port', cause },
    );
  }
}

async function closeServer(server: Server, clock: Clock): Promise<void> {
  const timer = clock.setTimer(closeMsMax, () => server.closeAllConnections());
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  timer.cancel();
}
