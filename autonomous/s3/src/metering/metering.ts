import { closeOnce, createRegistry, MetricsServer } from '@commongrid/base';
import type { Clock, Logger, MetricsServerOptions } from '@commongrid/base';
import type { BlobStore } from '@commongrid/zstor';

import type { LifecycleCounts } from '../lifecycle/lifecycle-runner.ts';
import { findBucket } from '../meta/buckets.ts';
import type { Answered } from '../protocol/s3-exchange.ts';
import { findUserOfKey } from '../rights/rights-tables.ts';
import { accessLine } from './access-line.ts';
import type { LoggedPeople } from './access-line.ts';
import { AccessLog } from './access-log.ts';
import { RequestMetrics } from './request-metrics.ts';
import { registerStoreMetrics } from './store-metrics.ts';

export interface MeteringOptions {
  readonly store: BlobStore;
  readonly lifecycle: Readonly<LifecycleCounts>;
  /** Where Prometheus asks. Default: nowhere. */
  readonly metrics?: Pick<MetricsServerOptions, 'host' | 'port' | 'token'> | undefined;
  /** The file of the access log. Default: none. */
  readonly accessLog?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Counts and logs what a head is asked for. */
export class Metering implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #o: MeteringOptions;
  readonly #requests: RequestMetrics;
  readonly #log: AccessLog | undefined;
  readonly #server: MetricsServer | undefined;

  private constructor(
    options: MeteringOptions,
    parts: { requests: RequestMetrics; log?: AccessLog; server?: MetricsServer },
    stack: AsyncDisposableStack,
  ) {
    this.#o = options;
    this.#requests = parts.requests;
    this.#log = parts.log;
    this.#server = parts.server;
    this.close = closeOnce(() => stack.disposeAsync());
  }

  /** @throws BASE_LISTEN_FAILED, BASE_METRICS_UNPROTECTED, and what the file of the log throws */
  static async open(options: MeteringOptions): Promise<Metering> {
    const { store, lifecycle, metrics, accessLog, clock, logger } = options;
    await using stack = new AsyncDisposableStack();
    const requests = new RequestMetrics();
    const log = accessLog && stack.use(await AccessLog.open({ path: accessLog, clock, logger }));
    if (metrics === undefined) {
      return new Metering(options, { requests, ...(log && { log }) }, stack.move());
    }
    const registry = createRegistry({ withProcessMetrics: true });
    requests.register(registry);
    registerStoreMetrics(registry, store, lifecycle);
    const server = stack.use(await MetricsServer.open({ registry, logger, ...metrics }));
    return new Metering(options, { requests, server, ...(log && { log }) }, stack.move());
  }

  /** Where Prometheus asks; undefined when nowhere. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    return this.#server && { host: this.#server.host, port: this.#server.port };
  }

  /** One request and its answer. */
  readonly record = (answered: Answered): void => {
    const { clock, logger } = this.#o;
    const { id, failure } = answered;
    if (failure !== undefined && answered.status >= 500) {
      logger.error({ err: failure, id }, 'a request failed');
    }
    this.#requests.record(answered);
    this.#log?.write(accessLine(answered, this.#peopleOf(answered), clock.nowMs()));
  };

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #peopleOf({ request }: Answered): LoggedPeople {
    const { bucket, accessKey } = request ?? {};
    return this.#o.store.catalog.read((db) => ({
      bucketOwner: bucket === undefined ? undefined : findBucket(db, bucket)?.owner,
      requester: accessKey === undefined ? undefined : findUserOfKey(db, accessKey)?.id,
    }));
  }
}
