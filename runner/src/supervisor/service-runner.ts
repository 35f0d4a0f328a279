import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

import { delay, GridError, identityOf, isGridError, terminate, waitFor } from '@commongrid/base';
import type { Logger, ProcessIdentity } from '@commongrid/base';

import { childVariables } from '../environment.ts';
import type { GridErrorCode } from '../errors.ts';
import { addressOf } from '../ports.ts';
import type { ServiceDefinition, ServiceSite } from '../service-definition.ts';
import type { ServicePhase, ServiceState } from './grid-state.ts';
import { LogFile } from './log-file.ts';
import { RestartPolicy } from './restart-policy.ts';

export interface ServiceRunnerOptions {
  readonly definition: ServiceDefinition;
  readonly site: ServiceSite;
  readonly logger: Logger;
  /** Called after each change of `state`. */
  readonly onChange: () => void;
}

/** Keeps one service running: starts it, waits until it is ready, restarts it when it ends or hangs. */
export class ServiceRunner {
  readonly log: LogFile;
  readonly #options: ServiceRunnerOptions;
  #phase: ServicePhase = 'stopped';
  #process: ProcessIdentity | null = null;
  #restartCount = 0;
  #stop = new AbortController();
  #loop: Promise<void> | undefined;
  #ready = readiness();

  constructor(options: ServiceRunnerOptions, log: LogFile) {
    this.#options = options;
    this.log = log;
  }

  static async open(options: ServiceRunnerOptions): Promise<ServiceRunner> {
    const { definition, site } = options;
    return new ServiceRunner(options, await LogFile.open(site.home.logOf(definition.name)));
  }

  get state(): ServiceState {
    const { definition, site } = this.#options;
    return {
      phase: this.#phase,
      process: this.#process,
      address: addressOf(site.ports, definition.ports[0]),
      addresses: Object.fromEntries(
        definition.ports.map((name) => [name, addressOf(site.ports, name)]),
      ),
      dataDir: definition.dataDir(site.home),
      log: this.log.path,
      restartCount: this.#restartCount,
    };
  }

