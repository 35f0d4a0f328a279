import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Clock } from '@commongrid/base';

import { BodySource } from './body-source.ts';
import type { Client, TrustedProxies } from './client-address.ts';
import type { Operation } from './operations.ts';
import { S3Error } from './s3-error.ts';
import { readRequest } from './s3-request.ts';
import type { RawRequest, RequestHeaders, S3Request, S3Response } from './s3-request.ts';
import type { SignatureVerifier } from './signature.ts';
import { unsentBytes } from './unsent-bytes.ts';
import { watchClient } from './watch-client.ts';
import { writeXml } from './xml-writer.ts';

/** Rest of a refused body that is read so that the connection can go on. */
const drainBytesMax = 1 << 20;
/** Time for it. */
const drainMsMax = 2_000;

/** Does what a request asks for. S3Errors are answers; anything else is answered InternalError. */
export type S3Handler = (request: S3Request) => Promise<S3Response>;

/** One request and its answer, for logs and metrics. */
export interface Answered {
  readonly id: string;
  /** undefined when the request was refused before it was known. */
  readonly request: S3Request | undefined;
  readonly operation: Operation | undefined;
  readonly status: number;
  readonly s3Code: string | undefined;
  readonly method: string;
  /** Path and query as they came: signatures of URLs stand in there. */
  readonly target: string;
  readonly headers: RequestHeaders;
  readonly remoteAddress: string;
  readonly isSecure: boolean;
  /** Bytes of the body that came. */
  readonly receivedBytes: number;
  /** Bytes of the answer's body. */
  readonly sentBytes: number;
  /** Of the object that was asked for or made, where that is known. */
  readonly objectBytes: number | undefined;
  /** From the first line of the request to the end of the answer. */
  readonly tookMs: number;
  /** From the last byte of the request to the first of the answer; undefined when none went. */
  readonly turnAroundMs: number | undefined;
  /** What failed inside, when something did. */
  readonly failure: unknown;
}

export interface ExchangeOptions {
  readonly handler: S3Handler;
  readonly verifier: SignatureVerifier;
  readonly domains: readonly string[];
  readonly clock: Clock;
  readonly proxies: TrustedProxies;
  /** Whether others wait for memory, which slow clients hold. */
  readonly isPressed: () => boolean;
  /** The x-amz-id-2 of all answers. */
  readonly hostId: string;
  readonly onAnswer?: ((answered: Answered) => void) | undefined;
  /** Headers that an answer gets whatever it is, an error too. Must not throw. */
  readonly headersFor?: HeadersFor | undefined;
}

/** Headers of the answer to a request that could be read. */
export type HeadersFor = (request: S3Request) => Readonly<Record<string, string>> | undefined;

interface Answer extends S3Response {
  readonly failure?: unknown;
  readonly s3Code?: string;
}

/** What became of an answer. */
interface Sent {
  /** Of its body. */
  bytes: number;
  /** When it began to leave, monotonic. */
  firstByteMs: number | undefined;
  failure: unknown;
}

/**
 * Takes one request from node:http to its answer.
 *
 * 1. The head is read, and the signature verified. 2. The handler runs, and takes the body. 3. The
 * answer goes out. 4. What is left of the body is read, within limits, or the connection ends.
 */
export async function exchange(
  id: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  waitsForContinue: boolean,
  options: ExchangeOptions,
): Promise<void> {
  const startedMs = options.clock.monotonicMs();
  // Once the connection is gone nobody can tell whose it was.
  const client = options.proxies.clientOf(incoming.socket.remoteAddress, incoming.headers);
  let isWaiting = waitsForContinue;
  const source = new BodySource({
    request: incoming,
    clock: options.clock,
    isPressed: options.isPressed,
    askForBody: () => {
      if (isWaiting) outgoing.writeContinue();
      isWaiting = false;
    },
  });
  let request: S3Request | undefined;
  let signal: AbortSignal | undefined;
  const run = async (): Promise<Answer> => {
    request = await readRequest(rawOf(incoming, client), {
      id,
      domains: options.domains,
      verifier: options.verifier,
      source: source.next,
      signal: () => (signal ??= signalOf(outgoing)),
    });
    return options.handler(request);
  };
  const answer = await run().catch((error: unknown) => errorAnswer(error, id, incoming, options));
  // What comes later is no longer waited for.
  const askedMs = source.lastByteMs ?? startedMs;
  const left = bytesLeft(incoming, source);
  if (source.isEnded) isWaiting = false;
  if (isWaiting || left > drainBytesMax) outgoing.shouldKeepAlive = false;
  const more = request && options.headersFor?.(request);
  const whole =
    more === undefined ? answer : { ...answer, headers: { ...answer.headers, ...more } };
  const sent = await send(whole, id, incoming, outgoing, options, async () => {
    if (!isWaiting && left > 0) await source.discard(drainBytesMax, drainMsMax);
  });
  options.onAnswer?.({
    id,
    request,
    operation: request?.operation,
    status: answer.status ?? 200,
    s3Code: answer.s3Code,
    ...factsOf(incoming),
    ...client,
    receivedBytes: source.receivedBytes,
    sentBytes: sent.bytes,
    objectBytes: answer.objectBytes,
    tookMs: options.clock.monotonicMs() - startedMs,
    turnAroundMs: sent.firstByteMs === undefined ? undefined : sent.firstByteMs - askedMs,
    failure: answer.failure ?? sent.failure,
  });
}

