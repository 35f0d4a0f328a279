import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { closeOnce, silentLogger } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { SourceStatus } from '@commongrid/flist';
import type { Workload } from '@commongrid/model';
import { ContainerDriver } from '../container/container-driver.ts';
import { ContainerLogs } from '../container/container-logs.ts';
import { ContainerRuntime, runFolderOf } from '../container/container-runtime.ts';
import type { ContainerRuntimeOptions } from '../container/container-runtime.ts';
import { ContainerStats } from '../container/container-stats.ts';
import { Images } from '../container/images.ts';
import type { ImagesOptions } from '../container/images.ts';
import type { Driver, DriverContext } from '../driver.ts';
import { nodeAddresses } from '../logs/sink-address.ts';
import { readTraffic } from '../network/link-traffic.ts';
import type { LinkTraffic } from '../network/link-traffic.ts';
import { NodeNetwork } from '../network/node-network.ts';
import { RulesKeeper } from '../network/rules-keeper.ts';
import type { BackupTarget } from '../ports.ts';
import type { ReleaseImages } from '../release/release-images.ts';
import { openVolumes } from '../volumes/open-volumes.ts';
import { VolumeCare } from '../volumes/volume-care.ts';
import { VolumeDriver } from '../volumes/volume-driver.ts';
import type { Volumes } from '../volumes/volumes.ts';
import { ZdbDriver } from '../zdb/zdb-driver.ts';
import type { FactStore, Machine } from './machine.ts';

export interface LinuxMachineOptions {
  /** Of this node alone. Absolute. */
  readonly folder: string;
  /** Begins the names of what it makes in the kernel: a letter, and up to two letters or digits. */
  readonly prefix: string;
  /** For volumes and what containers write. */
  readonly volumeBytes: number;
  readonly images: Omit<ImagesOptions, 'folder'>;
  /** Of containers; default: a free /16. */
  readonly range?: string | undefined;
  /** Address of the machine at which ports are published; default: all that it has. */
  readonly address?: string | undefined;
  readonly facts: FactStore;
  /** Of the environment of each container. */
  readonly variables?: Readonly<Record<string, string>> | undefined;
  /** Where runc and conmon are, if not where Debian has them. */
  readonly programs?: Pick<ContainerRuntimeOptions, 'runc' | 'conmon'> | undefined;
  readonly backups?: BackupTarget | undefined;
  /** Default: no Zero-DBs run here. */
  readonly zdb?: MachineZdbOptions | undefined;
  readonly logger?: Logger;
}

/** Zero-DBs of the machine, one for each kind of disk; their data are beside the volumes. */
export interface MachineZdbOptions {
  /** Program, and what comes before the arguments of `grid zdb serve`. */
  readonly command: readonly string[];
  /** Address at which they listen. */
  readonly host: string;
  /** Of the one on SSD; default: a free one, which it keeps. */
  readonly port?: number | undefined;
}

interface MachineParts extends Pick<
  LinuxMachine,
  'drivers' | 'containers' | 'network' | 'volumes' | 'volumeBytes' | 'heardFile' | 'zdb' | 'traffic'
> {
  readonly images: Images;
  readonly rules: RulesKeeper;
}

/** A Linux machine as root: runc, btrfs, nft, Zero-DB, and images over EROFS and overlayfs. */
export class LinuxMachine implements Machine {
  readonly drivers: ReadonlyMap<Workload['kind'], Driver>;
  readonly containers: ContainerDriver;
  readonly network: NodeNetwork;
  readonly close: () => Promise<void>;
  readonly #images: Images;
  readonly #rules: RulesKeeper;
  readonly volumes: Volumes;
  readonly volumeBytes: number;
  readonly heardFile: string;
  readonly zdb: ZdbDriver | undefined;
  readonly traffic: () => Promise<ReadonlyMap<string, LinkTraffic>>;

  private constructor(parts: MachineParts, close: () => Promise<void>) {
    this.#images = parts.images;
    this.#rules = parts.rules;
    this.volumes = parts.volumes;
    this.volumeBytes = parts.volumeBytes;
    this.heardFile = parts.heardFile;
    this.drivers = parts.drivers;
    this.containers = parts.containers;
    this.network = parts.network;
    this.zdb = parts.zdb;
    this.traffic = parts.traffic;
    this.close = closeOnce(close);
  }

