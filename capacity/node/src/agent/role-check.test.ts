import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import type { Container, ContractRole, Health, Volume } from '@commongrid/model';

import { checkRole } from './role-check.ts';

const mib = 2 ** 20;

const container: Container = {
  ...{ flist: 'f'.repeat(64) as never, entrypoint: ['/bin/sh'], env: [], secretEnv: [] },
  ...{ rootBytes: 16 * mib, isReadOnly: false, exec: 'any', pids: 1, volumes: [], files: [] },
  ...{ ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: 80 }], logs: [] },
  stop: { signal: 'SIGRTMIN+3', graceSeconds: 0 },
};

const role: ContractRole = {
  ...{ name: 'web', replicas: 1, networks: [], after: [], data: 'none', onIsolation: 'keep' },
  restart: { policy: 'always', delayMs: 200, delayMaxMs: 1_000 },
  spread: { distinctNodes: false },
  resources: { cpuMilli: 0, memoryBytes: 4 * mib, ssdBytes: 16 * mib, hddBytes: 0, ipv4: 0 },
  workload: { kind: 'container', container },
};

const health: Health = {
  ...{ probe: 'http', port: 'http', everySeconds: 1, timeoutSeconds: 1, failures: 1 },
  startSeconds: 1,
};

const volume: Volume = { sizeBytes: 16 * mib, disk: 'ssd' };

function withContainer(change: Partial<Container>): ContractRole {
  return { ...role, workload: { kind: 'container', container: { ...container, ...change } } };
}

function withVolume(change: Partial<Volume>): ContractRole {
  return { ...role, workload: { kind: 'volume', volume: { ...volume, ...change } } };
}

function check(one: ContractRole, secret = ''): void {
  checkRole({ role: one, secrets: new Map([['token', secret]]) });
}

function file(path: string) {
  return { path, mode: 0o444, content: '' };
}

test('a role that a node can run passes', () => {
  const disk = { role: 'disk', path: '/data', isReadOnly: false };
  const good = [
    role,
    { ...role, health },
    withContainer({ files: [file('/data/conf'), file('/etc/hosts')], volumes: [disk] }),
    withContainer({ isReadOnly: true, rootBytes: 0, exec: 'image-only' }),
    withContainer({ secretEnv: [{ name: 'A', secret: 'token' }] }),
    withContainer({ env: [{ name: 'A', value: 'two\nlines' }] }),
    withContainer({ logs: [{ kind: 'redis', to: 'rediss://a/b' }, { kind: 'file' }] }),
    withContainer({ stats: { to: 'https://a/', everySeconds: 1 } }),
    withVolume({}),
  ];
  for (const one of good) check(one, 'a\nb');
});

test('a role that would fail for ever, or get more than it asked for, is refused', () => {
  const { ssdBytes } = role.resources;
  const data = { role: 'disk', path: '/data', isReadOnly: false };
  const port = { name: 'http', port: 80, protocol: 'tcp' as const };
  const bad: Record<string, ContractRole> = {
    'no memory': { ...role, resources: { ...role.resources, memoryBytes: 0 } },
    'a root over its disk': withContainer({ rootBytes: ssdBytes + 1 }),
    'a log over its disk': withContainer({ logs: [{ kind: 'file', sizeBytes: mib }] }),
    'a root too small': withContainer({ rootBytes: 0 }),
    'a volume over its disk': withVolume({ sizeBytes: ssdBytes + 1 }),
    'a volume on another disk': withVolume({ disk: 'hdd' }),
    'a volume too small': withVolume({ sizeBytes: 1 }),
    'a copy of itself': withVolume({ cloneOf: 'web' }),
    'two kinds': { ...role, workload: { kind: 'container', container, volume } },
    'another kind': { ...role, workload: { kind: 'volume', container } },
    nothing: { ...role, workload: { kind: 'container' } },
    'waiting for itself': { ...role, after: ['web'] },
    'image-only and written to': withContainer({ exec: 'image-only' }),
    'a signal of nobody': withContainer({ stop: { signal: 'SIGFOO', graceSeconds: 1 } }),
    'NUL in a word': withContainer({ args: ['a\0b'] }),
    'NUL in a variable': withContainer({ env: [{ name: 'A', value: '\0' }] }),
    'NUL in a secret': withContainer({ secretEnv: [{ name: 'A', secret: 'token' }] }),
    'a folder of descriptors': withContainer({ workingDir: '/proc/self/fd/7' }),
    'the root': withContainer({ volumes: [{ ...data, path: '/' }] }),
    'a path that climbs': withContainer({ files: [file('/../../etc/passwd')] }),
    'a path with a slash more': withContainer({ volumes: [{ ...data, path: '/data/' }] }),
    processes: withContainer({ files: [file('/proc/1/comm')] }),
    devices: withContainer({ volumes: [{ ...data, path: '/dev' }] }),
    'one path twice': withContainer({ volumes: [data], files: [file('/data')] }),
    'one port name twice': withContainer({ ports: [port, { ...port, port: 81 }] }),
    'publishing twice': withContainer({
      ports: [
        { ...port, publish: 80 },
        { ...port, name: 'other', publish: 80 },
      ],
    }),
    'a sink of nowhere': withContainer({ logs: [{ kind: 'redis' }] }),
    'a sink of another kind': withContainer({ logs: [{ kind: 'http', to: 'redis://a/b' }] }),
    'stats for nobody': withContainer({ stats: { to: 'ftp://a/', everySeconds: 1 } }),
    'a sink without sense': withContainer({ logs: [{ kind: 'http', to: 'http://[::::' }] }),
    'a probe without a port': { ...role, health: { ...health, port: 'other' } },
    'a probe without a command': { ...role, health: { ...health, probe: 'exec' } },
  };
  for (const [what, one] of Object.entries(bad)) {
    assert.throws(() => check(one, 'a\0b'), hasCode('NODE_ROLE_INVALID'), what);
  }
});