function factsOf(incoming: IncomingMessage): Pick<Answered, 'method' | 'target' | 'headers'> {
  const { method = '', url: target = '', headers } = incoming;
  return { method, target, headers };
}

/** Made for those who ask: a controller for every request would cost as much as its signature. */
function signalOf(outgoing: ServerResponse): AbortSignal {
  const gone = new AbortController();
  if (outgoing.destroyed) gone.abort();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** @throws S3Error for a client that is gone already: policies could not judge where it is */
function rawOf(incoming: IncomingMessage, client: Client): RawRequest {
  if (client.remoteAddress === '') throw new S3Error('RequestTimeout');
  const { method = '', url = '', headers, rawHeaders } = incoming;
  return { method, url, headers, rawHeaders, ...client };
}

/** Infinity for a body whose length nobody knows. */
function bytesLeft(incoming: IncomingMessage, source: BodySource): number {
  if (source.isEnded) return 0;
  const { 'content-length': length, 'transfer-encoding': coding } = incoming.headers;
  if (coding !== undefined) return Number.POSITIVE_INFINITY;
  return length === undefined ? 0 : Number(length) - source.receivedBytes;
}

function errorAnswer(
  error: unknown,
  id: string,
  incoming: IncomingMessage,
  { hostId }: ExchangeOptions,
): Answer {
  const known = error instanceof S3Error ? error : new S3Error('InternalError');
  const resource = (incoming.url ?? '').replace(/\?.*$/s, '');
  const body = writeXml(
    'Error',
    [
      ['Code', known.s3Code],
      ['Message', known.message],
      ...Object.entries(known.elements),
      ['Resource', resource],
      ['RequestId', id],
      ['HostId', hostId],
    ],
    false,
  );
  return {
    status: known.status,
    headers: known.headers,
    body,
    s3Code: known.s3Code,
    ...(known === error ? {} : { failure: error }),
  };
}

/**
 * Sends an answer.
 * @param drain runs when all of it was written and the connection is still held open: to end it
 *   while the client sends would lose the answer
 */
async function send(
  answer: Answer,
  id: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  options: ExchangeOptions,
  drain: () => Promise<void>,
): Promise<Readonly<Sent>> {
  const sent: Sent = { bytes: 0, firstByteMs: undefined, failure: undefined };
  const { status = 200, headers = {}, body } = answer;
  const hasBody = incoming.method !== 'HEAD' && status !== 304 && status !== 204;
  const isWhole = typeof body === 'string' || Buffer.isBuffer(body) || body === undefined;
  try {
    outgoing.statusCode = status;
    outgoing.setHeader('x-amz-request-id', id);
    outgoing.setHeader('x-amz-id-2', options.hostId);
    for (const [name, value] of Object.entries(headers)) outgoing.setHeader(name, value);
    if (hasBody && typeof body === 'string' && headers['content-type'] === undefined) {
      outgoing.setHeader('content-type', 'application/xml');
    }
    if (hasBody && isWhole && headers['content-length'] === undefined) {
      outgoing.setHeader('content-length', Buffer.byteLength(body ?? ''));
    }
    if (hasBody && isWhole) sent.bytes = Buffer.byteLength(body ?? '');
    if (!hasBody || isWhole) sent.firstByteMs = options.clock.monotonicMs();
    if (!hasBody && outgoing.shouldKeepAlive) outgoing.end();
    else if (!hasBody) outgoing.flushHeaders();
    else if (!isWhole) await sendPieces(body, outgoing, options, sent);
    else if (outgoing.shouldKeepAlive || body === undefined) outgoing.end(body);
    else outgoing.write(body);
    await drain();
    if (!outgoing.writableEnded) outgoing.end();
  } catch (error) {
    // Half of an answer is out, or its headers cannot be written: only a cut says so.
    outgoing.destroy();
    sent.failure = error;
  } finally {
    if (!isWhole) await giveBack(body);
  }
  return sent;
}

/** Of a body that was not read to its end, or not at all: what it holds is free again. */
async function giveBack(body: AsyncIterable<unknown>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}

async function sendPieces(
  body: AsyncIterable<Uint8Array | string>,
  outgoing: ServerResponse,
  options: ExchangeOptions,
  sent: Sent,
): Promise<void> {
  for await (const piece of body) {
    if (outgoing.destroyed) return;
    sent.firstByteMs ??= options.clock.monotonicMs();
    sent.bytes += Buffer.byteLength(piece);
    // A long piece goes in one write, and is the kernel's when the next is asked for.
    if (piece.length > 0 && !outgoing.write(piece)) await drained(outgoing, options);
  }
}

/** Until the client has taken what waits, or is gone. */
async function drained(outgoing: ServerResponse, options: ExchangeOptions): Promise<void> {
  if (outgoing.destroyed) return;
  await new Promise<void>((resolve) => {
    const waiting = { ...options, unsentBytes: () => unsentBytes(outgoing) };
    const watch = watchClient(waiting, () => outgoing.destroy());
    const finish = (): void => {
      watch.cancel();
      outgoing.off('drain', finish);
      outgoing.off('close', finish);
      resolve();
    };
    outgoing.once('drain', finish);
    outgoing.once('close', finish);
  });
}
