import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seccompFilter } from './seccomp-profile.ts';
import type { SeccompProfile } from './seccomp-profile.ts';

const profile: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 38,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    { names: ['read', 'clone', 'mount', 'memfd_create', 'keyctl'], action: 'SCMP_ACT_ALLOW' },
    {
      names: ['personality'],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value: 8, op: 'SCMP_CMP_EQ' }],
    },
    { names: ['arch_prctl'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64', 'x32'] } },
    { names: ['set_tls'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm', 'arm64'] } },
    { names: ['bpf'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
    {
      names: ['bpf'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: 1,
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    },
  ],
};

const plain = {
  architecture: 'x64',
  capabilities: ['CAP_CHOWN'],
  mayMount: false,
  isImageOnly: false,
} as const;

/** Actions that the rules have for a call. */
function rulesOf(name: string, purpose: Parameters<typeof seccompFilter>[1]): readonly string[] {
  const rules = seccompFilter(profile, purpose).syscalls.filter((rule) =>
    rule.names.includes(name),
  );
  return rules.map(({ action, errnoRet, args }) =>
    [action.slice('SCMP_ACT_'.length), errnoRet, args?.length].filter(Boolean).join(' '),
  );
}

test('a seccomp filter has the rules whose conditions hold', () => {
  const { defaultAction, defaultErrnoRet, architectures } = seccompFilter(profile, plain);
  assert.equal(`${defaultAction} ${defaultErrnoRet}`, 'SCMP_ACT_ERRNO 38');
  assert.deepEqual(architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
  assert.deepEqual(rulesOf('read', plain), ['ALLOW']);
  assert.deepEqual(rulesOf('personality', plain), ['ALLOW 1']);
  assert.deepEqual(rulesOf('arch_prctl', plain), ['ALLOW']);
  assert.deepEqual(rulesOf('set_tls', plain), []);
  assert.deepEqual(rulesOf('set_tls', { ...plain, architecture: 'arm64' }), ['ALLOW']);
  assert.deepEqual(rulesOf('bpf', plain), ['ERRNO 1']);
  assert.deepEqual(rulesOf('bpf', { ...plain, capabilities: ['CAP_SYS_ADMIN'] }), ['ALLOW']);
});

test('a seccomp filter refuses namespaces, mounts and keys unless they are granted', () => {
  assert.deepEqual(rulesOf('clone', plain), ['ALLOW 1']);
  assert.deepEqual(rulesOf('clone3', plain), ['ERRNO 38']);
  for (const name of ['mount', 'keyctl', 'unshare', 'setns']) {
    assert.deepEqual(rulesOf(name, plain), ['ERRNO 1'], name);
  }
  const granted = { ...plain, mayMount: true };
  for (const name of ['clone', 'mount', 'keyctl']) {
    assert.deepEqual(rulesOf(name, granted), ['ALLOW'], name);
  }
});

test('a seccomp filter for images only lets files in memory be made that are never executed', () => {
  assert.deepEqual(rulesOf('memfd_create', plain), ['ALLOW']);
  assert.deepEqual(rulesOf('memfd_create', { ...plain, isImageOnly: true }), ['ALLOW 1']);
});

test('a seccomp filter lets all calls on files pass but those that are of btrfs alone', () => {
  const rules = seccompFilter(profile, plain).syscalls.filter(({ names }) => names[0] === 'ioctl');
  const isAllowed = (call: number): boolean =>
    rules.some(({ args: [argument] = [] }) => {
      const { value = 0, valueTwo = 0 } = argument ?? {};
      return (BigInt(call) & BigInt(value)) === BigInt(valueTwo);
    });
  const tty = [0x54_01, 0x54_13];
  const clones = [0x40_04_94_09, 0x40_20_94_0d, 0xc0_18_94_36];
  assert.deepEqual(
    [...tty, ...clones].filter((call) => !isAllowed(call)),
    [],
  );
  // Subvolumes and snapshots, each in its older and newer form; a search in the trees.
  const refused = [0x50_00_94_0e, 0x50_00_94_18, 0x50_00_94_01, 0x50_00_94_17, 0xd0_00_94_11];
  assert.deepEqual(refused.filter(isAllowed), []);
});
