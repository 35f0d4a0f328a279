import {
  closeOnce,
  createRegistry,
  GridError,
  MetricsServer,
  silentLogger,
} from '@commongrid/base';
import type { ListenAddress, TlsOptions } from '@commongrid/resp';
import { Bcdb } from './bcdb.ts';
import { BcdbReplica } from './bcdb-replica.ts';
import type { BcdbReplicaOptions } from './bcdb-replica.ts';
import type { BcdbOptions } from './config.ts';
import type { Database } from './database.ts';
import { HttpDoor } from './doors/http/http-door.ts';
import { RespDoor } from './doors/resp/resp-door.ts';
import type { BcdbErrorCode } from './errors.ts';
import { registerReplicaMetrics } from './follow/replica-metrics.ts';

/** Where a database is served, and to whom. */
export interface DoorOptions {
  /** HTTP; port 0 takes a free one. */
  readonly http: ListenAddress;
  /** The Redis protocol; without it there is none. */
  readonly redis?: ListenAddress;
  /** With it the Redis protocol speaks TLS. */
  readonly redisTls?: TlsOptions;
  /** Where Prometheus finds metrics; without it nowhere. */
  readonly metrics?: ListenAddress;
  /** 32 random bytes, base64url: for whoever shows it the server signs as the owner. */
  readonly ownerToken?: string;
  /** Origins whose pages may use the HTTP door from a browser. Default none. */
  readonly origins?: readonly string[];
}

export interface BcdbServerOptions extends BcdbOptions, DoorOptions {
  /** Runs once the database is open, ahead of all that comes through a door. */
  readonly beforeDoors?: (bcdb: Bcdb) => Promise<void>;
}

/** Options of a copy with doors; its token reads as an admin does, and signs nothing. */
export type ReplicaServerOptions = BcdbReplicaOptions & DoorOptions;

interface ServerParts<D extends Database> {
  readonly bcdb: D;
  readonly http: HttpDoor;
  readonly redis: RespDoor | undefined;
  readonly metrics: MetricsServer | undefined;
  readonly close: () => Promise<void>;
}

/** A database with its doors. Doors close before it does: what they took in is answered. */
export class BcdbServer<D extends Database = Bcdb> implements AsyncDisposable {
  readonly bcdb: D;
  readonly httpAddress: ListenAddress;
  readonly redisAddress: ListenAddress | undefined;
  readonly metricsAddress: ListenAddress | undefined;
  readonly close: () => Promise<void>;

  private constructor({ bcdb, http, redis, metrics, close }: ServerParts<D>) {
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
    await using opened = new AsyncDisposableStack();
    const bcdb = opened.use(await Bcdb.open(options));
    await options.beforeDoors?.(bcdb);
    return new BcdbServer({ bcdb, ...(await openDoors(bcdb, options, opened)) });
  }

  /** A copy of a log, which it goes on following, with its doors. @throws as `open` */
  static async openReplica(options: ReplicaServerOptions): Promise<BcdbServer<BcdbReplica>> {
    requireSafeToken(options);
    await using opened = new AsyncDisposableStack();
    const bcdb = opened.use(await BcdbReplica.open(options));
    return new BcdbServer({ bcdb, ...(await openDoors(bcdb, options, opened)) });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Opens doors above what is open already. */
async function openDoors(
  bcdb: Database,
  options: DoorOptions & Pick<BcdbOptions, 'logger'>,
  opened: AsyncDisposableStack,
): Promise<Omit<ServerParts<Database>, 'bcdb'>> {
  const { redis: redisListen, redisTls, ownerToken, logger = silentLogger } = options;
  const registry = options.metrics && createRegistry({ withProcessMetrics: true });
  if (registry !== undefined && bcdb.copy !== undefined) registerReplicaMetrics(registry, bcdb);
  const shared = { bcdb, logger, ...(ownerToken === undefined ? {} : { ownerToken }) };
  const http = opened.use(
    await HttpDoor.open({
      ...shared,
      listen: options.http,
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
  return { http, redis, metrics, close: () => parts.disposeAsync() };
}

/** The token gives the whole database to whoever sees it pass by. */
function requireSafeToken({ http, redis, redisTls, ownerToken }: DoorOptions): void {
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
