import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { errorCode } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { ImageConfig } from '@commongrid/flist';
import type { WorkloadId } from '@commongrid/model';
import type { Assignment } from '../assignment.ts';
import type { Driver, DriverContext, Observation, Remains } from '../driver.ts';
import { probeHealth } from '../health/probe-health.ts';
import type { LogRing } from '../logs/log-ring.ts';
import type { ContainerAccess, FactStore } from '../machine/machine.ts';
import type { NodeNetwork } from '../network/node-network.ts';
import { shortIdOf } from '../short-id.ts';
import type { CgroupUsage } from '../sys/cgroup.ts';
import type { GuardLimit } from '../sys/guard.ts';
import { signalNumber } from '../sys/signals.ts';
import type { Volumes } from '../volumes/volumes.ts';
import type { ContainerProcess, TerminalSize } from './container-exec.ts';
import { writeContainerFiles } from './container-files.ts';
import type { ContainerLogs } from './container-logs.ts';
import type { ContainerStats } from './container-stats.ts';
import { commandOf, containerOf, variablesOf } from './container-plan.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import type { ContainerMount, ContainerSpec } from './container-spec.ts';
import { ContainerLosses } from './container-losses.ts';
import { Guards } from './guards.ts';
import type { Images } from './images.ts';
import { resolveUser } from './resolve-user.ts';
import type { ResolvedUser } from './resolve-user.ts';
import { uidStartOf } from './uid-ranges.ts';

export interface ContainerDriverOptions {
  /** One folder for each container in it. Absolute. */
  readonly folder: string;
  /**
   * Where roots are mounted: users of containers must be able to go there, which they cannot in the
   * home of anybody.
   */
  readonly rootsFolder: string;
  /** Where the agent says when its node was heard last: see `GuardLimit`. */
  readonly heardFile: string;
  /** Of the environment of each container: what its node tells it. */
  readonly variables?: Readonly<Record<string, string>> | undefined;
  readonly runtime: ContainerRuntime;
  readonly network: NodeNetwork;
  readonly images: Images;
  readonly volumes: Volumes;
  readonly logs: ContainerLogs;
  readonly stats: ContainerStats;
  readonly facts: FactStore;
  readonly logger?: Logger;
}

/** A container with all around it in place. */
interface Furnished {
  readonly spec: ContainerSpec;
  readonly address: string;
}

/**
 * Containers: an image mounted over what may be written, a network of their own, volumes, files, and
 * the program in its namespaces. What is there is asked of runc, the image service and the kernel.
 */
export class ContainerDriver implements Driver, ContainerAccess {
  readonly logs: ContainerLogs;
  readonly #options: ContainerDriverOptions;
  readonly #guards: Guards;
  readonly #losses: ContainerLosses;
  /** What this process prepared itself: a start needs not look again. */
  readonly #furnished = new Map<string, Furnished>();

  constructor(options: ContainerDriverOptions) {
    this.#options = options;
    this.#guards = new Guards(options.runtime, options.logger);
    this.#losses = new ContainerLosses({ ...options, guards: this.#guards });
    this.logs = options.logs;
  }

  async prepare(assignment: Assignment, context: DriverContext): Promise<void> {
    await this.#furnish(assignment, context);
  }

