import { type Clock, GridError, type Logger, silentLogger, systemClock } from '@commongrid/base';
import type { ClientTlsOptions, ListenAddress } from '@commongrid/resp';
import { type Files, realFiles } from '@commongrid/files';
import { SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from './engine/log/format.ts';
import type { HourWindow } from './engine/upkeep/hour-window.ts';
import type { Durability } from './engine/log/log.ts';
import type { ZdbErrorCode } from './errors.ts';
import type { ZdbEvent } from './events.ts';
import type { ReplicationSource } from './replication/follower.ts';

/** `user`: keys by the client. `seq`: ids by the server. `mixed`: each namespace as it was set. */
export type ServerMode = 'user' | 'seq' | 'mixed';

export interface ZdbServerOptions {
  /** Folder of the store; made when it is not there. One server at a time. */
  readonly dataDir: string;
  /** TCP addresses; port 0 takes a free one. */
  readonly listen?: readonly ListenAddress[];
  /** A Unix socket, beside or instead of them. */
  readonly socketPath?: string;
  /** Closes the default namespace and makes administration ask for it. At most 128 bytes. */
  readonly adminPassword?: string;
  /** With a password, everybody may still read the default namespace. Default false. */
  readonly protect?: boolean;
  /** With a password, a connection that shows none for so long is closed. Default 10 s. */
  readonly authTimeoutMs?: number;
  /** Connections that have shown no password yet, at a time. Default 512. */
  readonly maxUnauthenticated?: number;
  /** PEM files; the TCP addresses then speak TLS alone. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Where Prometheus metrics are served; loopback. */
  readonly metrics?: ListenAddress;
  /** What a reply to a write promises. Default `always`: it is on disk. */
  readonly durability?: Durability;
  /** Largest segment file, 1 MiB to 256 MiB (default). */
  readonly segmentBytes?: number;
  /** Default `mixed`. */
  readonly mode?: ServerMode;
  /** All segments are checked so often, ms. Default 14 days; 0: only when SCRUB START asks. */
  readonly scrubEveryMs?: number;
  /** Bytes that a scrub reads in a second. Default 32 MiB. */
  readonly scrubBytesPerSecond?: number;
  /** Hours of the day (UTC) for scrubs, and for compaction that is not urgent. Default: all. */
  readonly scrubHours?: HourWindow;
  readonly compactHours?: HourWindow;
  /** Refuses writes. Default false. */
  readonly isReadOnly?: boolean;
  /** The server whose log is followed: this one is a replica then, until it is promoted. */
  readonly replicaOf?: ListenAddress;
  /** The admin password there. Default: the one here. */
  readonly replicaPassword?: string;
  /** How its certificate is checked, when it speaks TLS. */
  readonly replicaTls?: ClientTlsOptions;
  /** Replicas that must have a write on disk before it is answered. Default 0. */
  readonly minReplicas?: number;
  /** How long a write waits for them. Default 5 s. */
  readonly minReplicasTimeoutMs?: number;
  /** Deletions are kept so long for a replica that is away. Default 7 days. */
  readonly replicaRetentionMs?: number;
  /** Receives events as they happen. */
  readonly onEvent?: (event: ZdbEvent) => void;
  /** Brings back a segment file that is missing at the start; false when it cannot. */
  readonly restoreSegment?: (path: string) => Promise<boolean>;
  /** Receives events as JSON, by POST. http or https. */
  readonly webhookUrl?: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** The file system; tests give one that fails. */
  readonly files?: Files;
}

/** Options with their defaults, checked. */
export interface ResolvedOptions {
  readonly dataDir: string;
  readonly listen: readonly ListenAddress[];
  readonly socketPath: string | undefined;
  readonly adminPassword: string | undefined;
  readonly isProtected: boolean;
  readonly authTimeoutMs: number;
  readonly maxUnauthenticated: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly metrics: ListenAddress | undefined;
  readonly durability: Durability;
  readonly segmentBytes: number;
  readonly mode: ServerMode;
  readonly scrubEveryMs: number;
  readonly scrubBytesPerSecond: number;
  readonly scrubHours: HourWindow | undefined;
  readonly compactHours: HourWindow | undefined;
  readonly isReadOnly: boolean;
  readonly replicaOf: ReplicationSource | undefined;
  readonly replicaTls: ClientTlsOptions | undefined;
  readonly minReplicas: number;
  readonly minReplicasTimeoutMs: number;
  readonly replicaRetentionMs: number;
  readonly onEvent: ((event: ZdbEvent) => void) | undefined;
  readonly restoreSegment: ((path: string) => Promise<boolean>) | undefined;
  readonly webhookUrl: URL | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly files: Files;
}

/** Longest admin password, as in 0-db. */
export const PASSWORD_BYTES_MAX = 128;

/** @throws GridError ZDB_CONFIG_INVALID, ZDB_PASSWORD_REQUIRED */
export function resolveOptions(options: ZdbServerOptions): ResolvedOptions {
  const { dataDir, listen = [], socketPath, adminPassword, metrics } = options;
  const { segmentBytes = SEGMENT_BYTES_MAX, protect = false } = options;
  if (dataDir === '') throw invalid('dataDir is empty');
  if (listen.length === 0 && socketPath === undefined) {
    throw invalid('listen and socketPath are both missing');
  }
  for (const address of metrics === undefined ? listen : [...listen, metrics]) checkPort(address);
  checkPassword(adminPassword, listen);
  if (protect && adminPassword === undefined) throw invalid('protect needs adminPassword');
  if (!(segmentBytes >= SEGMENT_BYTES_MIN && segmentBytes <= SEGMENT_BYTES_MAX)) {
    throw invalid(`segmentBytes must lie between ${SEGMENT_BYTES_MIN} and ${SEGMENT_BYTES_MAX}`);
  }
  return {
    dataDir,
    listen,
    socketPath,
    adminPassword,
    isProtected: protect,
    ...resolveDoor(options),
    tls: options.tls,
    metrics,
    durability: options.durability ?? 'always',
    segmentBytes: Math.floor(segmentBytes),
    mode: options.mode ?? 'mixed',
    ...resolveQuietWork(options),
    isReadOnly: options.isReadOnly ?? false,
    ...resolveReplication(options),
    onEvent: options.onEvent,
    restoreSegment: options.restoreSegment,
    webhookUrl: parseWebhook(options.webhookUrl),
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? systemClock,
    files: options.files ?? realFiles,
  };
}

function resolveDoor(
  options: ZdbServerOptions,
): Pick<ResolvedOptions, 'authTimeoutMs' | 'maxUnauthenticated'> {
  const { authTimeoutMs = 10_000, maxUnauthenticated = 512 } = options;
  if (!(authTimeoutMs >= 1)) throw invalid('authTimeoutMs is below 1');
  if (!(maxUnauthenticated >= 1)) throw invalid('maxUnauthenticated is below 1');
  return { authTimeoutMs, maxUnauthenticated };
}

const WEEK_MS = 7 * 24 * 3600 * 1000;

function resolveReplication(
  options: ZdbServerOptions,
): Pick<
  ResolvedOptions,
  'replicaOf' | 'replicaTls' | 'minReplicas' | 'minReplicasTimeoutMs' | 'replicaRetentionMs'
> {
  const { replicaOf, adminPassword, replicaPassword = adminPassword, minReplicas = 0 } = options;
  if (replicaOf !== undefined) {
    checkPort(replicaOf);
    if (replicaOf.port === 0) throw invalid('replicaOf needs a port');
    if (options.isReadOnly === true) throw invalid('isReadOnly and replicaOf exclude each other');
  }
  if (!Number.isInteger(minReplicas) || minReplicas < 0 || minReplicas > MIN_REPLICAS_MAX) {
    throw invalid(`minReplicas must lie between 0 and ${MIN_REPLICAS_MAX}`);
  }
  return {
    replicaOf: replicaOf && { ...replicaOf, password: replicaPassword, tls: options.replicaTls },
    replicaTls: options.replicaTls,
    minReplicas,
    minReplicasTimeoutMs: options.minReplicasTimeoutMs ?? 5_000,
    replicaRetentionMs: options.replicaRetentionMs ?? WEEK_MS,
  };
}

/** Replicas that a write can be made to wait for. */
const MIN_REPLICAS_MAX = 16;

/** Whether only this machine can reach a host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function checkPassword(password: string | undefined, listen: readonly ListenAddress[]): void {
  if (password !== undefined) {
    const length = Buffer.byteLength(password);
    if (length > 0 && length <= PASSWORD_BYTES_MAX) return;
    throw invalid(`adminPassword must have 1 to ${PASSWORD_BYTES_MAX} bytes, not ${length}`);
  }
  const open = listen.find(({ host }) => !isLoopback(host));
  if (open === undefined) return;
  throw new GridError<ZdbErrorCode>(
    'ZDB_PASSWORD_REQUIRED',
    `${open.host} can be reached by others, and no password is set`,
    { hint: 'set an admin password, or listen on 127.0.0.1', details: { host: open.host } },
  );
}

function checkPort({ host, port }: ListenAddress): void {
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return;
  throw invalid(`${host} has port ${port}, which is none`);
}

function parseWebhook(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw invalid(`webhookUrl ${JSON.stringify(text)} is no http address`);
}

function invalid(message: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_CONFIG_INVALID', message, { hint: 'correct that option' });
}

const DAY_MS = 86_400_000;

function resolveQuietWork(
  options: ZdbServerOptions,
): Pick<ResolvedOptions, 'scrubEveryMs' | 'scrubBytesPerSecond' | 'scrubHours' | 'compactHours'> {
  const { scrubEveryMs = 14 * DAY_MS, scrubBytesPerSecond = 32 * 1024 * 1024 } = options;
  if (!(scrubEveryMs >= 0)) throw invalid('scrubEveryMs is below 0');
  if (!(scrubBytesPerSecond >= 1)) throw invalid('scrubBytesPerSecond is below 1');
  const { scrubHours, compactHours } = options;
  for (const window of [scrubHours, compactHours]) {
    if (window !== undefined && !window.every((hour) => hour >= 0 && hour <= 24)) {
      throw invalid('hours lie between 0 and 24');
    }
  }
  return { scrubEveryMs, scrubBytesPerSecond, scrubHours, compactHours };
}
