import { readFile, stat, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import {
  askControl,
  errorCode,
  isGridError,
  readTextIfThere,
  silentLogger,
  writeFileAtomic,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import { controlPathOf, serviceCommand } from '@commongrid/flist';
import type { FarmId } from '@commongrid/model';
import {
  addressUrl,
  examineMachine,
  leaveNode,
  LinuxMachine,
  machineAddresses,
  NodeAgent,
} from '@commongrid/node';
import type { BackupTarget, FactStore } from '@commongrid/node';

import type { LogTrust } from '../bcdb-trust.ts';
import { startImageService } from '../commands/flist/start-image-service.ts';
import { loopback } from '../ports.ts';
import type { Shards } from '../commands/zstor/store.ts';
import { openStorage } from '../open-source.ts';
import { keeperLock, untilFree } from './agent-keeper.ts';
import { BcdbSource } from './bcdb-source.ts';
import { ZstorBackups } from './zstor-backups.ts';

export interface OpenNodeOptions {
  /** Folder of this node alone. Absolute. */
  readonly folder: string;
  readonly key: SigningKey;
  readonly farm: FarmId;
  /** Name of the node in the farm. */
  readonly name: string;
  readonly trust: LogTrust;
  /** HTTP door of a database. */
  readonly url: string;
  /** Keys of the genesis that sign releases. */
  readonly releaseKeys: readonly string[];
  /** Origins of hubs. */
  readonly hubs: readonly string[];
  /** Version of the agent, for the node's record. */
  readonly software: string;
  /**
   * IP addresses at which it is reached; default: what is found, and what comes later. Its Zero-DBs listen at
   * the first one; by default on loopback, since nobody said to whom the machine may be open.
   */
  readonly addresses?: readonly string[] | undefined;
  /** Of what it makes in the kernel. */
  readonly prefix: string;
  /** Proof of the invitation by which it came. */
  readonly invite?: string | undefined;
  /** What of the disk is given to volumes and containers; default: half of what is free at first. */
  readonly volumeBytes?: number | undefined;
  /** Of namespaces of Zero-DB, on loopback; default: a free one, which is kept. */
  readonly zdbPort?: number | undefined;
  /** The Zero-Stor for backups of volumes; without one none are made. */
  readonly backups?: BackupStorage | undefined;
  readonly logger: Logger;
}

export interface BackupStorage {
  /** Names its Zero-DBs. */
  readonly backends: string;
  readonly shards: Shards;
}

/** Memory that the node keeps for itself, at least. */
const ownMemoryBytes = 512 * 2 ** 20;
/** Processes of all containers together. */
const pidsMax = 100_000;
/** Content of images that is kept until others need the room. */
const imageBytesMax = 10 * 2 ** 30;
/** Disk that is left for others, of what is free. */
const volumeShare = 0.5;

/** A node of this machine, at work until it is closed. What runs on it goes on after that. */
export async function openNode(options: OpenNodeOptions): Promise<NodeAgent> {
  const { folder, key, trust, url, releaseKeys, logger } = options;
  const source = await BcdbSource.open({
    ...{ folder: join(folder, 'feed'), url, trust, key, logger },
  });
  const { farm, name, software } = options;
  const addresses = options.addresses?.map(addressUrl);
  const volumeBytes = options.volumeBytes ?? (await volumeBytesOf(folder));
  const cpuMilli = availableParallelism() * 1000;
  const memoryBytes = Math.max(0, totalmem() - Math.max(ownMemoryBytes, totalmem() / 10));
  const room = {
    cpuMilli,
    memoryBytes: Math.floor(memoryBytes),
    ssdBytes: volumeBytes,
    hddBytes: 0,
  };
  const agent = await NodeAgent.open({
    ...{ folder, source, key, releaseKeys, logger },
    facts: {
      ...{ farm, name, software, capacity: room },
      ...{ features: await featuresOf(folder) },
      addresses: [...(addresses ?? (await machineAddresses()))],
      ...(options.invite === undefined ? {} : { invite: options.invite }),
    },
    findAddresses: addresses === undefined ? machineAddresses : undefined,
    capacity: { ...room, pids: pidsMax },
    openMachine: async (facts) => {
      const zdbHost = options.addresses?.[0] ?? loopback;
      await keepZdbHost(folder, zdbHost);
      const variables = variablesOf(options);
      return openMachine({ ...options, volumeBytes, zdbHost, variables }, facts);
    },
    bootId: await bootId(),
  });
  return agent;
}

/** What containers are told: the log, where to ask for it, and where others find what they publish. */
function variablesOf({ trust, url, addresses = [] }: OpenNodeOptions): Record<string, string> {
  const [address] = addresses;
  return {
    ...{ COMMONGRID_DATABASE: url, COMMONGRID_LOG: trust.log },
    COMMONGRID_SEQUENCER: trust.sequencerKey,
    ...(address === undefined ? {} : { COMMONGRID_ADDRESS: address }),
  };
}

/** What the node can do, found by trying: what it runs, and what of the machine makes a difference. */
async function featuresOf(folder: string): Promise<string[]> {
  const findings = await examineMachine(folder);
  const found = findings.filter(({ isOk }) => isOk);
  const kernel = ['btrfs', 'erofs'].filter((name) => found.some((one) => one.name === name));
  const [version] = found.flatMap(({ name, says }) =>
    name === 'cgroups' ? [`cgroups-${says.endsWith('2') ? 2 : 1}`] : [],
  );
  return ['containers', 'volumes', 'zdb', ...kernel, ...(version === undefined ? [] : [version])];
}

/** A node that is taken off its machine. */
export interface TakeOffOptions extends Pick<OpenNodeOptions, 'folder' | 'prefix' | 'zdbPort'> {
  readonly logger?: Logger;
}

/**
 * Takes a node that has no agent off its machine: containers end, nothing stays mounted. Data stay.
 * @throws BASE_FOLDER_LOCKED while the agent runs
 */
export async function takeOff(options: TakeOffOptions): Promise<void> {
  const { folder, logger = silentLogger } = options;
  await using _keeper = await keeperLock(folder);
  await untilFree(folder);
  const volumeBytes = await volumeBytesOf(folder);
  const zdbHost = await keptZdbHost(folder);
  const machine = { ...options, hubs: [], volumeBytes, zdbHost, logger };
  await leaveNode({ folder, openMachine: (facts) => openMachine(machine, facts) });
}

type MachineOptions = Required<Pick<OpenNodeOptions, 'folder' | 'prefix' | 'hubs' | 'logger'>> &
  Pick<OpenNodeOptions, 'zdbPort' | 'backups'> & {
    readonly volumeBytes: number;
    readonly zdbHost: string;
    readonly variables?: Readonly<Record<string, string>>;
  };

function openMachine(options: MachineOptions, facts: FactStore): Promise<LinuxMachine> {
  const { folder, prefix, hubs, zdbHost, zdbPort, backups, volumeBytes, logger } = options;
  const { variables } = options;
  return LinuxMachine.open({
    backups: backups && backupsOf(join(folder, 'backups'), backups),
    ...{ folder: join(folder, 'machine'), prefix, volumeBytes, facts, logger, variables },
    images: { hubs, maxBytes: imageBytesMax, startService },
    zdb: {
      command: [process.execPath, main, 'zdb', 'serve'],
      host: zdbHost,
      port: zdbPort,
    },
  });
}

/** Zero-DBs outlive the agent: whoever takes the node off has to find them. */
async function keepZdbHost(folder: string, host: string): Promise<void> {
  if ((await keptZdbHost(folder)) !== host) await writeFileAtomic(zdbHostFile(folder), host);
}

async function keptZdbHost(folder: string): Promise<string> {
  return (await readTextIfThere(zdbHostFile(folder))) ?? loopback;
}

function zdbHostFile(folder: string): string {
  return join(folder, 'zdb-host');
}

function backupsOf(data: string, { backends, shards }: BackupStorage): BackupTarget {
  return new ZstorBackups((signal) =>
    openStorage({ data, backends }, { canBegin: true, shards }, signal),
  );
}

/** Serves Zero-DBs as `grid` does. */
const main = fileURLToPath(new URL('../main.ts', import.meta.url));

/** The service where sources are of kinds that flists know nothing of. */
const pluggedService = fileURLToPath(new URL('../image-service-process.ts', import.meta.url));

async function startService(folder: string): Promise<void> {
  const answers = async (): Promise<boolean> => {
    try {
      await askControl(controlPathOf(folder), 'status', {}, { timeoutMs: 1_000 });
      return true;
    } catch (error) {
      if (isGridError(error)) return false;
      throw error;
    }
  };
  await startImageService(folder, serviceCommand(folder, pluggedService), answers);
}

/** This run of the machine: its kernel draws 16 bytes. */
async function bootId(): Promise<string> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
  const bytes = Buffer.from(text.trim().replaceAll('-', ''), 'hex');
  return bytes.toString('base64url');
}

/** What the disk has that is there, else a share of what is free. */
async function volumeBytesOf(folder: string): Promise<number> {
  try {
    return (await stat(join(folder, 'machine', 'volumes', 'pool.img'))).size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return freeShareOf(folder);
    throw error;
  }
}

async function freeShareOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.floor((bavail * bsize * volumeShare) / 2 ** 20) * 2 ** 20;
}
