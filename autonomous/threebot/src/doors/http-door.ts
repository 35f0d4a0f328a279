import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { closeOnce, GridError, isGridError, networkOf, silentLogger } from '@commongrid/base';
import type { BaseErrorCode, Logger } from '@commongrid/base';
import fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { WebSocketServer } from 'ws';
import type { Caller, Permission } from '../actors/caller.ts';
import { formerlyProvenCaller, provenCaller } from '../actors/caller.ts';
import type { Dispatcher } from '../actors/dispatcher.ts';
import { methodPath, openApiDocument } from '../actors/openapi.ts';
import type { BotLimits } from '../config.ts';
import type { BotErrorCode } from '../errors.ts';
import { keyOfCertificate, tlsVersion } from '../keys/certificate.ts';
import type { Credentials } from '../keys/certificate.ts';
import type { Links } from '../links/links.ts';
import type { Gatekeeper } from '../phonebook/gatekeeper.ts';
import { httpStatusOf } from './http-status.ts';
import type { Tokens } from './tokens.ts';

/** Where links are made. */
export const linkPath = '/link';

/** Open connections; more are refused. */
const connectionsMax = 4_096;

/** How slow a client may be, ms. */
const headersMs = 10_000;
const requestMs = 30_000;
const idleMs = 60_000;

export interface HttpDoorOptions {
  /** Id of this bot. */
  readonly self: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly credentials: Credentials;
  readonly dispatcher: Dispatcher;
  readonly links: Links;
  readonly gatekeeper: Gatekeeper;
  readonly standingOf: (bot: string) => Permission;
  readonly tokens: Tokens;
  readonly limits: BotLimits;
  readonly logger?: Logger;
}

/** HTTPS for calls of methods, and WebSocket for links, at one port. */
export class HttpDoor implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly close: () => Promise<void>;

  private constructor({ address, port }: AddressInfo, close: () => Promise<void>) {
    this.host = address;
    this.port = port;
    this.close = closeOnce(close);
  }

  /** @throws BASE_LISTEN_FAILED */
  static async open(options: HttpDoorOptions): Promise<HttpDoor> {
    const { listen, limits, credentials } = options;
    const app = fastify({
      logger: false,
      bodyLimit: limits.frameBytesMax,
      requestTimeout: requestMs,
      connectionTimeout: idleMs,
      keepAliveTimeout: idleMs,
      forceCloseConnections: true,
      https: {
        ...credentials,
        ...tlsVersion,
        // Anybody may knock; who it is, the phonebook says, and not an authority.
        requestCert: true,
        rejectUnauthorized: false,
        handshakeTimeout: limits.greetingMs,
        maxHeaderSize: 16 << 10,
        headersTimeout: headersMs,
      },
    });
    app.server.maxConnections = connectionsMax;
    serveMethods(app, options);
    const upgrades = takeLinks(app.server, options);
    try {
      await app.listen(listen);
    } catch (cause) {
      await app.close();
      throw listenFailed(listen, cause);
    }
    const address = app.server.address();
    if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
    return new HttpDoor(address, async () => {
      upgrades.close();
      // The server ends when its last connection has, and links are such.
      await Promise.all([options.links.close(), app.close()]);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

type Server = { on(event: 'upgrade', listener: UpgradeListener): unknown };
type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

function serveMethods(server: FastifyInstance, options: HttpDoorOptions): void {
  const { dispatcher, self } = options;
  const document = openApiDocument(dispatcher.catalog, self);
  server.setErrorHandler((error, _request, reply) => sendError(options, reply, error));
  server.setNotFoundHandler((_request, reply) =>
    sendError(
      options,
      reply,
      new GridError('BOT_METHOD_UNKNOWN', 'there is nothing here', {
        hint: '/openapi.json lists what is',
      }),
    ),
  );
  server.get('/healthz', () => ({ status: 'ok', bot: self }));
  server.get('/openapi.json', () => document);
  for (const { name } of dispatcher.catalog.methods.values()) {
    server.post(methodPath(name), async (request, reply) => {
      const signal = signalOf(reply);
      const caller = await callerOf(options, request, signal);
      const output = await dispatcher.call(name, request.body ?? {}, caller, signal);
      return reply
        .header('cache-control', 'no-store')
        .type('application/json; charset=utf-8')
        .send(JSON.stringify(output ?? null));
    });
  }
}

/** The token of the owner or of an app, a certificate of a key of the phonebook, or nobody in particular. */
async function callerOf(
  { tokens, gatekeeper, standingOf }: HttpDoorOptions,
  request: FastifyRequest,
  signal: AbortSignal,
): Promise<Caller> {
  const socket = request.raw.socket as TLSSocket;
  const address = networkOf(socket.remoteAddress ?? '');
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    return tokens.caller(authorization.replace(/^Bearer /, ''), address, 'http', signal);
  }
  const key = keyOfCertificate(socket.getPeerX509Certificate());
  if (key === undefined) {
    return { bot: undefined, standing: 'public', way: 'http', account: address };
  }
  const { entry, isOld } = await gatekeeper.holder(key, address);
  if (isOld) return formerlyProvenCaller(entry.id, 'http');
  return provenCaller(entry.id, standingOf(entry.id), 'http');
}

function takeLinks(server: Server, { links, limits, logger }: HttpDoorOptions): WebSocketServer {
  const upgrades = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: limits.frameBytesMax,
    perMessageDeflate: false,
  });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (request.url !== linkPath) {
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      return;
    }
    upgrades.handleUpgrade(request, socket, head, (accepted) => {
      links.accept(accepted, socket as TLSSocket).catch((error: unknown) => {
        (logger ?? silentLogger).error({ err: error }, 'a link was not taken');
        accepted.terminate();
      });
    });
  });
  return upgrades;
}

function sendError({ logger }: HttpDoorOptions, reply: FastifyReply, error: unknown): FastifyReply {
  const known = gridErrorOf(error);
  if (known.code === 'BOT_INTERNAL') {
    (logger ?? silentLogger).error({ err: error }, 'a request failed');
  }
  return reply
    .code(httpStatusOf(known.code))
    .header('cache-control', 'no-store')
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(known));
}

function gridErrorOf(error: unknown): GridError {
  if (isGridError(error)) return error;
  const {
    code = '',
    statusCode = 500,
    message,
  } = error as Error & {
    readonly code?: string;
    readonly statusCode?: number;
  };
  const make = (ours: BotErrorCode, text: string, hint: string): GridError =>
    new GridError<BotErrorCode>(ours, text, { hint, cause: error });
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return make('BOT_TOO_LARGE', 'the body is above its limit', 'send less at a time');
  }
  if (statusCode < 500) return make('BOT_INPUT_INVALID', message, 'send JSON');
  return make('BOT_INTERNAL', 'the request failed', 'the log of that bot says more');
}

function signalOf(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

function listenFailed(
  { host, port }: HttpDoorOptions['listen'],
  cause: unknown,
): GridError<BaseErrorCode> {
  return new GridError('BASE_LISTEN_FAILED', `cannot listen on ${host}:${port}`, {
    hint: 'choose an address that is free and belongs to this machine',
    details: { host, port },
    cause,
  });
}