  /**
   * Resolves when the service is ready; at once when it is already.
   * @throws GRID_SERVICE_FAILED when it ends before that, GRID_START_TIMEOUT
   */
  async start(): Promise<void> {
    if (this.#loop === undefined) {
      this.#ready = readiness();
      this.#stop = new AbortController();
      this.#restartCount = 0;
      this.#loop = this.#run(this.#stop.signal).finally(() => {
        this.#loop = undefined;
      });
    }
    await this.#ready.promise;
  }

  /** Resolves when the service has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    if (this.#phase === 'failed') this.#change('stopped', null);
  }

  async close(): Promise<void> {
    await this.stop();
    await this.log.close();
  }

  /** Never throws: what goes wrong ends in the phase `failed` and rejects `#ready`. */
  async #run(stop: AbortSignal): Promise<void> {
    const { logger, definition } = this.#options;
    const policy = new RestartPolicy();
    try {
      while (!stop.aborted) {
        const startedMs = performance.now();
        const wasReady = await this.#runOnce(stop);
        if (stop.aborted) break;
        const nowMs = performance.now();
        // What cannot start once will not start the tenth time: a crash is another matter.
        const isFirst = this.#restartCount === 0 && !wasReady;
        const pauseMs = isFirst ? undefined : policy.nextPauseMs(nowMs - startedMs, nowMs);
        if (pauseMs === undefined) throw await this.#gaveUp();
        logger.warn({ service: definition.name, pauseMs }, 'service ended, will start it again');
        if (wasReady) this.#ready = readiness();
        this.#restartCount += 1;
        this.#change('waiting', null);
        await delay(pauseMs, { signal: stop }).catch(ignoreAbort);
      }
      this.#ready.reject(this.#stoppedEarly());
      this.#change('stopped', null);
    } catch (error) {
      logger.error({ service: definition.name, err: error }, 'service failed');
      this.#ready.reject(error);
      this.#change('failed', null);
    }
  }

  /** One life of the process, to its end. True when it was ready at some time. */
  async #runOnce(stop: AbortSignal): Promise<boolean> {
    const { definition } = this.#options;
    const child = this.#spawn();
    const gone = new AbortController();
    const ended = endOf(child).finally(() => gone.abort());
    const identity = child.pid === undefined ? undefined : await identityOf(child.pid);
    try {
      this.#change('starting', identity ?? null);
      if (!(await this.#becomesReady(AbortSignal.any([stop, gone.signal])))) return false;
      this.#change('running', identity ?? null);
      this.#ready.resolve();
      const watch = AbortSignal.any([stop, gone.signal]);
      await Promise.race([ended, firing(stop, gone.signal), this.#stopsAnswering(watch)]);
      return true;
    } finally {
      if (identity !== undefined && !gone.signal.aborted) {
        this.#change('stopping', identity);
        await terminate(identity, definition.stopTimeoutMs);
      }
      await ended;
    }
  }

  #spawn(): ChildProcess {
    const { definition, site } = this.#options;
    // Detached: Ctrl-C at a terminal reaches the supervisor only, which then stops services in order.
    return spawn(process.execPath, definition.command(site), {
      cwd: '/',
      detached: true,
      env: childVariables(definition.variables),
      stdio: ['ignore', this.log.descriptor, this.log.descriptor],
    });
  }

  /** False when the signal fired before it was ready. @throws GRID_START_TIMEOUT, as `furnish` */
  async #becomesReady(signal: AbortSignal): Promise<boolean> {
    const { definition, site } = this.#options;
    try {
      await waitFor((look) => definition.isReady(site, look).catch(() => false), {
        timeoutMs: definition.startTimeoutMs,
        everyMs: 25,
        what: definition.name,
        signal,
      });
      await definition.furnish?.(site);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
      throw this.#tooSlow();
    }
  }

  /** Resolves when the service has missed too many probes in a row, or is to be watched no more. */
  async #stopsAnswering(signal: AbortSignal): Promise<void> {
    const { definition, site, logger } = this.#options;
    const { everyMs, timeoutMs, missesMax } = definition.probe;
    for (let misses = 0; misses < missesMax && !signal.aborted;) {
      await delay(everyMs, { signal }).catch(ignoreAbort);
      if (signal.aborted) return;
      const look = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const answers = await definition.isReady(site, look).catch(() => false);
      misses = answers ? 0 : misses + 1;
      if (misses > 0) logger.warn({ service: definition.name, misses }, 'service does not answer');
    }
  }

  #change(phase: ServicePhase, identity: ProcessIdentity | null): void {
    this.#phase = phase;
    this.#process = identity;
    this.#options.logger.info(
      { service: this.#options.definition.name, phase, servicePid: identity?.pid },
      'service changed',
    );
    this.#options.onChange();
  }

  async #gaveUp(): Promise<GridError<GridErrorCode>> {
    const { name } = this.#options.definition;
    const lines = await this.log.tail(5);
    return new GridError('GRID_SERVICE_FAILED', `${name} ended: ${lines.join(' | ')}`, {
      hint: `see ${this.log.path}`,
      details: { service: name, log: this.log.path },
    });
  }

  #stoppedEarly(): GridError<GridErrorCode> {
    const { name } = this.#options.definition;
    return new GridError('GRID_SERVICE_FAILED', `${name} was stopped before it was ready`, {
      hint: './grid status',
      details: { service: name },
    });
  }

  #tooSlow(): GridError<GridErrorCode> {
    const { name, startTimeoutMs } = this.#options.definition;
    return new GridError('GRID_START_TIMEOUT', `${name} was not ready in ${startTimeoutMs} ms`, {
      hint: `see ${this.log.path}`,
      retryable: true,
      details: { service: name, log: this.log.path },
    });
  }
}

async function endOf(child: ChildProcess): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once('exit', () => resolve());
  child.once('error', () => resolve());
  await promise;
}

/** Resolves when `signal` fires; forgets about it when `unless` fires first. */
async function firing(signal: AbortSignal, unless: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener('abort', () => resolve(), { once: true, signal: unless });
  await promise;
}

/** A promise that somebody may wait for, or nobody. */
function readiness(): PromiseWithResolvers<void> {
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {});
  return ready;
}

function ignoreAbort(error: unknown): void {
  if (!isGridError(error, 'BASE_ABORTED')) throw error;
}
