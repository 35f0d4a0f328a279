import { access, constants, readFile, statfs } from 'node:fs/promises';
import { release } from 'node:os';
import { dirname } from 'node:path';

import { formatBytes, isGridError, runProgram } from '@commongrid/base';

import { readSeccompProfile } from '../sys/seccomp-profile.ts';

/** Something that a node needs of its machine, as it was found by trying. */
export interface Finding {
  readonly name: string;
  readonly isOk: boolean;
  /** What was found. */
  readonly says: string;
  /** What to do; only when it is not ok. */
  readonly next?: string;
}

/** Less free disk than this is told. */
const diskBytesMin = 2 * 2 ** 30;
/** A probe takes no longer, ms. */
const probeTimeoutMs = 10_000;

/** Tries everything that a node needs of a Linux machine. Nothing is changed. */
export async function examineMachine(folder: string): Promise<readonly Finding[]> {
  return Promise.all([
    root(),
    kernel(),
    cgroups(),
    tried('user namespaces', ['unshare', '--user', 'true'], {
      next: 'sysctl user.max_user_namespaces=65536',
    }),
    tried('network namespaces', ['unshare', '--net', 'true'], {
      next: 'run it as root on a kernel with CONFIG_NET_NS',
    }),
    fileSystem('overlay', 'CONFIG_OVERLAY_FS'),
    fileSystem('erofs', 'CONFIG_EROFS_FS; until then images are served by FUSE, slower'),
    fileSystem('btrfs', 'CONFIG_BTRFS_FS; until then each volume is a file system of its own'),
    device('FUSE', '/dev/fuse', 'modprobe fuse'),
    device('loop devices', '/dev/loop-control', 'modprobe loop'),
    program('mkfs.btrfs', ['--version'], 'btrfs-progs'),
    program('mkfs.ext4', ['-V'], 'e2fsprogs'),
    program('ip', ['-V'], 'iproute2'),
    tried('nft', ['nft', 'list', 'tables'], { next: 'apt-get install nftables' }),
    program('conntrack', ['--version'], 'conntrack'),
    program('runc', ['--version'], 'runc'),
    program('conmon', ['--version'], 'conmon'),
    program('script', ['--version'], 'bsdutils'),
    program('openssl', ['version'], 'openssl'),
    seccomp(),
    disk(folder),
  ]);
}

async function root(): Promise<Finding> {
  const isOk = process.getuid?.() === 0;
  const says = isOk ? 'yes' : 'no';
  return { name: 'root', isOk, says, ...(isOk ? {} : { next: 'run it as root' }) };
}

async function kernel(): Promise<Finding> {
  return kernelFinding(release());
}

/** What a node makes of a kernel of this release, such as `6.1.0-44-amd64`. */
export function kernelFinding(found: string): Finding {
  const [major = 0, minor = 0] = found.split('.').map(Number);
  const isFrom = (wanted: number): boolean => major > 6 || (major === 6 && minor >= wanted);
  if (!isFrom(1)) {
    const next =
      'install Linux 6.1 or newer: before that btrfs hides that it counts volumes wrongly';
    return { name: 'kernel', isOk: false, says: found, next };
  }
  const slower = 'images are slower than from 6.5 on: overlayfs has no layers of data only';
  return { name: 'kernel', isOk: true, says: isFrom(5) ? found : `${found}; ${slower}` };
}

async function cgroups(): Promise<Finding> {
  const name = 'cgroups';
  if (await isThere('/sys/fs/cgroup/cgroup.controllers')) {
    const text = await readFile('/sys/fs/cgroup/cgroup.controllers', 'utf8');
    return withAll(name, 'version 2', ['cpu', 'memory', 'pids'], text.trim().split(' '));
  }
  const wanted = ['cpu', 'cpuacct', 'cpuset', 'freezer', 'memory', 'pids'];
  const there = await Promise.all(wanted.map((one) => isThere(`/sys/fs/cgroup/${one}`)));
  const found = wanted.filter((_one, index) => there[index] === true);
  return withAll(name, 'version 1', wanted, found);
}

function withAll(
  name: string,
  kind: string,
  wanted: readonly string[],
  found: readonly string[],
): Finding {
  const missing = wanted.filter((one) => !found.includes(one));
  if (missing.length === 0) return { name, isOk: true, says: kind };
  const says = `${kind}, without ${missing.join(', ')}`;
  return { name, isOk: false, says, next: 'mount these controllers below /sys/fs/cgroup' };
}

async function fileSystem(name: string, option: string): Promise<Finding> {
  const known = (await readFile('/proc/filesystems', 'utf8')).split('\n');
  const isOk = known.some((line) => line.trim().split(/\s+/).at(-1) === name);
  if (isOk) return { name, isOk, says: 'the kernel has it' };
  return { name, isOk, says: 'the kernel has it not', next: `modprobe ${name}: ${option}` };
}

async function device(name: string, path: string, next: string): Promise<Finding> {
  const isOk = await isThere(path, constants.R_OK | constants.W_OK);
  return { name, isOk, says: isOk ? path : `no ${path}`, ...(isOk ? {} : { next }) };
}

function program(name: string, args: readonly string[], debian: string): Promise<Finding> {
  return tried(name, [name, ...args], { next: `apt-get install ${debian}` });
}

async function tried(
  name: string,
  [command = '', ...args]: readonly string[],
  { next }: { readonly next: string },
): Promise<Finding> {
  try {
    const printed = await runProgram(command, args, { timeoutMs: probeTimeoutMs });
    const [line = ''] = printed.split('\n');
    const version = /\d+\.\d+[\w.+~-]*/.exec(line)?.[0];
    return { name, isOk: true, says: version ?? 'works' };
  } catch (error) {
    if (!isGridError(error)) throw error;
    return { name, isOk: false, says: error.message, next };
  }
}

async function seccomp(): Promise<Finding> {
  const name = 'seccomp profile';
  try {
    const { syscalls } = await readSeccompProfile();
    return { name, isOk: true, says: `${syscalls.length} rules` };
  } catch (error) {
    if (!isGridError(error)) throw error;
    return { name, isOk: false, says: error.message, next: error.hint ?? '' };
  }
}

async function disk(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(await nearestThere(folder));
  const freeBytes = bavail * bsize;
  const isOk = freeBytes >= diskBytesMin;
  const says = `${formatBytes(freeBytes)} free at ${folder}`;
  return {
    name: 'disk',
    isOk,
    says,
    ...(isOk ? {} : { next: 'make room, or name --data elsewhere' }),
  };
}

/** The folder itself may be made later. */
async function nearestThere(path: string): Promise<string> {
  return (await isThere(path)) || path === '/' ? path : nearestThere(dirname(path));
}

function isThere(path: string, mode = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
