import type { SeccompFilter } from '../sys/seccomp-profile.ts';
import { capabilitiesOf } from './capabilities.ts';
import type { ContainerMount, ContainerSpec } from './container-spec.ts';
import type { ProcessUser } from './resolve-user.ts';

/** What is known when a container is made, and is not in its spec. */
export interface OciSurroundings {
  readonly seccomp: SeccompFilter;
  readonly cgroupsPath: string;
  /** CPUs that it is to keep to. */
  readonly cpus: readonly number[] | undefined;
  readonly canLimitSwap: boolean;
  readonly openFilesMax: number;
  /** A sysfs in which no network of the host is seen. */
  readonly sysFolder: string;
}

/** Ids of users that a container has. */
export const userIdCount = 65_536;

/** config.json of a bundle: OCI runtime spec 1.0.2. */
export function ociConfig(spec: ContainerSpec, surroundings: OciSurroundings): object {
  const { rootFolder, hostname, uidStart, isElevated } = spec;
  const idMappings = [{ containerID: 0, hostID: uidStart, size: userIdCount }];
  return {
    ociVersion: '1.0.2',
    root: { path: rootFolder, readonly: spec.isReadOnly || spec.isImageOnly },
    hostname,
    process: ociProcess({ ...spec, openFilesMax: surroundings.openFilesMax }),
    mounts: ociMounts(spec, surroundings.sysFolder),
    linux: {
      // None for the network: runc is in the container's already.
      namespaces: ['pid', 'ipc', 'uts', 'mount', 'cgroup', 'user'].map((type) => ({ type })),
      uidMappings: idMappings,
      gidMappings: idMappings,
      cgroupsPath: surroundings.cgroupsPath,
      resources: resourcesOf(spec, surroundings),
      devices: isElevated ? [fuseDevice] : [],
      seccomp: surroundings.seccomp,
      maskedPaths,
      readonlyPaths,
    },
  };
}

export interface OciProcessOptions {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: ProcessUser;
  readonly isElevated: boolean;
  /** Size of its terminal, if it has one. */
  readonly terminal?: TerminalSize | undefined;
  /** Files that it may have open if it asks for as many. */
  readonly openFilesMax: number;
}

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** As systemd has it: programs that use select() break above 1,024, others ask for more. */
const openFilesFirst = 1_024;
export const openFilesWanted = 524_288;

/** `process` of OCI, for the first process of a container and for those that join it. */
export function ociProcess(options: OciProcessOptions): object {
  const { command, env, cwd, user, isElevated, terminal, openFilesMax: hard } = options;
  const capabilities = capabilitiesOf(isElevated);
  return {
    terminal: terminal !== undefined,
    ...(terminal === undefined
      ? {}
      : { consoleSize: { height: terminal.rows, width: terminal.columns } }),
    args: command,
    env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    cwd,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.groups },
    // Users other than root lose them as their program starts, as on any machine.
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    noNewPrivileges: true,
    rlimits: [
      { type: 'RLIMIT_NOFILE', soft: Math.min(openFilesFirst, hard), hard },
      { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
    ],
    // A machine short of memory ends containers first.
    oomScoreAdj: 500,
  };
}

function ociMounts(spec: ContainerSpec, sysFolder: string): object[] {
  const { isReadOnly, isImageOnly, mounts } = spec;
  const never = ['nosuid', 'nodev'];
  const inMemory = (destination: string, mode: string, sizeMib: number): object => ({
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: [...never, ...(isImageOnly ? ['noexec'] : []), `mode=${mode}`, `size=${sizeMib}m`],
  });
  const bind = ({ source, target, isReadOnly: isFixed }: ContainerMount): object => ({
    destination: target,
    type: 'bind',
    source,
    options: ['bind', ...never, isFixed ? 'ro' : 'rw', ...(isImageOnly ? ['noexec'] : [])],
  });
  const kernel = (destination: string, type: string, options: readonly string[]): object => ({
    destination,
    type,
    source: type,
    options: ['nosuid', 'noexec', ...options],
  });
  const isTaken = (target: string): boolean => mounts.some((mount) => mount.target === target);
  return [
    kernel('/proc', 'proc', ['nodev']),
    kernel('/dev', 'tmpfs', ['strictatime', 'mode=755', 'size=64k']),
    kernel('/dev/pts', 'devpts', ['newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']),
    kernel('/dev/mqueue', 'mqueue', ['nodev']),
    inMemory('/dev/shm', '1777', 64),
    { ...kernel('/sys', 'bind', ['bind', 'nodev', 'ro']), source: sysFolder },
    kernel('/sys/fs/cgroup', 'cgroup', ['nodev', 'relatime', 'ro']),
    ...(isReadOnly || isImageOnly
      ? [inMemory('/run', '755', 16), inMemory('/tmp', '1777', 64)].filter(
          (_mount, index) => !isTaken(index === 0 ? '/run' : '/tmp'),
        )
      : []),
    ...mounts.map(bind),
  ];
}

const cpuPeriodUs = 100_000;

function resourcesOf(spec: ContainerSpec, surroundings: OciSurroundings): object {
  const { cpuMilli, memoryBytes, pids } = spec.limits;
  const { cpus, canLimitSwap } = surroundings;
  return {
    devices: [
      { allow: false, access: 'rwm' },
      ...(spec.isElevated ? [{ allow: true, ...fuseNumbers, access: 'rw' }] : []),
    ],
    cpu: {
      period: cpuPeriodUs,
      quota: Math.max(cpuQuotaUsMin, Math.floor((cpuMilli * cpuPeriodUs) / 1_000)),
      shares: Math.max(2, Math.floor((cpuMilli * 1_024) / 1_000)),
      ...(cpus === undefined ? {} : { cpus: cpus.join(',') }),
    },
    // With swap counted in, a limit of the same size leaves none.
    memory: { limit: memoryBytes, ...(canLimitSwap ? { swap: memoryBytes } : {}) },
    pids: { limit: pids },
  };
}

/** The kernel takes no less. */
const cpuQuotaUsMin = 1_000;

const fuseNumbers = { type: 'c', major: 10, minor: 229 } as const;

const fuseDevice = { path: '/dev/fuse', ...fuseNumbers, fileMode: 0o666, uid: 0, gid: 0 } as const;

/** What tells of the machine, or of others on it: nothing is seen there. */
const maskedPaths = [
  ...['/proc/acpi', '/proc/asound', '/proc/interrupts', '/proc/kcore', '/proc/keys'],
  ...['/proc/latency_stats', '/proc/sched_debug', '/proc/scsi', '/proc/timer_list'],
  ...['/proc/timer_stats', '/sys/devices/virtual/block', '/sys/devices/virtual/powercap'],
  ...['/sys/firmware', '/sys/fs/btrfs'],
];

/** What changes the machine, or a namespace that the node has set up. */
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];
