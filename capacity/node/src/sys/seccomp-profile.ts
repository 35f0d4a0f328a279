import { readFile } from 'node:fs/promises';

import { errorCode, GridError } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';

/** `linux.seccomp` of OCI. */
export interface SeccompFilter {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArgument[];
}

interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: string;
}

/** The format of Debian's golang-github-containers-common: rules that hold under conditions. */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly archMap: readonly {
    architecture: string;
    subArchitectures?: readonly string[] | null;
  }[];
  readonly syscalls: readonly (Omit<SeccompRule, 'args'> & {
    readonly args?: readonly SeccompArgument[] | null;
    readonly includes?: SeccompConditions;
    readonly excludes?: SeccompConditions;
  })[];
}

interface SeccompConditions {
  readonly arches?: readonly string[];
  readonly caps?: readonly string[];
}

const profilePath = '/usr/share/containers/seccomp.json';

/** @throws NODE_FEATURE_MISSING */
export async function readSeccompProfile(path = profilePath): Promise<SeccompProfile> {
  try {
    const profile: SeccompProfile = JSON.parse(await readFile(path, 'utf8'));
    return profile;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && !(error instanceof SyntaxError)) throw error;
    throw new GridError<NodeErrorCode>('NODE_FEATURE_MISSING', `no seccomp profile in ${path}`, {
      hint: 'apt-get install golang-github-containers-common',
      cause: error,
    });
  }
}

export interface SeccompPurpose {
  readonly architecture: 'x64' | 'arm64';
  readonly capabilities: readonly string[];
  /** May make namespaces and mounts of its own. */
  readonly mayMount: boolean;
  /** May run only what its image has. */
  readonly isImageOnly: boolean;
}

/**
 * The profile as a filter for one kind of container. It is made for containers that hold others, so
 * it lets all have user namespaces, and in those what only root may. That is most of what the kernel
 * could be attacked by, and could mount something to write to and execute; it is refused here.
 */
export function seccompFilter(profile: SeccompProfile, purpose: SeccompPurpose): SeccompFilter {
  const { architecture, capabilities, mayMount, isImageOnly } = purpose;
  const names = architectureNames[architecture];
  const holds = ({ arches, caps }: SeccompConditions = {}): boolean =>
    (arches === undefined || names.go.some((name) => arches.includes(name))) &&
    (caps === undefined || caps.every((name) => capabilities.includes(name)));
  const isExcluded = ({ arches, caps }: SeccompConditions = {}): boolean =>
    names.go.some((name) => arches?.includes(name) === true) ||
    capabilities.some((name) => caps?.includes(name) === true);
  const replaced = new Set([
    'ioctl',
    ...(mayMount ? [] : [...namespaceCalls, ...refusedCalls]),
    ...(isImageOnly ? ['memfd_create'] : []),
  ]);
  const syscalls: SeccompRule[] = [];
  for (const { names: calls, action, errnoRet, args, includes, excludes } of profile.syscalls) {
    if (!holds(includes) || isExcluded(excludes)) continue;
    const kept = calls.filter((name) => !replaced.has(name));
    if (kept.length === 0) continue;
    syscalls.push({
      names: kept,
      action,
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args === undefined || args === null || args.length === 0 ? {} : { args }),
    });
  }
  syscalls.push(...ioctlRules);
  if (!mayMount) syscalls.push(...namespaceRules);
  if (isImageOnly) syscalls.push(...imageOnlyRules);
  const { defaultAction, defaultErrnoRet } = profile;
  const family = profile.archMap.find((each) => each.architecture === names.seccomp);
  return {
    defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures: [names.seccomp, ...(family?.subArchitectures ?? [])],
    syscalls,
  };
}

/** Go's names, 32-bit ones included, and libseccomp's. */
const architectureNames = {
  x64: { go: ['amd64', 'x86', 'x32'], seccomp: 'SCMP_ARCH_X86_64' },
  arm64: { go: ['arm64', 'arm'], seccomp: 'SCMP_ARCH_AARCH64' },
} as const;

const allow = 'SCMP_ACT_ALLOW';
const refuse = 'SCMP_ACT_ERRNO';
const notPermitted = 1;
const notImplemented = 38;

const namespaceCalls = ['clone', 'clone3', 'setns', 'unshare'];

/** Mounts, keys of the kernel, and what looks at or ends the machine. */
const refusedCalls = [
  ...['fsconfig', 'fsmount', 'fsopen', 'fspick', 'mount', 'mount_setattr', 'move_mount'],
  ...['open_tree', 'pivot_root', 'umount', 'umount2'],
  ...['add_key', 'keyctl', 'request_key', 'fanotify_mark', 'name_to_handle_at', 'reboot'],
];

/** CLONE_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET: linux/sched.h. */
const newNamespaceFlags = 0x7e_02_00_00;

const namespaceRules: readonly SeccompRule[] = [
  {
    names: ['clone'],
    action: allow,
    args: [{ index: 0, value: newNamespaceFlags, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
  },
  // Its flags are behind a pointer; libraries fall back to clone.
  { names: ['clone3'], action: refuse, errnoRet: notImplemented },
  { names: ['setns', 'unshare', ...refusedCalls], action: refuse, errnoRet: notPermitted },
];

/** The type of a call that is one of btrfs, and where in the number of the call it is: linux/btrfs.h. */
const btrfsType = 0x94;
const typeShift = 8;

/** FICLONE, FICLONERANGE and FIDEDUPERANGE, which all file systems have from btrfs: linux/fs.h. */
const cloneCalls = [0x40_04_94_09, 0x40_20_94_0d, 0xc0_18_94_36];

/**
 * Calls of btrfs are refused: whoever owns a folder of a volume may else make subvolumes in it, which
 * no limit knows of. A filter cannot say "not equal" twice of one argument, so what is allowed is what
 * differs from the type in one of its bits or more.
 */
const ioctlRules: readonly SeccompRule[] = [
  ...Array.from({ length: 8 }, (_all, bit) => {
    const mask = 2 ** (bit + typeShift);
    const valueTwo = (btrfsType << typeShift) & mask ? 0 : mask;
    return { index: 1, value: mask, valueTwo, op: 'SCMP_CMP_MASKED_EQ' };
  }),
  // The kernel looks at the lower half only.
  ...cloneCalls.map((valueTwo) => ({
    ...{ index: 1, value: 0xff_ff_ff_ff, valueTwo },
    op: 'SCMP_CMP_MASKED_EQ',
  })),
].map((argument) => ({ names: ['ioctl'], action: allow, args: [argument] }));

/** MFD_NOEXEC_SEAL: linux/memfd.h. */
const noExecuteSeal = 8;

const imageOnlyRules: readonly SeccompRule[] = [
  {
    names: ['memfd_create'],
    action: allow,
    args: [{ index: 1, value: noExecuteSeal, valueTwo: noExecuteSeal, op: 'SCMP_CMP_MASKED_EQ' }],
  },
];
