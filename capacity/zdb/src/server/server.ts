import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import {
  closeOnce,
  errorCode,
  FolderLock,
  GridError,
  isGridError,
  type Logger,
  MetricsServer,
} from '@commongrid/base';
import {
  type ListenAddress,
  type RespConnection,
  RespServer,
  type TlsOptions,
} from '@commongrid/resp';
import {
  isLoopback,
  type ResolvedOptions,
  resolveOptions,
  type ZdbServerOptions,
} from '../config.ts';
import { Store } from '../engine/store.ts';
import type { ZdbErrorCode } from '../errors.ts';
import { publishMetrics } from '../metrics.ts';
import type { StateFile } from '../replication/replication-state.ts';
import { allCommands } from './all-commands.ts';
import { DiskFailure } from './disk-failure.ts';
import { EventBus } from './event-bus.ts';
import { makeFolderFor } from './data-folder.ts';
import { openReplication, prepareFolder } from './replication-door.ts';
import { restoreNextIds } from './sequential.ts';
import { ServerContext } from './server-context.ts';
import { ScrubSchedule } from './scrub-schedule.ts';
import { Session } from './session.ts';
import { Webhook } from './webhook.ts';

/**
 * A store behind sockets.
 *
 * One turn of the event loop: sessions answer what was read, then the log writes it, then replies
 * leave: with `always` those that wrote or showed records wait until these are on disk.
 */
export class ZdbServer implements AsyncDisposable {
  readonly store: Store;
  /** TCP addresses with the ports that were given. */
  readonly addresses: readonly ListenAddress[];
  readonly metricsAddress: ListenAddress | undefined;
  /** Closes the doors, lets replies leave, writes and syncs the rest. */
  readonly close: () => Promise<void>;

  constructor(
    store: Store,
    addresses: readonly ListenAddress[],
    metricsAddress: ListenAddress | undefined,
    resources: AsyncDisposableStack,
  ) {
    this.store = store;
    this.addresses = addresses;
    this.metricsAddress = metricsAddress;
    this.close = closeOnce(() => resources.disposeAsync());
  }

