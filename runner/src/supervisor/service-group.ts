import { GridError } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { GridErrorCode } from '../errors.ts';
import type { ServiceDefinition, ServiceSite } from '../service-definition.ts';
import type { ServiceState } from './grid-state.ts';
import { ServiceRunner } from './service-runner.ts';

export interface ServiceGroupOptions {
  /** Each after those that it depends on. */
  readonly definitions: readonly ServiceDefinition[];
  readonly site: ServiceSite;
  readonly logger: Logger;
  readonly onChange: () => void;
}

/** The services of one supervisor, started and stopped in the order of their dependencies. */
export class ServiceGroup implements AsyncDisposable {
  readonly #definitions: readonly ServiceDefinition[];
  readonly #runners: ReadonlyMap<string, ServiceRunner>;

  constructor(
    definitions: readonly ServiceDefinition[],
    runners: ReadonlyMap<string, ServiceRunner>,
  ) {
    this.#definitions = definitions;
    this.#runners = runners;
  }

  /** Prepares every service; starts none. */
  static async open(options: ServiceGroupOptions): Promise<ServiceGroup> {
    const { definitions, site, logger, onChange } = options;
    const runners = new Map<string, ServiceRunner>();
    for (const definition of definitions) {
      await definition.prepare(site);
      const runner = await ServiceRunner.open({ definition, site, logger, onChange });
      runners.set(definition.name, runner);
    }
    return new ServiceGroup(definitions, runners);
  }

  get states(): Record<string, ServiceState> {
    return Object.fromEntries([...this.#runners].map(([name, runner]) => [name, runner.state]));
  }

  get runners(): Iterable<ServiceRunner> {
    return this.#runners.values();
  }

  /**
   * Starts these services (none named: all but those that have to be) and those that they depend on; resolves when all are
   * ready. One that is ready already stays as it is, one that may fail holds nothing up.
   * @throws GRID_SERVICE_UNKNOWN, GRID_SERVICE_FAILED, GRID_START_TIMEOUT
   */
  async start(names: readonly string[]): Promise<void> {
    const begin = onceEach((name) => this.#startOne(name, begin));
    const wanted = this.#select(names).filter(
      ({ isStartedByName }) => isStartedByName !== true || names.length > 0,
    );
    await allOf(wanted.map(({ name }) => begin(name)));
  }

  /** Stops these services (none named: all), dependents first. @throws GRID_SERVICE_UNKNOWN */
  async stop(names: readonly string[]): Promise<void> {
    const selected = this.#select(names);
    const end = onceEach(async (name) => {
      const dependents = selected.filter(({ dependsOn }) => dependsOn.includes(name));
      await Promise.all(dependents.map((dependent) => end(dependent.name)));
      await this.#runner(name).stop();
    });
    await allOf(selected.map(({ name }) => end(name)));
  }

  async close(): Promise<void> {
    await this.stop([]);
    for (const runner of this.#runners.values()) await runner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #startOne(name: string, begin: (name: string) => Promise<void>): Promise<void> {
    const definition = this.#definitions.find((known) => known.name === name);
    await Promise.all((definition?.dependsOn ?? []).map(begin));
    const started = this.#runner(name).start();
    // The runner has logged why, and its state shows it.
    await (definition?.mayFail === true ? started.catch(() => {}) : started);
  }

  #select(names: readonly string[]): readonly ServiceDefinition[] {
    for (const name of names) this.#runner(name);
    if (names.length === 0) return this.#definitions;
    return this.#definitions.filter(({ name }) => names.includes(name));
  }

  #runner(name: string): ServiceRunner {
    const runner = this.#runners.get(name);
    if (runner !== undefined) return runner;
    throw new GridError<GridErrorCode>('GRID_SERVICE_UNKNOWN', `no service is called ${name}`, {
      hint: './grid status',
      details: { service: name, services: [...this.#runners.keys()] },
    });
  }
}

/** Runs `work` once for each name; who comes later gets the promise of that run. */
function onceEach(work: (name: string) => Promise<void>): (name: string) => Promise<void> {
  const begun = new Map<string, Promise<void>>();
  return (name) => {
    const running = begun.get(name) ?? work(name);
    begun.set(name, running);
    return running;
  };
}

/** Waits for the end of all, and throws what the first of them threw. */
async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
