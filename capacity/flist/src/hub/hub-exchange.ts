import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Logger } from '@commongrid/base';

import type { BodyMemory } from './body-memory.ts';
import { changeRoutes } from './change-routes.ts';
import type { Hub } from './hub.ts';
import type { HubMetrics } from './hub-metrics.ts';
import { matchRoute } from './hub-route.ts';
import type { HubAnswer, HubRoute } from './hub-route.ts';
import { hubBusy, refusalOf, retryAfterOf } from './hub-status.ts';
import { readRoutes } from './read-routes.ts';
import type { Claimed, ClaimDesk } from './request-claim.ts';

export interface ExchangeContext {
  readonly hub: Hub;
  readonly claims: ClaimDesk;
  readonly logger: Logger;
  readonly metrics: HubMetrics;
  readonly bodies: BodyMemory;
  readonly requestsMax: number;
  /** Time in which a client must take what was written to it. */
  readonly takeMs: number;
}

const routes: readonly HubRoute[] = [...readRoutes, ...changeRoutes];

/** Time in which the rest of a refused body is read over, so that the answer is read. */
const drainMs = 5_000;

/**
 * Takes a request to its answer: 1. the route; 2. if it is signed, who asks, and that it is new;
 * 3. the body, whose hash is then the signed one; 4. the route's work; 5. the answer.
 */
export async function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  context: ExchangeContext,
): Promise<void> {
  const { logger, metrics, requestsMax } = context;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const { method = '', url = '' } = request;
  let path = 'unknown';
  metrics.running++;
  try {
    if (metrics.running > requestsMax) throw hubBusy('answers as many as it can');
    const matched = matchRoute(routes, method, url);
    path = `${method} ${matched.route.path}`;
    const claim = matched.route.isSigned
      ? await context.claims.take(request, gone.signal)
      : undefined;
    // A body counts as memory until its work is done; an answer is sent without it.
    const answer = await context.bodies.with(
      request,
      matched.route.bodyBytesMax ?? 0,
      async (body) => {
        metrics.receivedBytes += body.length;
        if (claim !== undefined) await context.claims.checkBody(request, claim, body);
        return work(matched.route, {
          hub: context.hub,
          params: matched.params,
          query: matched.query,
          headers: request.headers,
          body,
          signal: gone.signal,
          caller: claim?.caller,
        });
      },
    );
    metrics.count(path, answer.status);
    await send(response, answer, context);
  } catch (error) {
    refuse(request, response, error, logger, (status) => metrics.count(path, status));
  } finally {
    metrics.running--;
  }
}

function work(
  route: HubRoute,
  request: Parameters<Extract<HubRoute, { isSigned: false }>['handle']>[0] & {
    readonly caller: Claimed['caller'] | undefined;
  },
): Promise<HubAnswer> {
  if (!route.isSigned) return route.handle(request);
  const { caller } = request;
  if (caller === undefined) throw new TypeError('a signed route without a caller');
  return route.handle({ ...request, caller });
}

async function send(
  response: ServerResponse,
  answer: HubAnswer,
  { metrics, takeMs }: ExchangeContext,
): Promise<void> {
  if ('json' in answer) {
    const text = Buffer.from(JSON.stringify(answer.json));
    response.writeHead(answer.status, jsonHeaders(text.length)).end(text);
    metrics.sentBytes += text.length;
    return;
  }
  const { status, headers, pieces } = answer;
  response.writeHead(status, headers);
  const hasBody = pieces !== undefined && response.req.method !== 'HEAD';
  if (hasBody) {
    for await (const piece of pieces) {
      metrics.sentBytes += piece.length;
      if (!response.write(piece)) await drained(response, takeMs);
      if (response.destroyed) return;
    }
  }
  response.end();
}

/** Until the client took enough of the answer. One that takes too long is cut off. */
function drained(response: ServerResponse, takeMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => response.destroy(), takeMs);
    const end = (): void => {
      clearTimeout(timer);
      response.off('drain', end);
      response.off('close', end);
      resolve();
    };
    response.on('drain', end);
    response.on('close', end);
    if (response.destroyed) end();
  });
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  logger: Logger,
  count: (status: number) => void,
): void {
  const refusal = refusalOf(error);
  const isFault = refusal.status === 500 || refusal.status === 507;
  if (isFault) logger.error({ err: error, target: request.url }, 'a request failed');
  if (response.headersSent || response.destroyed) {
    // What was begun cannot be taken back: the client sees that it ends too early.
    response.destroy();
    return;
  }
  count(refusal.status);
  const text = Buffer.from(JSON.stringify(refusal.error));
  const again = retryAfterOf(refusal.error);
  response.writeHead(refusal.status, { ...jsonHeaders(text.length), ...again }).end(text);
  if (!request.complete) readOver(request);
}

/** Takes what is left of a body: a connection that ended in the middle of it could lose the answer. */
function readOver(request: IncomingMessage): void {
  const { socket } = request;
  const timer = setTimeout(() => socket.destroy(), drainMs);
  const end = (): void => {
    clearTimeout(timer);
    socket.off('close', end);
    request.off('end', end);
  };
  // A request whose answer is complete does not say that its connection closes.
  socket.once('close', end);
  request.once('end', end);
  request.resume();
}

function jsonHeaders(sizeBytes: number): Record<string, string | number> {
  return {
    'content-type': 'application/json',
    'content-length': sizeBytes,
    'cache-control': 'no-store',
  };
}
