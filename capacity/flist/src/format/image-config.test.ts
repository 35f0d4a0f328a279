import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import * as fc from 'fast-check';
import { imageConfigOf } from './image-config.ts';

// The example of OCI's image specification, with what docker adds.
const config: JsonValue = {
  created: '2015-10-31T22:22:56.015925234Z',
  author: 'Alyssa P. Hacker <alyspdev@example.com>',
  architecture: 'amd64',
  os: 'linux',
  'os.version': 'kept as it is',
  config: {
    User: 'alice',
    ExposedPorts: { '8080/tcp': {}, '53/udp': {}, '22': {} },
    Env: ['PATH=/usr/bin', 'EMPTY=', 'TWO=a=b'],
    Entrypoint: ['/bin/my-app-binary'],
    Cmd: ['--foreground', '--config', ''],
    Volumes: { '/var/job-result-data': {}, '/var/log/my-app-logs': {} },
    WorkingDir: '/srv/alice',
    Labels: { 'com.example.project.git.url': 'https://example.com/project.git', none: '' },
    StopSignal: 'SIGRTMIN+3',
    Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 30_000_000_000, Retries: 3 },
    OnBuild: null,
  },
  rootfs: { type: 'layers', diff_ids: [] },
};

test('image config gives what OCI and docker say of running an image', () => {
  assert.deepEqual(imageConfigOf({ config }), {
    architecture: 'amd64',
    os: 'linux',
    variant: undefined,
    created: '2015-10-31T22:22:56.015925234Z',
    author: 'Alyssa P. Hacker <alyspdev@example.com>',
    entrypoint: ['/bin/my-app-binary'],
    cmd: ['--foreground', '--config', ''],
    env: ['PATH=/usr/bin', 'EMPTY=', 'TWO=a=b'],
    user: 'alice',
    workingDir: '/srv/alice',
    stopSignal: 'SIGRTMIN+3',
    exposedPorts: [
      { port: 22, protocol: 'tcp' },
      { port: 8080, protocol: 'tcp' },
      { port: 53, protocol: 'udp' },
    ],
    volumes: ['/var/job-result-data', '/var/log/my-app-logs'],
    healthcheck: {
      test: ['CMD-SHELL', 'true'],
      intervalNs: 30_000_000_000,
      timeoutNs: undefined,
      startPeriodNs: undefined,
      startIntervalNs: undefined,
      retries: 3,
    },
    labels: new Map([
      ['com.example.project.git.url', 'https://example.com/project.git'],
      ['none', ''],
    ]),
  });
});

test('image config that says nothing is empty', () => {
  const nothing = imageConfigOf({});
  assert.deepEqual(nothing.cmd, []);
  assert.equal(nothing.healthcheck, undefined);
  for (const json of [{}, { config: null }, { config: { Cmd: null, User: '', Labels: null } }]) {
    assert.deepEqual(imageConfigOf({ config: json }), nothing);
  }
});

test('image config of a wrong type is refused with the name of the field', () => {
  const wrong: [JsonValue, string][] = [
    [[], 'config'],
    ['text', 'config'],
    [{ os: 1 }, 'os'],
    [{ config: [] }, 'config'],
    [{ config: { Env: 'A=b' } }, 'config.Env'],
    [{ config: { Env: ['A=b', '=c'] } }, 'config.Env.1'],
    [{ config: { Env: ['A'] } }, 'config.Env.0'],
    [{ config: { Cmd: ['a', 1] } }, 'config.Cmd.1'],
    [{ config: { Cmd: ['a\0b'] } }, 'config.Cmd.0'],
    [{ config: { Entrypoint: {} } }, 'config.Entrypoint'],
    [{ config: { User: 0 } }, 'config.User'],
    [{ config: { ExposedPorts: ['80'] } }, 'config.ExposedPorts'],
    [{ config: { ExposedPorts: { '0/tcp': {} } } }, 'config.ExposedPorts.0/tcp'],
    [{ config: { ExposedPorts: { '65536': {} } } }, 'config.ExposedPorts.65536'],
    [{ config: { ExposedPorts: { '80/quic': {} } } }, 'config.ExposedPorts.80/quic'],
    [{ config: { Volumes: { '/v': 1 } } }, 'config.Volumes./v'],
    [{ config: { Labels: { a: 1 } } }, 'config.Labels.a'],
    [{ config: { Healthcheck: [] } }, 'config.Healthcheck'],
    [{ config: { Healthcheck: { Interval: 1.5 } } }, 'config.Healthcheck.Interval'],
    [{ config: { Healthcheck: { Retries: -1 } } }, 'config.Healthcheck.Retries'],
  ];
  for (const [json, field] of wrong) {
    const expected = { code: 'FLIST_CONFIG_INVALID', details: { field } };
    assert.throws(() => imageConfigOf({ config: json }), expected, field);
  }
});

test('image config of any JSON is read or refused by its code', () => {
  const names = ['Env', 'Cmd', 'User', 'ExposedPorts', 'Volumes', 'Healthcheck', 'Labels'];
  const inner = fc.dictionary(fc.constantFrom(...names), fc.jsonValue());
  const any = fc.oneof(fc.record({ config: inner }), fc.jsonValue());
  fc.assert(
    fc.property(any, (json) => {
      try {
        imageConfigOf({ config: json as JsonValue });
      } catch (error) {
        assert.ok(isGridError(error, 'FLIST_CONFIG_INVALID'), String(error));
      }
    }),
  );
});
