import {
  closeOnce,
  createRegistry,
  GridError,
  MetricsServer,
  silentLogger,
} from '@commongrid/base';
import type { ListenAddress, TlsOptions } from '@commongrid/resp';
import { Bcdb } from './bcdb.ts';
import type { BcdbOptions } from './config.ts';
import { HttpDoor } from './doors/http/http-door.ts';
import { RespDoor } from './doors/resp/resp-door.ts';
import type { BcdbErrorCode } from './errors.ts';

export interface BcdbServerOptions extends BcdbOptions {
  /** HTTP; port 0 takes a free one. */
  readonly http: ListenAddress;
  /** Origins whose pages may use the HTTP door from a browser. Default none. */
  readonly origins?: readonly string[];
  /** The Redis protocol; without it there is none. */
  readonly redis?: ListenAddress;
  /** With it the Redis protocol speaks TLS. */
  readonly redisTls?: TlsOptions;
  /** Where Prometheus finds metrics; without it nowhere. */
  readonly metrics?: ListenAddress;
  /** 32 random bytes, base64url: for whoever shows it the server signs as the owner. */
  readonly ownerToken?: string;
  /** Runs once the database is open, ahead of all that comes through a door. */
  readonly beforeDoors?: (bcdb: Bcdb) => Promise<void>;
}

interface ServerParts {
  readonly bcdb: Bcdb;
  readonly http: HttpDoor;
  readonly redis: RespDoor | undefined;
  readonly metrics: MetricsServer | undefined;
  readonly close: () => Promise<void>;
}

/** A database with its doors. Doors close before it does: what they took in is answered. */
export class BcdbServer implements AsyncDisposable {
  readonly bcdb: Bcdb;
  readonly httpAddress: ListenAddress;
  readonly redisAddress: ListenAddress | undefined;
  readonly metricsAddress: ListenAddress | undefined;
  readonly close: () => Promise<void>;

  private constructor({ bcdb, http, redis, metrics, close }: ServerParts) {
    this.bcdb = bcdb;
    this.httpAddress = { host: http.host, port: http.port };
    this.redisAddress = redis?.addresses[0];
    this.metricsAddress = metrics && { host: metrics.host, port: metrics.port };
    this.close = closeOnce(close);
  }

  /**
   * @throws BCDB_TOKEN_EXPOSED, BCDB_TOKEN_WEAK, BASE_LISTEN_FAILED, RESP_LISTEN_FAILED, and what
   *   opening the folder throws
   */
  static async open(options: BcdbServerOptions): Promise<BcdbServer> {
    requireSafeToken(options);
    const { http: httpListen, redis: redisListen, redisTls, ownerToken } = options;
    const { logger = silentLogger } = options;
    await using opened = new AsyncDisposableStack();
    const bcdb = opened.use(await Bcdb.open(options));
    await options.beforeDoors?.(bcdb);
    const registry = options.metrics && createRegistry({ withProcessMetrics: true });
    const shared = { bcdb, logger, ...(ownerToken === undefined ? {} : { ownerToken }) };
    const http = opened.use(
      await HttpDoor.open({
        ...shared,
        listen: httpListen,
        origins: options.origins ?? [],
        ...(registry === undefined ? {} : { registry }),
      }),
    );
    const redis =
      redisListen &&
      opened.use(
        await RespDoor.open({
          ...shared,
          listen: [redisListen],
          ...(redisTls === undefined ? {} : { tls: redisTls }),
        }),
      );
    const metrics =
      registry && opened.use(await MetricsServer.open({ registry, logger, ...options.metrics }));
    const parts = opened.move();
    return new BcdbServer({ bcdb, http, redis, metrics, close: () => parts.disposeAsync() });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The token gives the whole database to whoever sees it pass by. */
function requireSafeToken({ http, redis, redisTls, ownerToken }: BcdbServerOptions): void {
  if (ownerToken === undefined) return;
  const plain = [http, ...(redis === undefined || redisTls !== undefined ? [] : [redis])];
  const open = plain.find(({ host }) => !isLoopback(host));
  if (open === undefined) return;
  throw new GridError<BcdbErrorCode>(
    'BCDB_TOKEN_EXPOSED',
    `the token of the owner would travel unencrypted to ${open.host}`,
    {
      hint: 'listen on 127.0.0.1 behind a proxy that speaks TLS, or serve without the token',
      details: { host: open.host },
    },
  );
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
