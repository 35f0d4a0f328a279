import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { closeOnce, GridError, silentLogger, systemClock } from '@commongrid/base';
import type { BaseErrorCode, Clock, Logger, MetricsRegistry } from '@commongrid/base';
import type { Database } from '../../database.ts';
import { Gate } from '../access/gate.ts';
import { ReadRights } from '../access/read-rights.ts';
import { Proposals } from '../proposals.ts';
import { allowOrigins } from './cross-origin.ts';
import type { DoorContext } from './door-context.ts';
import { DoorMetrics } from './door-metrics.ts';
import { feedRoutes } from './feed-routes.ts';
import { logRoutes } from './log-routes.ts';
import { namespaceRoutes } from './namespace-routes.ts';
import { objectRoutes } from './object-routes.ts';
import { openApiDocument } from './openapi.ts';
import { presenceRoutes } from './presence-routes.ts';
import { proposalRoutes } from './proposal-routes.ts';
import { queryRoutes } from './query-routes.ts';
import { recordRoutes } from './record-routes.ts';
import { replicaRoute } from './replica-route.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { serveRoutes } from './serve-routes.ts';
import { sessionRoutes } from './session-routes.ts';
import { hash, sequence } from './shapes.ts';
import { watchRoute } from './watch-route.ts';

/** Largest body of a request, bytes. */
const requestBytesMax = 8 << 20;

/** All headers of a request together, bytes. */
const headerBytesMax = 16 << 10;

/** Open connections; more are refused. */
const connectionsMax = 4096;

/** Longest part of a path, characters: an object's id with every character escaped. */
const pathPartMax = 1024;

/** How long answers under way may take when the door closes. */
const closeGraceMs = 5_000;

/** How slow a client may be. */
export interface HttpTimeouts {
  /** From the first byte of a request to the end of its headers. Default 10 s. */
  readonly headersMs?: number;
  /** From the first byte of a request to its last. Default 60 s. */
  readonly requestMs?: number;
  /** How long a connection may do nothing, a watch too. Default 60 s. */
  readonly idleMs?: number;
}

export interface HttpDoorOptions {
  readonly bcdb: Database;
  readonly listen: {
    /** Default 127.0.0.1. */
    readonly host?: string;
    /** 0: a free one, see `port`. */
    readonly port: number;
  };
  /** 32 random bytes, base64url: whoever shows it writes as the owner. Without it nobody can. */
  readonly ownerToken?: string;
  /** Origins whose pages may use the door from a browser: `https://app.example.org`. Default none. */
  readonly origins?: readonly string[];
  readonly timeouts?: HttpTimeouts;
  /** Where the figures of the door are shown. */
  readonly registry?: MetricsRegistry;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** BCDB over HTTP: docs/formats/bcdb-http.md. */
export class HttpDoor implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Ends watches and open connections, after the answers that are under way. */
  readonly close: () => Promise<void>;

  private constructor(app: FastifyInstance, address: AddressInfo, closing: AbortController) {
    this.host = address.address;
    this.port = address.port;
    this.close = closeOnce(() => closeServer(app, closing));
  }

  /** @throws BCDB_TOKEN_WEAK, BCDB_REQUEST_INVALID for a wrong origin, BASE_LISTEN_FAILED */
  static async open(options: HttpDoorOptions): Promise<HttpDoor> {
    const { bcdb, listen, logger = silentLogger, clock = systemClock, ownerToken } = options;
    const { host = '127.0.0.1', port } = listen;
    const gate = new Gate({ log: bcdb.log, ownerKey: bcdb.owner, ownerToken, clock });
    const metrics = new DoorMetrics(clock);
    const rights = new ReadRights(bcdb);
    const proposals = new Proposals(bcdb);
    const closing = new AbortController();
    const context: DoorContext = {
      bcdb,
      gate,
      rights,
      proposals,
      metrics,
      clock,
      logger,
      closing: closing.signal,
    };
    const app = makeServer(options.timeouts ?? {});
    allowOrigins(app, options.origins ?? []);
    serveRoutes(app, allRoutes(context), context);
    try {
      await app.listen({ host, port });
    } catch (error) {
      await app.close();
      throw listenFailed(host, port, error);
    }
    const { server } = app;
    if (options.registry !== undefined) {
      const connections = promisify(server.getConnections.bind(server));
      metrics.register(options.registry, bcdb, connections);
    }
    const address = server.address();
    if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
    return new HttpDoor(app, address, closing);
  }

  get url(): string {
    const host = this.host.includes(':') ? `[${this.host}]` : this.host;
    return `http://${host}:${this.port}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function makeServer(timeouts: HttpTimeouts): FastifyInstance {
  const { headersMs = 10_000, requestMs = 60_000, idleMs = 60_000 } = timeouts;
  const app = fastify({
    logger: false,
    bodyLimit: requestBytesMax,
    requestTimeout: requestMs,
    connectionTimeout: idleMs,
    keepAliveTimeout: idleMs,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: pathPartMax },
    http: {
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersMs,
      connectionsCheckingInterval: Math.max(20, Math.min(1000, headersMs / 4)),
    },
  });
  app.server.maxConnections = connectionsMax;
  return app;
}

/** Watches end at once; answers under way have a moment. */
async function closeServer(app: FastifyInstance, closing: AbortController): Promise<void> {
  closing.abort();
  const timer = setTimeout(() => app.server.closeAllConnections(), closeGraceMs);
  await app.close();
  clearTimeout(timer);
}

function allRoutes(context: DoorContext): readonly Route[] {
  const routes = [
    healthRoute(context),
    ...logRoutes(context),
    ...sessionRoutes(context),
    ...recordRoutes(context),
    ...namespaceRoutes(context),
    ...objectRoutes(context),
    ...queryRoutes(context),
    ...proposalRoutes(context),
    watchRoute(context),
    ...feedRoutes(context),
    ...presenceRoutes(context),
    ...(context.bcdb.copy === undefined ? [] : [replicaRoute(context, context.bcdb.copy)]),
  ];
  const document = openApiDocument(routes, context.bcdb.log);
  return [...routes, documentRoute(document)];
}

function healthRoute({ bcdb }: DoorContext): Route {
  return route({
    method: 'GET',
    path: '/healthz',
    summary: 'Whether the server answers',
    reply: Type.Object({ status: Type.Literal('ok'), log: hash, size: sequence }),
    handle: () => ({ status: 'ok' as const, log: bcdb.log, size: bcdb.head.size }),
  });
}

function documentRoute(document: object): Route {
  return route({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This API as an OpenAPI 3.1 document',
    reply: Type.Unsafe<object>({ type: 'object', additionalProperties: true }),
    handle: () => document,
  });
}

function listenFailed(host: string, port: number, cause: unknown): GridError<BaseErrorCode> {
  return new GridError('BASE_LISTEN_FAILED', `cannot listen on ${host}:${port}`, {
    hint: 'choose another port',
    details: { host, port },
    cause,
  });
}
