import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { equalBytes } from './bytes.ts';
import { GridError } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';
import { closeOnce } from './lifecycle.ts';
import { silentLogger } from './logger.ts';
import type { Logger } from './logger.ts';
import type { MetricsRegistry } from './metrics.ts';

export interface MetricsServerOptions {
  readonly registry: MetricsRegistry;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free port, see `port`. */
  readonly port?: number;
  /** Asked for as `Authorization: Bearer TOKEN`. Only loopback may do without. */
  readonly token?: string;
  readonly logger?: Logger;
}

/** Open connections; more are refused. */
const maxConnections = 64;
const headersTimeoutMs = 5_000;
const requestTimeoutMs = 10_000;

/** Serves `GET /metrics` for Prometheus, and nothing else. */
export class MetricsServer implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Ends open connections; resolves when the port is free. */
  readonly close: () => Promise<void>;

  constructor(server: Server, address: AddressInfo) {
    this.host = address.address;
    this.port = address.port;
    this.close = closeOnce(async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    });
  }

  /** @throws BASE_METRICS_UNPROTECTED, BASE_LISTEN_FAILED */
  static async open(options: MetricsServerOptions): Promise<MetricsServer> {
    const { host = '127.0.0.1', port = 0, token } = options;
    if (token === undefined && !isLoopback(host)) throw unprotected(host);
    // Loaded here: node:http takes tens of ms, which importers that serve nothing save.
    const { createServer } = await import('node:http');
    const server = createServer(
      { headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs },
      (request, response) => void answer(request, response, options),
    );
    server.maxConnections = maxConnections;
    try {
      server.listen(port, host);
      await once(server, 'listening');
    } catch (error) {
      throw new GridError<BaseErrorCode>('BASE_LISTEN_FAILED', `cannot listen on ${host}:${port}`, {
        hint: 'choose another port',
        details: { host, port },
        cause: error,
      });
    }
    const address = server.address();
    if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
    return new MetricsServer(server, address);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: MetricsServerOptions,
): Promise<void> {
  const { registry, token, logger = silentLogger } = options;
  if (token !== undefined && !isAllowed(request, token)) {
    response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
  } else if (request.url?.split('?')[0] !== '/metrics') {
    response.writeHead(404).end();
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
  } else {
    try {
      const body = await registry.render();
      response.writeHead(200, { 'content-type': registry.contentType }).end(body);
    } catch (error) {
      logger.error({ err: error }, 'cannot collect the metrics');
      response.writeHead(500).end();
    }
  }
}

function isAllowed(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '');
  return equalBytes(given, Buffer.from(`Bearer ${token}`));
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function unprotected(host: string): GridError<BaseErrorCode> {
  return new GridError('BASE_METRICS_UNPROTECTED', `metrics on ${host} need a token`, {
    hint: 'give a token, or listen on 127.0.0.1',
    details: { host },
  });
}