  /** @throws NODE_FEATURE_MISSING, and what its parts throw */
  static async open(options: LinuxMachineOptions): Promise<LinuxMachine> {
    const { folder, prefix, volumeBytes, range, address, facts, backups } = options;
    const { logger = silentLogger } = options;
    await mkdir(folder, { recursive: true, mode: 0o711 });
    const rootsFolder = rootsFolderOf(prefix);
    await mkdir(rootsFolder, { recursive: true, mode: 0o711 });
    await using stack = new AsyncDisposableStack();
    // Its ports are open, and taken, from the first rules on.
    const zdb = stack.use(await openZdb(options));
    const network = await NodeNetwork.open({
      ...{ folder, prefix, doors: zdb?.doors() ?? [] },
      ...(range === undefined ? {} : { range }),
      ...(address === undefined ? {} : { uplinkAddress: address }),
    });
    const rules = stack.use(new RulesKeeper({ network, logger }));
    const volumes = stack.use(
      await openVolumes({ folder: join(folder, 'volumes'), sizeBytes: volumeBytes, prefix }),
    );
    const images = await Images.open({ ...options.images, folder: join(folder, 'images') });
    const runtime = stack.use(
      await ContainerRuntime.open({ ...options.programs, folder: join(folder, 'bundles'), prefix }),
    );
    // Nothing is sent to a service of the machine, which trusts who comes from there, or to a tenant.
    const forbidden = nodeAddresses(network.range);
    const logs = stack.use(
      new ContainerLogs({
        ...{ folder: join(folder, 'containers'), logger },
        ...{ reopen: (key) => runtime.reopenLog(key), forbidden },
      }),
    );
    const stats = stack.use(
      new ContainerStats({ usageOf: (key) => runtime.stats(key), forbidden, logger }),
    );
    // In memory: it tells of this run of the machine, and also when no disk takes anything.
    const heardFile = join(runFolderOf(prefix), 'last-heard');
    const containers = new ContainerDriver({
      ...{ folder: join(folder, 'containers'), rootsFolder, heardFile },
      ...{ runtime, network, images, volumes, logs, stats, facts, logger },
      variables: options.variables,
    });
    const care = stack.use(new VolumeCare({ volumes, facts, backups, logger }));
    const drivers = new Map<Workload['kind'], Driver>([
      ['container', containers],
      ['volume', new VolumeDriver({ volumes, facts, backups, care })],
    ]);
    if (zdb !== undefined) drivers.set('zdb', zdb);
    const { sizeBytes } = await volumes.room();
    const traffic = (): Promise<ReadonlyMap<string, LinkTraffic>> => readTraffic(prefix);
    const parts = { drivers, heardFile, containers, network, rules, images, volumes, zdb, traffic };
    const kept = stack.move();
    return new LinuxMachine({ ...parts, volumeBytes: sizeBytes }, () => kept.disposeAsync());
  }

  get images(): ReleaseImages {
    return this.#images;
  }

  imageSources(): Promise<readonly SourceStatus[] | undefined> {
    return this.#images.sources();
  }

  /**
   * Takes all of this node out of the kernel: what runs ends, nothing stays mounted. Data stay on the
   * disk, and the next open finds them. Then as `close`.
   */
  async leave(context: DriverContext): Promise<void> {
    const keys = (await this.containers.list()).map(({ key }) => key);
    await Promise.all(keys.map((key) => this.containers.release(key)));
    await this.#rules.close();
    await this.network.dismantle();
    await this.#images.stop(context.signal);
    await this.volumes.leave();
    await this.zdb?.endProcesses(context.signal);
    await this.containers.leave();
    await this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Whether a node of this prefix was opened since the machine runs, and did not leave it. */
export async function isInKernel(prefix: string): Promise<boolean> {
  return access(rootsFolderOf(prefix)).then(
    () => true,
    () => false,
  );
}

/** There as long as the node has anything in the kernel: it is made first, and goes last. */
function rootsFolderOf(prefix: string): string {
  return `/run/commongrid-${prefix}.roots`;
}

async function openZdb(options: LinuxMachineOptions): Promise<ZdbDriver | undefined> {
  const { zdb, logger = silentLogger } = options;
  if (zdb === undefined) return undefined;
  const { command, host, port } = zdb;
  const folder = join(options.folder, 'zdb');
  const ssd = { dataDir: join(folder, 'ssd', 'data'), ...(port === undefined ? {} : { port }) };
  return ZdbDriver.open({ folder, disks: { ssd }, host, command, logger });
}