  /**
   * Opens the folder and listens.
   * @throws GridError ZDB_CONFIG_INVALID, ZDB_PASSWORD_REQUIRED, BASE_FOLDER_LOCKED,
   *   RESP_LISTEN_FAILED, ZDB_WRITE_FAILED, and what Store.open throws
   */
  static async open(given: ZdbServerOptions): Promise<ZdbServer> {
    const wanted = resolveOptions(given);
    const tls = await readTls(wanted);
    await using stack = new AsyncDisposableStack();
    makeFolderFor(wanted.files, wanted.dataDir);
    const lock = stack.use(await FolderLock.open(wanted.dataDir));
    const options = lock.isReadOnly ? { ...wanted, isReadOnly: true } : wanted;
    const webhook =
      options.webhookUrl === undefined ? undefined : new Webhook(options.webhookUrl, options);
    if (webhook !== undefined) stack.use(webhook);
    const listeners = [options.onEvent, webhook?.listener].filter((one) => one !== undefined);
    const events = new EventBus(options.logger, listeners);
    const hooks: StoreHooks = {
      durable: () => {},
      written: () => {},
      failed: () => {},
      damaged: () => {},
    };
    const stateFile = prepareFolder(options);
    const store = await openWhole(options, events, hooks, stateFile);
    stack.defer(() => store.close());
    await restoreNextIds(store);
    const door = await openDoor(options, store, events, hooks, tls);
    stack.defer(() => door.resp.close());
    stack.use(door.diskFailure);
    stack.use(new ScrubSchedule(store, options.scrubEveryMs, options.clock));
    stack.use(openReplication(door.context, stateFile));
    const metrics = await openMetrics(options, door.context);
    if (metrics !== undefined) stack.use(metrics);
    warn(options, store);
    const address = metrics && { host: metrics.host, port: metrics.port };
    return new ZdbServer(store, door.resp.addresses, address, stack.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Where the store reports to, once there is somebody. */
interface StoreHooks {
  durable: (sequence: number) => void;
  written: (sequence: number) => void;
  failed: (error: GridError) => void;
  damaged: () => void;
}

/** Opens the store; a missing segment may be brought back by whoever was named for that. */
async function openWhole(
  options: ResolvedOptions,
  events: EventBus,
  hooks: StoreHooks,
  stateFile: StateFile,
): Promise<Store> {
  for (let last = ''; ;) {
    try {
      return await openStore(options, events, hooks, stateFile);
    } catch (error) {
      if (errorCode(error) === 'ENOSPC') throw noRoomToOpen(options.dataDir, error);
      if (!isGridError<ZdbErrorCode>(error, 'ZDB_SEGMENT_MISSING')) throw error;
      const path = String(error.details['path']);
      events.emit({ kind: 'segment-missing', path });
      if (path === last || !(await options.restoreSegment?.(path))) throw error;
      last = path;
    }
  }
}

/** What a crash left must be moved aside before anything is written: that takes some room. */
function noRoomToOpen(dataDir: string, cause: unknown): GridError<ZdbErrorCode> {
  return new GridError('ZDB_WRITE_FAILED', `the disk of ${dataDir} is full`, {
    hint: 'make room on it, then start again; to read meanwhile: grid zdb serve --read-only',
    details: { dataDir },
    cause,
  });
}

function openStore(
  options: ResolvedOptions,
  events: EventBus,
  hooks: StoreHooks,
  stateFile: StateFile,
): Promise<Store> {
  const { logger } = options;
  return Store.open({
    folder: options.dataDir,
    files: options.files,
    durability: options.durability,
    segmentBytes: options.segmentBytes,
    mode: options.mode === 'seq' ? 'seq' : 'user',
    scrubBytesPerSecond: options.scrubBytesPerSecond,
    ...(options.scrubHours === undefined ? {} : { scrubWindow: options.scrubHours }),
    ...(options.compactHours === undefined ? {} : { compactWindow: options.compactHours }),
    isReadOnly: options.isReadOnly,
    isReplica: stateFile.state.role === 'replica',
    nowMs: () => options.clock.nowMs(),
    monotonicMs: () => options.clock.monotonicMs(),
    onClockAhead: (aheadMs) => {
      const aheadSeconds = Math.floor(aheadMs / 1000);
      logger.warn({ aheadSeconds }, 'the clock is ahead of what is believed: history stays');
      events.emit({ kind: 'clock-ahead', aheadSeconds });
    },
    onDurable: (sequence) => hooks.durable(sequence),
    onWritten: (sequence) => hooks.written(sequence),
    onFailure: (error) => {
      logger.error({ err: error }, 'the disk refused a write: reading only');
      hooks.failed(error);
      events.emit({ kind: 'failure', code: error.code, message: error.message });
    },
    onSealed: ({ id, path, nextOffset, recordCount }) => {
      const facts = { segment: id, path, sizeBytes: nextOffset, records: recordCount };
      events.emit({ kind: 'segment-sealed', ...facts });
    },
    onError: (error, job) => logger.error({ err: error, job }, 'a job of the store failed'),
    onDamage: (segment, offset, error) => {
      hooks.damaged();
      logger.error({ err: error }, 'a record cannot be read');
      const { path } = segment;
      events.emit({ kind: 'damage', path, offset, message: error.message });
    },
  });
}

interface Door {
  readonly resp: RespServer;
  readonly context: ServerContext;
  readonly diskFailure: DiskFailure;
}

async function openDoor(
  options: ResolvedOptions,
  store: Store,
  events: EventBus,
  hooks: StoreHooks,
  tls: TlsOptions | undefined,
): Promise<Door> {
  const context = new ServerContext(store, allCommands, options, events);
  const resp = await RespServer.open({
    listen: options.listen,
    ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
    ...(tls === undefined ? {} : { tls }),
    authRequired: options.adminPassword !== undefined,
    onConnection: (connection) => {
      const session = new Session(context, connection);
      context.sessions.add(session);
      context.doorkeeper.arrived(session);
      return session;
    },
    makeRoom: () => context.doorkeeper.makeRoom(),
    onTurn: () => store.log.turn(),
    onError: (error, connection) => report(context, error, connection),
  });
  context.network = resp;
  hooks.durable = (sequence) => {
    context.confirmation.durable(sequence);
    context.watchers.durable(sequence);
  };
  hooks.written = (sequence) => context.confirmation.written(sequence);
  hooks.damaged = () => {
    context.stats.readFailures++;
    context.stats.lastFailureMs = context.clock.nowMs();
  };
  const diskFailure = new DiskFailure(context, resp);
  hooks.failed = (error) => diskFailure.begin(error);
  return { resp, context, diskFailure };
}

/** What a command threw. Damage was reported where it was found; peers that leave are no news. */
function report(context: ServerContext, error: unknown, connection: RespConnection): void {
  const code = error instanceof GridError ? error.code : undefined;
  if (
    code === 'ZDB_READ_FAILED' ||
    code === 'ZDB_WRITE_FAILED' ||
    code === 'RESP_CONNECTION_LOST'
  ) {
    return;
  }
  context.logger.error({ err: error, client: connection.remote }, 'a command failed');
}

async function readTls({ tls }: ResolvedOptions): Promise<TlsOptions | undefined> {
  if (tls === undefined) return undefined;
  try {
    const [cert, key] = await Promise.all([readFile(tls.certFile), readFile(tls.keyFile)]);
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (cause) {
    throw new GridError<ZdbErrorCode>('ZDB_CONFIG_INVALID', 'the TLS files cannot be used', {
      hint: 'name a certificate and the key that belongs to it, both PEM',
      details: { ...tls },
      cause,
    });
  }
}

async function openMetrics(
  options: ResolvedOptions,
  context: ServerContext,
): Promise<MetricsServer | undefined> {
  if (options.metrics === undefined) return undefined;
  const { logger } = options;
  return MetricsServer.open({ registry: publishMetrics(context), ...options.metrics, logger });
}

function warn({ logger, adminPassword, listen }: ResolvedOptions, store: Store): void {
  if (adminPassword === undefined && listen.some(({ host }) => isLoopback(host))) {
    warnOfOpenDoor(logger);
  }
  for (const event of store.recovery) logger.warn({ ...event }, event.text);
  if (store.readOnlyReason !== undefined) {
    logger.warn({ reason: store.readOnlyReason }, 'the store answers reads alone');
  }
}

function warnOfOpenDoor(logger: Logger): void {
  logger.warn('no password is set: every process on this machine may read and write');
}
