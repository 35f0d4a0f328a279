import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import {
  closeOnce,
  GridError,
  repeat,
  silentLogger,
  systemClock,
  TaskGroup,
} from '@commongrid/base';
import type { Clock, Logger, MetricsRegistry } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { KeyDirectory } from '../ports.ts';
import { BodyMemory, bodyMsMin } from './body-memory.ts';
import { Hub } from './hub.ts';
import type { HubCollectResult } from './hub.ts';
import type { RepackResult } from '../store/repack-chunks.ts';
import { exchange } from './hub-exchange.ts';
import { HubMetrics } from './hub-metrics.ts';
import { ClaimDesk } from './request-claim.ts';

export interface HubServerOptions {
  /** For the hub alone; made where it is not there. One process at a time. */
  readonly folder: string;
  /** Default: 127.0.0.1, any port. */
  readonly listen?: { readonly host?: string; readonly port?: number };
  /**
   * The origin under which clients ask, `https://hub.example`: they sign it, so that no request to
   * one hub is good for another. Default: `http://HOST:PORT`.
   */
  readonly audience?: string;
  readonly keys: KeyDirectory;
  /** User who may change what all users have, and says their quotas. Default: nobody. */
  readonly owner?: string;
  /** Or by key: its user, whatever name the directory has for that. */
  readonly ownerKey?: string;
  readonly limits?: HubLimits;
  readonly registry?: MetricsRegistry;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface HubLimits {
  /** Of each user whose quota the owner did not set. Default 100 GiB. */
  readonly quotaBytes?: number;
  /** For how long chunks and images are kept that nothing names. Default 24 h. */
  readonly graceMs?: number;
  /** Requests at a time; more are refused. Default 256. */
  readonly requestsMax?: number;
  /** Wrongly signed requests of one address or key in a row; then one a second. Default 60. */
  readonly failuresMax?: number;
  /** Time for any body; a long one gets more. Default 20 s. */
  readonly bodyMs?: number;
  /** Time in which a client must take a piece of an answer, at most 528,384 bytes. Default 30 s. */
  readonly takeMs?: number;
}

/** Open connections; more are refused. */
const connectionsMax = 1_024;
/** Requests that are answered or refused at a time, and the collection. */
const tasksMax = 2 * connectionsMax;
/** Bytes of a request's first line and headers. */
const headBytesMax = 16 * 1024;
/** Time for the headers of a request. */
const headMsMax = 10_000;
/** Time for which a connection may lie idle between requests. */
const idleMsMax = 65_000;
/** Time that running requests get when the hub closes. */
const closeMsMax = 5_000;
const collectEveryMs = 3_600_000;
/** Of chunks that are packed again once they are kept: half of a core. */
const repackBytesPerSecond = 2 * 1024 * 1024;

/** A hub on a port. */
export class HubServer implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly close: () => Promise<void>;
  readonly #hub: Hub;

  private constructor(server: Server, hub: Hub, tasks: TaskGroup) {
    const { address, port } = server.address() as AddressInfo;
    this.host = address;
    this.port = port;
    this.#hub = hub;
    this.close = closeOnce(async () => {
      const timer = setTimeout(() => server.closeAllConnections(), closeMsMax);
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await closed;
      clearTimeout(timer);
      await tasks.close();
      await hub.close();
    });
  }

  /** @throws HUB_LISTEN_FAILED, BASE_FOLDER_LOCKED, FLIST_VERSION_UNKNOWN */
  static async open(options: HubServerOptions): Promise<HubServer> {
    const { folder, keys, owner, ownerKey, limits = {}, clock = systemClock } = options;
    const { logger = silentLogger, registry } = options;
    const { quotaBytes = 100 * 2 ** 30, graceMs = 24 * 3_600_000, requestsMax = 256 } = limits;
    const hub = await Hub.open({ folder, keys, owner, ownerKey, quotaBytes, graceMs, clock });
    try {
      const server = createServer({
        maxHeaderSize: headBytesMax,
        headersTimeout: headMsMax,
        keepAliveTimeout: idleMsMax,
        // Each body has its own time, by its length.
        requestTimeout: 0,
      });
      server.maxConnections = connectionsMax;
      const metrics = new HubMetrics();
      const bodies = new BodyMemory(limits.bodyMs ?? bodyMsMin);
      if (registry !== undefined) metrics.publish(registry, () => bodies.heldBytes);
      const tasks = new TaskGroup({
        onError: (err, name) => logger.error({ err }, `${name} failed`),
        maxTasks: tasksMax,
      });
      await listen(server, options);
      const audience = options.audience ?? originOf(server);
      const { takeMs = 30_000 } = limits;
      const { failuresMax } = limits;
      const claims = new ClaimDesk({ keys, nonces: hub.nonces, clock, audience, failuresMax });
      const context = { hub, claims, logger, metrics, bodies, requestsMax, takeMs };
      server.on('request', (request, response) => {
        const answer = (): Promise<void> => exchange(request, response, context);
        // One connection can send many requests ahead of their answers.
        if (tasks.size >= tasksMax) request.socket.destroy();
        else tasks.start('an answer', answer);
      });
      tasks.start('collecting', (signal) => collectAgain(hub, signal, { clock, logger }));
      return new HubServer(server, hub, tasks);
    } catch (error) {
      await hub.close();
      throw error;
    }
  }

  /** `http://HOST:PORT`, what a client on this machine asks. */
  get url(): string {
    return originText(this.host, this.port);
  }

  /** Removes what nothing names any more; the hub does so by itself once an hour. */
  collect(options: { readonly signal?: AbortSignal } = {}): Promise<HubCollectResult> {
    return this.#hub.collect(options);
  }

  /**
   * Packs chunks again that came since, with as few bytes as can be; the hub does so by itself after
   * a collection, slowly.
   */
  repack(options: { readonly signal?: AbortSignal } = {}): Promise<RepackResult> {
    return this.#hub.repository.repack(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function collectAgain(
  hub: Hub,
  signal: AbortSignal,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<void> {
  let isFirst = true;
  const collect = async (): Promise<void> => {
    // Not at the start, when there is enough to do.
    if (!isFirst) {
      logger.info({ ...(await hub.collect({ signal })) }, 'collected');
      const pace = { signal, bytesPerSecond: repackBytesPerSecond };
      logger.info({ ...(await hub.repository.repack(pace)) }, 'packed again');
    }
    isFirst = false;
  };
  const onError = (err: unknown): void => logger.error({ err }, 'cannot collect');
  return repeat(collectEveryMs, collect, { signal, clock, onError });
}

async function listen(server: Server, options: HubServerOptions): Promise<void> {
  const { host = '127.0.0.1', port = 0 } = options.listen ?? {};
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    throw new GridError<FlistErrorCode>('HUB_LISTEN_FAILED', `cannot listen on ${host}:${port}`, {
      hint: 'choose another address or port',
      cause,
    });
  }
}

function originOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return originText(address, port);
}

function originText(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
