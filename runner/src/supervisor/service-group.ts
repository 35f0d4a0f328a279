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
   * Starts these services (none named: all) and those that they depend on; resolves when all are
   * ready. One that is ready already stays as it is.
   * @throws GRID_SERVICE_UNKNOWN, GRID_SERVICE_FAILED, GRID_START_TIMEOUT
   */
  async start(names: readonly string[]): Promise<void> {
    const started = new Map<string, Promise<void>>();
    const begin = (name: string): Promise<void> => {
      const running = started.get(name) ?? this.#startOne(name, begin);
      started.set(name, running);
      return running;
    };
    const results = await Promise.allSettled(this.#select(names).map(({ name }) => begin(name)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  /** Stops these services (none named: all), dependents first. @throws GRID_SERVICE_UNKNOWN */
  async stop(names: readonly string[]): Promise<void> {
    for (const { name } of this.#select(names).toReversed()) await this.#runner(name).stop();
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
    await this.#runner(name).start();
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
