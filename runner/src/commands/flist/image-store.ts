import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';

import { askControl, errorCode, isGridError, waitFor } from '@commongrid/base';
import type { AskControlOptions, ControlArguments } from '@commongrid/base';
import type { MountRecord, ServiceConfig, ServiceSource, SourceStatus } from '@commongrid/flist';
import type { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { ownHubUrl, usualHubUrl } from '../../own-hub.ts';
import { turnIn } from '../../turn-in.ts';
import { flistSubcommand, repositoryFolder } from './local-repository.ts';
import type { FlistOptions } from './local-repository.ts';
import { hubSource } from './source-text.ts';
import { startImageService } from './start-image-service.ts';

/** Which store of a machine a command works on. */
export type StoreOptions = FlistOptions & { readonly store?: string };

export type ListedMount = MountRecord & {
  /** Something in it turned out damaged: what is open or in memory there may be wrong. */
  readonly isTainted: boolean;
};

/** Content of images that is kept until others need the room. */
const storeBytesMax = 10 * 2 ** 30;

/** For an order: a mount may have to hash what it has. */
const orderTimeoutMs = 600_000;

/** The service is killed when it has not ended 20 s after it was told to. */
const goneTimeoutMs = 25_000;

/** The service where sources are of kinds that flists know nothing of. */
const pluggedService = fileURLToPath(new URL('../../image-service-process.ts', import.meta.url));

/** A command on what is mounted. */
export function storeSubcommand(name: string, description: string): Command {
  return flistSubcommand(name, description).option(
    '--store <folder>',
    'where content of mounted images is kept; default: images in GRID_HOME',
  );
}

/** The image service of a store, as commands see it. */
export class ImageStore {
  readonly #context: CommandContext;
  readonly #repository: string;
  readonly #folder: string;
  readonly #isRepositoryGiven: boolean;

  constructor(context: CommandContext, options: StoreOptions) {
    this.#context = context;
    this.#repository = resolve(repositoryFolder(context, options));
    this.#isRepositoryGiven = options.repo !== undefined;
    this.#folder = resolve(options.store ?? join(context.environment.home, 'images'));
  }

  /** @throws BASE_CONTROL_ABSENT when no service runs, and what the order throws */
  async ask<T>(
    action: string,
    args: ControlArguments = {},
    options: AskControlOptions = { timeoutMs: orderTimeoutMs },
  ): Promise<T> {
    const { controlPathOf } = await import('@commongrid/flist');
    return (await askControl(controlPathOf(this.#folder), action, args, options)) as T;
  }

  /** What is mounted; nothing when no service runs. */
  async list(): Promise<readonly ListedMount[]> {
    try {
      return await this.ask<readonly ListedMount[]>('list');
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  }

  /** Where content comes from, in this order; of a new store, where it would. */
  async sources(): Promise<readonly ServiceSource[]> {
    return (await this.#config()).sources;
  }

  /**
   * Takes these from now on; a service that runs takes them up at once. Commands that change them
   * take turns. @throws what `change` or the service throws
   */
  async changeSources(
    change: (sources: readonly ServiceSource[]) => readonly ServiceSource[],
  ): Promise<void> {
    await this.#change((config) => ({ ...config, sources: change(config.sources) }));
  }

  /** How the service that runs gets on with each of them. */
  async sourceStatus(): Promise<readonly SourceStatus[] | undefined> {
    try {
      return await this.ask<readonly SourceStatus[]>('sources');
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** Runs work with the bytes of an flist as a file that the service, which runs, can read. */
  async withFile<T>(packed: Buffer, work: (path: string) => Promise<T>): Promise<T> {
    // There a service that starts clears what a command left that was killed.
    const path = join(this.#folder, 'temp', `${process.pid}.flist`);
    await writeFile(path, packed, { mode: 0o600 });
    try {
      return await work(path);
    } finally {
      await rm(path, { force: true });
    }
  }

  /**
   * Does work with the service, which is started where none runs, and stays until nothing is mounted
   * any more. Commands that start or stop it take turns.
   * @throws GRID_SERVICE_FAILED
   */
  async withService<T>(work: () => Promise<T>): Promise<T> {
    await using _turn = await this.#turn();
    await this.#start();
    try {
      return await work();
    } finally {
      await this.#stopUnused();
    }
  }

  async #start(): Promise<void> {
    // The hub of this grid may have another port now.
    const config = await this.#change((saved) => this.#withRepository(saved));
    if (await this.#answers()) return;
    const { serviceCommand } = await import('@commongrid/flist');
    const isPlugged = config.sources.some((source) => 'kind' in source);
    const service = isPlugged ? pluggedService : undefined;
    const command = serviceCommand(this.#folder, service);
    await startImageService(this.#folder, command, () => this.#answers());
  }

  /** How many mounts are noted though no service runs: they were lost with it. */
  async countLost(): Promise<number> {
    if (await this.#answers()) return 0;
    try {
      const names = await readdir(join(this.#folder, 'mounts'));
      return names.filter((name) => name.endsWith('.json')).length;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return 0;
      throw error;
    }
  }

  /** Takes a mount away, and ends the service when it was the last. */
  async unmount(args: ControlArguments): Promise<void> {
    await using _turn = await this.#turn();
    await this.ask('unmount', args);
    await this.#stopUnused();
  }

  /** @param name of what nobody else does meanwhile: a mount takes longer than a change of sources */
  async #turn(name: 'turn' | 'config-turn' = 'turn'): Promise<AsyncDisposable> {
    const folder = join(this.#folder, name);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return turnIn(folder);
  }

  async #stopUnused(): Promise<void> {
    const mounts = await this.list();
    if (mounts.length > 0 || !(await this.#answers())) return;
    await this.ask('stop');
    const { isStoreMounted } = await import('@commongrid/flist');
    // Whoever removes the folder next finds nothing mounted in it.
    await waitFor(async () => !(await isStoreMounted(this.#folder)), {
      ...{ what: 'the end of the image service', timeoutMs: goneTimeoutMs, everyMs: 20 },
    });
  }

  get terminal(): CommandContext['terminal'] {
    return this.#context.terminal;
  }

  async #config(): Promise<ServiceConfig> {
    const saved = await this.#saved();
    const origin = await ownHubUrl(this.#context.environment.home);
    const hub = { ...hubSource(origin ?? usualHubUrl), isOwnHub: true };
    const sources = saved?.sources ?? [{ folder: this.#repository }, hub];
    const isOwn = (source: ServiceSource): boolean =>
      origin !== undefined && 'isOwnHub' in source && source.isOwnHub;
    return {
      ...(saved ?? { maxBytes: storeBytesMax }),
      sources: sources.map((source) => (isOwn(source) ? hub : source)),
    };
  }

  /** An image of another repository than so far needs the chunks of that one. */
  #withRepository(config: ServiceConfig): ServiceConfig {
    const folder = this.#repository;
    const isKnown = config.sources.some((source) => 'folder' in source && source.folder === folder);
    if (isKnown || !this.#isRepositoryGiven) return config;
    return { ...config, sources: [...config.sources, { folder }] };
  }

  async #saved(): Promise<ServiceConfig | undefined> {
    const { readServiceConfig } = await import('@commongrid/flist');
    if (!existsSync(join(this.#folder, 'service.json'))) return undefined;
    return readServiceConfig(this.#folder);
  }

  async #change(change: (config: ServiceConfig) => ServiceConfig): Promise<ServiceConfig> {
    const config = change(await this.#config());
    if (isDeepStrictEqual(await this.#saved(), config)) return config;
    await using _turn = await this.#turn('config-turn');
    const last = change(await this.#config());
    await this.#save(last);
    return last;
  }

  async #save(config: ServiceConfig): Promise<void> {
    const { writeServiceConfig } = await import('@commongrid/flist');
    await writeServiceConfig(this.#folder, config);
    if (!(await this.#answers())) return;
    await this.ask('reload').catch((error: unknown) => {
      if (!isGridError(error, 'FLIST_SERVICE_CONFIG_INVALID')) throw error;
      this.terminal.note('the service that runs takes that up when it starts the next time');
    });
  }

  async #answers(): Promise<boolean> {
    try {
      await this.ask('status');
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  }
}

function isAbsent(error: unknown): boolean {
  return isGridError(error, 'BASE_CONTROL_ABSENT') || isGridError(error, 'BASE_CONTROL_LOST');
}
