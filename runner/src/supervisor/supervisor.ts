import {
  closeOnce,
  FolderLock,
  GridError,
  identityOf,
  isAlive,
  isGridError,
  Mutex,
  terminate,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { GridErrorCode } from '../errors.ts';
import type { GridHome } from '../home.ts';
import { choosePorts } from '../ports.ts';
import type { Ports } from '../ports.ts';
import type { ServiceDefinition } from '../service-definition.ts';
import { openControl } from './control.ts';
import type { ControlRequest } from './control.ts';
import { loadState, StateKeeper } from './grid-state.ts';
import type { GridState } from './grid-state.ts';
import { LogFile } from './log-file.ts';
import { LogRotation } from './log-rotation.ts';
import { ServiceGroup } from './service-group.ts';

export interface SupervisorOptions {
  readonly home: GridHome;
  readonly services: readonly ServiceDefinition[];
  /** Undefined for the usual ports, 0 for free ones, otherwise the first of a range. */
  readonly portBase: number | undefined;
  /** Ports that services have to keep, whatever the base is. */
  readonly keptPorts?: Ports;
  readonly logger: Logger;
}

/** Time for services that a dead supervisor left behind to end. */
const leftoverGraceMs = 30_000;

/**
 * Runs the services of one GRID_HOME; the lock of run/ makes it the only one.
 *
 * 1. Take the lock. 2. End what a dead supervisor left running. 3. Choose ports; none taken means
 * nothing was started yet. 4. Start services, each after those it depends on. 5. Listen for
 * control requests. When a step fails, the ones before it are undone.
 */
export class Supervisor implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #closed = Promise.withResolvers<void>();
  readonly #group: ServiceGroup;
  readonly #describe: () => GridState;
  /** Start and stop orders come one after the other. */
  readonly #orders = new Mutex();
  #resources = new AsyncDisposableStack();

  private constructor(group: ServiceGroup, describe: () => GridState) {
    this.#group = group;
    this.#describe = describe;
    this.close = closeOnce(async () => {
      await this.#resources.disposeAsync();
      this.#closed.resolve();
    });
  }

  /**
   * Resolves when every service is ready. When `signal` fires before that, everything stops.
   * @throws GRID_ALREADY_UP, GRID_PORT_UNAVAILABLE, GRID_SERVICE_FAILED, GRID_START_TIMEOUT
   */
  static async open(options: SupervisorOptions, signal: AbortSignal): Promise<Supervisor> {
    const { home, services, portBase, logger } = options;
    await using stack = new AsyncDisposableStack();
    stack.use(await lockHome(home));
    const self = await identityOf(process.pid);
    if (self === undefined) throw new Error('/proc does not show this process');
    await endLeftovers(home, logger);
    const ports = await choosePorts(
      services.flatMap((service) => service.ports),
      portBase,
      options.keptPorts,
    );
    const describe = (): GridState => ({
      schema: 'grid.state.1',
      home: home.path,
      portBase: portBase ?? null,
      supervisor: self,
      services: group.states,
    });
    const keeper = stack.use(new StateKeeper(home, describe, logger));
    const group = stack.use(
      await ServiceGroup.open({
        definitions: services,
        site: { home, ports },
        logger,
        onChange: () => keeper.save(),
      }),
    );
    await startUnless(signal, group);
    const logs = [...group.runners].map((runner) => runner.log);
    stack.use(LogRotation.start([...logs, stack.use(await openOwnLog(home))], logger));
    const supervisor = new Supervisor(group, describe);
    stack.use(await openControl(home, (request) => supervisor.#obey(request)));
    supervisor.#resources = stack.move();
    return supervisor;
  }

  get state(): GridState {
    return this.#describe();
  }

  /** Resolves when the supervisor has closed, by `close` or by a shutdown request. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #obey({ action, services }: ControlRequest): Promise<GridState> {
    if (action === 'start') await this.#orders.run(() => this.#group.start(services));
    if (action === 'stop') await this.#orders.run(() => this.#group.stop(services));
    if (action === 'shutdown') {
      await this.#orders.run(() => this.#group.stop([]));
      // Closing waits for this very answer to be delivered.
      void this.close();
    }
    return this.state;
  }
}

async function lockHome(home: GridHome): Promise<FolderLock> {
  try {
    return await FolderLock.open(home.run);
  } catch (error) {
    if (!isGridError(error, 'BASE_FOLDER_LOCKED')) throw error;
    throw new GridError<GridErrorCode>('GRID_ALREADY_UP', `a grid runs in ${home.path} already`, {
      hint: './grid status',
      details: { home: home.path },
      cause: error,
    });
  }
}

/** Ends the services of a supervisor that died without ending them. The caller holds the lock. */
export async function endLeftovers(home: GridHome, logger: Logger): Promise<string[]> {
  const state = await loadState(home);
  const ended: string[] = [];
  for (const [name, { process: identity }] of Object.entries(state?.services ?? {})) {
    if (identity === null || !(await isAlive(identity))) continue;
    logger.warn({ service: name, servicePid: identity.pid }, 'ending what was left behind');
    await terminate(identity, leftoverGraceMs);
    ended.push(name);
  }
  return ended;
}

async function startUnless(signal: AbortSignal, group: ServiceGroup): Promise<void> {
  const stop = (): void => void group.stop([]);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await group.start([]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** The detached supervisor's stderr goes to this file; here it is only measured and rotated. */
async function openOwnLog(home: GridHome): Promise<LogFile> {
  return LogFile.open(home.logOf('supervisor'));
}
