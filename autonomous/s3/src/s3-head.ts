import { closeOnce, GridError, silentLogger, systemClock, TaskGroup } from '@commongrid/base';
import type { BaseErrorCode, Logger } from '@commongrid/base';
import { BlobStore, isRebuilt } from '@commongrid/zstor';
import type { BlobStoreOptions } from '@commongrid/zstor';

import { adminActions } from './admin/admin-actions.ts';
import type { AdminOptions } from './admin/admin-actions.ts';
import { Cors } from './cors/cors.ts';
import { ActiveHead } from './head/active-head.ts';
import type { HeadContext } from './head/head-context.ts';
import { handlerOf } from './head/handlers.ts';
import { careForTables } from './head/table-care.ts';
import { LifecycleRunner } from './lifecycle/lifecycle-runner.ts';
import { ObjectIds } from './meta/object-ids.ts';
import { findManifest } from './meta/version-document.ts';
import { isForgotten } from './meta/versions.ts';
import { Metering } from './metering/metering.ts';
import type { MeteringOptions } from './metering/metering.ts';
import { S3Endpoint } from './protocol/s3-endpoint.ts';
import type { S3EndpointOptions } from './protocol/s3-endpoint.ts';
import { Anchoring, storeNameOf } from './prove/anchoring.ts';
import type { AnchorLog } from './prove/anchoring.ts';
import { proveActions } from './prove/prove-actions.ts';
import type { ProveOptions } from './prove/prove-actions.ts';
import { Rights } from './rights/rights.ts';
import type { AccessKey } from './rights/rights.ts';
import { s3Schema } from './s3-schema.ts';

export interface S3HeadOptions
  extends
    Omit<
      BlobStoreOptions,
      'schema' | 'canBegin' | 'isOtherActive' | 'isForgotten' | 'manifestOf' | 'actions'
    >,
    Pick<S3EndpointOptions, 'host' | 'port' | 'region' | 'domains' | 'trustedProxies'>,
    Pick<MeteringOptions, 'metrics' | 'accessLog'> {
  /** Access key of the first user, for a store that begins. Default: a random one. */
  readonly firstKey?: AccessKey | undefined;
  /** Where it is said which versions there are. Default: nowhere. */
  readonly anchorLog?: AnchorLog | undefined;
  /** Where clients and other heads find this one. Default: where it listens. */
  readonly address?: string | undefined;
  /**
   * The head that this one stands by for, HOST:PORT. Default: the one that served last, which the
   * tables know.
   */
  readonly passive?: string | undefined;
}

/**
 * S3 in front of a store. Of the heads of a store one serves; the others stand by, and take over when
 * it answers no more. A head that lost its right stands by again.
 */
export class S3Head implements AsyncDisposable {
  readonly store: BlobStore;
  readonly #endpoint: S3Endpoint;
  readonly #metering: Metering;
  readonly close: () => Promise<void>;

  private constructor({ store, endpoint, metering }: Parts, stack: AsyncDisposableStack) {
    this.store = store;
    this.#endpoint = endpoint;
    this.#metering = metering;
    this.close = closeOnce(() => stack.disposeAsync());
  }

  /**
   * Resolves once this head serves. 1. Open the store, or begin it. 2. Stand by as long as another
   * head serves, and take over. 3. Listen.
   * @throws S3_LISTEN_FAILED, and as `BlobStore.open`
   */
  static async open(options: S3HeadOptions): Promise<S3Head> {
    const { clock = systemClock, logger = silentLogger, passive } = options;
    await using stack = new AsyncDisposableStack();
    const active = new ActiveHead();
    const admin: { options?: AdminOptions } = {};
    const proving: { options?: ProveOptions } = {};
    const store = stack.use(
      await BlobStore.open({
        ...options,
        schema: s3Schema,
        actions: {
          ...adminActions(() => admin.options ?? notOpen()),
          ...proveActions(() => proving.options ?? notOpen()),
        },
        canBegin: true,
        isForgotten,
        manifestOf: findManifest,
        isOtherActive: (catalog, signal) => active.isOther(catalog, passive, signal),
      }),
    );
    const { catalog } = store;
    const rights = new Rights({ catalog, key: store.keys.accessKeysKey, clock });
    await rights.begin(options.firstKey);
    const ids = new ObjectIds(() => store.epoch);
    const lifecycle = new LifecycleRunner({
      ...{ catalog, clock, logger },
      datesMs: () => catalog.datesMs(),
      isOff: () => catalog.read(isRebuilt),
      nextId: () => ids.next(),
    });
    const { counts } = lifecycle;
    const metering = stack.use(
      await Metering.open({ ...options, store, clock, logger, lifecycle: counts }),
    );
    const { region = 'us-east-1', policy } = options;
    const cors = new Cors(catalog);
    const head: HeadContext = { store, policy, region, clock, ids, rights, cors };
    const endpoint = stack.use(await openEndpoint(options, head, metering));
    const address = (): string => {
      return options.address ?? `${options.host ?? '127.0.0.1'}:${endpoint.port}`;
    };
    admin.options = {
      ...{ store, rights, region, endpoint: () => `http://${address()}` },
      nowMs: () => clock.nowMs(),
    };
    const anchoring = new Anchoring({
      ...{ catalog, clock, logger, log: options.anchorLog },
      store: storeNameOf(store),
    });
    proving.options = { store, anchoring };
    await active.announceOnce(catalog, address());
    const tasks = stack.use(taskGroup(logger));
    tasks.start('tables', (signal) => careForTables(catalog, { signal, clock, logger }));
    tasks.start('announce', (signal) =>
      active.announce(catalog, address, { signal, clock, logger }),
    );
    tasks.start('lifecycle', (signal) => lifecycle.run(signal));
    tasks.start('anchors', (signal) => anchoring.run(signal));
    return new S3Head({ store, endpoint, metering }, stack.move());
  }

  get port(): number {
    return this.#endpoint.port;
  }

  /** Where Prometheus asks; undefined when nowhere. */
  get metricsAddress(): Metering['address'] {
    return this.#metering.address;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

interface Parts {
  readonly store: BlobStore;
  readonly endpoint: S3Endpoint;
  readonly metering: Metering;
}

function openEndpoint(
  { host, port, domains, trustedProxies }: S3HeadOptions,
  head: HeadContext,
  metering: Metering,
): Promise<S3Endpoint> {
  const { store, rights, cors, region, clock } = head;
  return S3Endpoint.open({
    handler: handlerOf(head),
    ...{ secretOf: rights.secretOf, port, region, clock },
    ...(host === undefined ? {} : { host }),
    ...(domains === undefined ? {} : { domains }),
    ...(trustedProxies === undefined ? {} : { trustedProxies }),
    isServing: () => isServing(store),
    isPressed: () => store.isShortOfMemory,
    headersFor: cors.headersFor,
    onAnswer: metering.record,
  });
}

/** Whether this head may answer just now. */
function isServing({ catalog }: BlobStore): boolean {
  try {
    catalog.requireLease();
    return true;
  } catch {
    return false;
  }
}

function taskGroup(logger: Logger): TaskGroup {
  return new TaskGroup({ onError: (err, name) => logger.error({ err, name }, 'failed') });
}

function notOpen(): never {
  throw new GridError<BaseErrorCode>('BASE_CLOSED', 'this head does not serve yet', {
    hint: 'try again in some seconds',
    retryable: true,
  });
}