  async start(assignment: Assignment, context: DriverContext): Promise<void> {
    const { runtime, logs } = this.#options;
    const { key } = assignment;
    const known = this.#losses.hasRoot(key) ? this.#furnished.get(key) : undefined;
    const { spec } = known ?? (await this.#furnish(assignment, context));
    await logs.open(assignment);
    await runtime.create(spec);
    await runtime.start(key, this.#limitOf(assignment));
  }

  async attend(assignment: Assignment): Promise<void> {
    await this.#guards.attend(assignment.key, this.#limitOf(assignment));
    await this.#options.logs.open(assignment);
    this.#options.stats.open(assignment);
  }

  async observe(key: string): Promise<Observation> {
    const found = await this.#options.runtime.state(key);
    if (found.state === 'created') return { state: 'prepared' };
    if (found.state === 'absent') {
      return { state: this.#losses.hasRoot(key) ? 'prepared' : 'absent' };
    }
    if (found.state === 'ended') {
      const { atMs, exitCode = unknownExitCode, isOutOfMemory } = found;
      return { state: 'ended', atMs, exitCode, isOutOfMemory };
    }
    return { state: 'running', sinceMs: found.startedAtMs, lost: this.#losses.of(key) };
  }

  async probe(assignment: Assignment, signal: AbortSignal): Promise<void> {
    const { id, key, role } = assignment;
    const { health } = role;
    if (health === undefined) return;
    const ports = new Map(containerOf(role).ports.map(({ name, port }) => [name, port]));
    const address = this.#addressOf(id, key);
    const exec = (command: readonly string[], stop: AbortSignal): Promise<number> =>
      this.#run(key, command, stop);
    await probeHealth(health, { address, ports, exec }, signal);
  }

  async stop({ key, role }: Assignment): Promise<void> {
    const { signal, graceSeconds } = containerOf(role).stop;
    this.#guards.forget(key);
    // One that nobody knows holds up no end.
    const number = signalNumber(signal) ?? constants.signals.SIGTERM;
    await this.#options.runtime.stop(key, number, graceSeconds * 1000);
  }

  async release(key: string): Promise<void> {
    const { runtime, images, network, logs, stats, rootsFolder } = this.#options;
    this.#furnished.delete(key);
    this.#guards.forget(key);
    await runtime.delete(key);
    await stats.close(key);
    await logs.close(key);
    await images.unmount(key);
    const id = this.#networkedId(key);
    if (id !== undefined) await network.detach(id);
    await removeEmpty(join(rootsFolder, key));
    await rm(this.#at(key, 'files'), { recursive: true, force: true });
    await rm(this.#at(key, placesName), { recursive: true, force: true });
  }

  async destroy(key: string): Promise<void> {
    const { network, volumes } = this.#options;
    await volumes.removeUpper(key);
    const id = this.#networkedId(key);
    if (id !== undefined) await network.forget(id);
    await rm(this.#at(key), { recursive: true, force: true });
  }

  async list(): Promise<readonly Remains[]> {
    const { runtime, images, network, volumes, folder } = this.#options;
    const uppers = new Set(await volumes.uppers());
    const strangers = await volumes.strangers(new Set());
    const sizes = new Map(strangers.map(({ name, usedBytes }) => [name, usedBytes]));
    const mounts = await images.list();
    const networked = network.known();
    const folders = await readdir(folder).catch(() => []);
    const keys = new Set([
      ...(await runtime.list()),
      ...mounts.map(({ id }) => id),
      ...networked.map(({ id }) => shortIdOf(id)),
      ...folders,
      ...uppers,
    ]);
    return [...keys].map((key) => {
      const usedBytes = sizes.get(`r-${key}`) ?? 0;
      return { key, dataBytes: uppers.has(key) ? Math.max(1, usedBytes) : 0 };
    });
  }

  watch(listener: (key: string) => void): Disposable {
    const { runtime } = this.#options;
    const watches = new DisposableStack();
    watches.use(runtime.onExit(listener));
    watches.use(this.#losses.watch(listener));
    return watches;
  }

  /** Once all are released: takes away the folder where their roots were. */
  leave(): Promise<void> {
    return removeEmpty(this.#options.rootsFolder);
  }

  /** Runs a command in a container, as its owner asked. */
  exec(
    key: string,
    command: readonly string[],
    terminal: TerminalSize | undefined,
  ): Promise<ContainerProcess> {
    return this.#exec(key, command, terminal);
  }

  stats(key: string): Promise<CgroupUsage | undefined> {
    return this.#options.runtime.stats(key);
  }

  readLog(key: string): Promise<LogRing> {
    return this.#options.logs.read(key);
  }

  async #furnish(assignment: Assignment, context: DriverContext): Promise<Furnished> {
    const { id, key, tenant, role, contract, replica } = assignment;
    const { network, images, volumes, facts, folder, rootsFolder } = this.#options;
    const container = containerOf(role);
    const uidStart = uidStartOf(facts, tenant);
    const rootFolder = join(rootsFolder, key);
    await mkdir(folder, { recursive: true, mode: 0o711 });
    await mkdir(rootFolder, { recursive: true, mode: 0o711 });
    const mounted = async (): Promise<{
      readonly image: ImageConfig;
      readonly user: ResolvedUser;
    }> => {
      // The list of files is fetched for the one, and is there for the other.
      const [config, writableFolder] = await Promise.all([
        images.config(container.flist, context),
        container.isReadOnly
          ? this.#placesFolder(key)
          : volumes.createUpper(key, container.rootBytes),
      ]);
      const place = { id: key, digest: container.flist, target: rootFolder };
      await images.mount({ ...place, writableFolder, idShift: uidStart }, context);
      const userText = container.user ?? config.user ?? '';
      return { image: config, user: await resolveUser(rootFolder, userText, context.signal) };
    };
    const ports = container.ports.map(({ port, protocol, publish }) =>
      publish === undefined ? { port, protocol } : { port, protocol, publish },
    );
    const [{ image, user }, attached] = await Promise.all([
      mounted(),
      network.attach({ id, tenant, ports }),
    ]);
    const hostname = `${role.name}-${replica}`;
    const files = await writeContainerFiles(assignment, {
      ...{ folder: this.#at(key, 'files'), hostname, uidStart },
      ...{ address: attached.address, resolvConf: await network.resolvConf() },
    });
    const disks = container.volumes.map(async ({ role: name, path, isReadOnly }) => {
      const source = await volumes.pathOf(shortIdOf(`${contract}/${name}/${replica}`));
      return { source, target: path, isReadOnly } satisfies ContainerMount;
    });
    const { cpuMilli, memoryBytes } = role.resources;
    const spec: ContainerSpec = {
      ...{ id: key, rootFolder, hostname, user, uidStart },
      command: commandOf(container, image),
      env: variablesOf(assignment, image, user.home, this.#options.variables),
      cwd: container.workingDir ?? image.workingDir ?? '/',
      isReadOnly: container.isReadOnly,
      isImageOnly: container.exec === 'image-only',
      // A folder before what is mounted in it.
      mounts: [...files, ...(await Promise.all(disks))].toSorted(byDepth),
      networkNamespace: attached.namespacePath,
      limits: { cpuMilli, memoryBytes, pids: container.pids },
      isElevated: assignment.isElevated,
      logFile: this.#options.logs.pathOf(key),
    };
    const furnished = { spec, address: attached.address };
    this.#furnished.set(key, furnished);
    return furnished;
  }

  async #run(key: string, command: readonly string[], signal: AbortSignal): Promise<number> {
    const process = await this.#exec(key, command, undefined);
    process.stdout.resume();
    process.stderr.resume();
    process.stdin.end();
    const onAbort = (): void => void process.kill().catch(() => {});
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await process.exited;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** As the container's own user, with its variables. */
  async #exec(
    key: string,
    command: readonly string[],
    terminal: TerminalSize | undefined,
  ): Promise<ContainerProcess> {
    const { runtime } = this.#options;
    const { env, cwd, user, isElevated } = await runtime.specOf(key);
    return runtime.exec(key, { command, env, cwd, user, isElevated, terminal });
  }

  #limitOf({ cutOffMs }: Assignment): GuardLimit | undefined {
    const { heardFile } = this.#options;
    return cutOffMs === undefined ? undefined : { heardFile, cutOffMs };
  }

  #addressOf(id: WorkloadId, key: string): string {
    const known = this.#furnished.get(key)?.address;
    if (known !== undefined) return known;
    return this.#options.network.known().find((one) => one.id === id)?.address ?? '';
  }

  #networkedId(key: string): WorkloadId | undefined {
    return this.#options.network.known().find(({ id }) => shortIdOf(id) === key)?.id;
  }

  /**
   * Over the image of a container that may write nowhere: runc makes the files and folders there
   * that something is mounted on, and the image lacks, before the root becomes read-only.
   */
  async #placesFolder(key: string): Promise<string> {
    const path = this.#at(key, placesName);
    await mkdir(path, { recursive: true, mode: 0o755 });
    return path;
  }

  #at(key: string, ...names: readonly string[]): string {
    return join(this.#options.folder, key, ...names);
  }
}

function byDepth(one: ContainerMount, other: ContainerMount): number {
  return one.target.split('/').length - other.target.split('/').length;
}

/** Never more than the folder itself: were something still mounted there, it would hold data. */
async function removeEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** In the folder of a container that is read-only. */
const placesName = 'places';

/** What nobody saw counts as killed. */
const unknownExitCode = 137;
