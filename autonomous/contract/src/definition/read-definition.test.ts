import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGridError } from '@commongrid/base';
import { readDefinition } from './read-definition.ts';

const flist = 'a'.repeat(64);
const volume = { name: 'disk', volume: { size: '64MiB' } };

function faultOf(value: unknown): string {
  try {
    readDefinition(value);
  } catch (error) {
    if (!isGridError(error, 'CONTRACT_DEFINITION_INVALID')) throw error;
    assert.ok(error.hint !== undefined && error.message.length > 5);
    return String(error.details['path']);
  }
  return 'none';
}

const withRoles = (...roles: readonly object[]) => ({ name: 'shop', roles });

test('what an author leaves out has a default, and what he says stays', () => {
  const { roles, networks, termMs } = readDefinition({
    name: 'shop',
    days: 30,
    secrets: { admin: 'x' },
    networks: { inner: '10.1.0.0/16' },
    roles: [
      volume,
      {
        name: 'shard',
        ...{ shards: '4+2', data: 'dispersed', spread: { perFarm: 2 }, cpu: 0.25, memory: '1MiB' },
        zdb: { size: '8MiB', disk: 'hdd', password: 'admin' },
        networks: ['inner'],
      },
      { name: 'web', container: { image: 'base', logs: [{ kind: 'file', sizeBytes: 10 }] } },
    ],
  });
  const [disk, shard, web] = roles;
  assert.deepEqual(disk?.role.workload.volume, { disk: 'ssd', sizeBytes: 2 ** 26 });
  assert.equal(disk?.role.data, 'local');
  assert.deepEqual(shard?.shards, { dataShards: 4, parityShards: 2 });
  assert.equal(shard?.role.replicas, 6);
  assert.deepEqual(shard?.role.spread, { distinctNodes: false, perFarm: 2 });
  assert.deepEqual(shard?.role.resources, {
    ...{ cpuMilli: 250, memoryBytes: 2 ** 20, ssdBytes: 0, hddBytes: 2 ** 23, ipv4: 0 },
  });
  assert.equal(web?.image, 'base');
  assert.equal(web?.role.resources.ssdBytes, 2 ** 28 + 10);
  assert.deepEqual(networks, [{ name: 'inner', range: '10.1.0.0/16' }]);
  assert.equal(termMs, 30 * 86_400_000);
});

test('each fault of a definition is told with its place', () => {
  const web = (rest: object, container: object = {}) =>
    withRoles(volume, { name: 'web', container: { flist, ...container }, ...rest });
  const cases: readonly (readonly [string, unknown])[] = [
    ['', 'text'],
    ['/role', { name: 'shop', role: [] }],
    ['/roles', { name: 'shop', roles: [] }],
    ['/name', { name: '', roles: [volume] }],
    ['/roles/0', withRoles({ name: 'disk' })],
    ['/roles/0/volume/size', withRoles({ name: 'disk', volume: { size: '64 megs' } })],
    ['/roles/0/replica', withRoles({ ...volume, replica: 2 })],
    ['/roles/0/name', withRoles({ ...volume, name: 'Disk' })],
    ['/roles/1/name', withRoles(volume, volume)],
    ['/roles/0/cpu', withRoles({ ...volume, cpu: -1 })],
    ['/roles/0/shards', withRoles({ ...volume, shards: '2+1' })],
    ['/roles/0/shards', withRoles({ ...volume, shards: '2', data: 'dispersed' })],
    ['/roles/0/replicas', withRoles({ ...volume, shards: '2+1', data: 'dispersed', replicas: 2 })],
    ['/roles/0/data', withRoles({ ...volume, data: 'shared' })],
    ['/roles/0/after/0', withRoles({ ...volume, after: ['web'] })],
    ['/roles/0/after', withRoles({ ...volume, after: ['disk'] })],
    ['/roles/1/container/flist', web({}, { flist: 'latest' })],
    ['/roles/1/container/memry', web({}, { memry: 1 })],
    ['/roles/1/container/image', web({}, { image: 'base' })],
    [
      '/roles/1/container/ports/0/port',
      web({}, { ports: [{ name: 'x', port: 0, protocol: 'tcp' }] }),
    ],
    ['/roles/1/container/volumes/0/role', web({}, { volumes: [mount('other')] })],
    ['/roles/1/container/volumes/0/role', web({}, { volumes: [mount('web')] })],
    ['/roles/1/container/volumes/0/role', web({ replicas: 2 }, { volumes: [mount('disk')] })],
    ['/roles/1/container/secretEnv/0/secret', web({}, { secretEnv: [{ name: 'A', secret: 'a' }] })],
    ['/roles/1/health/port', web({ health: { probe: 'http', port: 'http' } })],
    ['/roles/1/health/command', web({ health: { probe: 'exec' } })],
    ['/roles/1/networks/0', web({ networks: ['inner'] })],
    ['/networks/inner', { ...withRoles(volume), networks: { inner: '10.1.2.3/16' } }],
    ['/secrets/a', { ...withRoles(volume), secrets: { a: {} } }],
    ['/secrets/a/generate', { ...withRoles(volume), secrets: { a: { generate: 4 } } }],
    ['/policy/provision', { ...withRoles(volume), policy: { upgrade: [] } }],
    ['/policy/provision/0/min', { ...withRoles(volume), policy: { provision: [line(3)] } }],
    ['/budget/perMonth', { ...withRoles(volume), budget: { currency: 'EUR', perMonth: 1.5 } }],
    ['/heal/maxPerDay', { ...withRoles(volume), heal: { maxPerDay: 1 } }],
    ['/days', { ...withRoles(volume), days: 0 }],
    [
      '/roles/0/volume/sizeBytes',
      withRoles({ name: 'disk', volume: { size: '1GiB', sizeBytes: 1 } }),
    ],
    ['/from', { ...withRoles(volume), from: 'soon' }],
    ['/roles/0/run', withRoles({ ...volume, run: () => {} })],
    ['/days', { ...withRoles(volume), days: NaN }],
    ['/roles/0', withRoles(new Map())],
  ];
  for (const [path, value] of cases) assert.equal(faultOf(value), path);
});

test('something that contains itself is refused, not followed for ever', () => {
  const roles: unknown[] = [];
  roles.push(roles);
  assert.match(faultOf({ name: 'shop', roles }), /^\/roles\/0\/0\//);
});

const mount = (role: string) => ({ role, path: '/data', isReadOnly: false });
const line = (min: number) => ({ role: 'board', signers: ['ada', 'bob'], min });

test('a contract has so many roles, and so long a term and grace', () => {
  const roles = (count: number): object[] =>
    Array.from({ length: count }, (_, at) => ({ ...volume, name: `disk${at}` }));
  assert.equal(faultOf(withRoles(...roles(64))), 'none');
  assert.equal(faultOf(withRoles(...roles(65))), '/roles');
  const lasting = (days: number, graceDays: number): string =>
    faultOf({ ...withRoles(volume), days, graceDays });
  assert.equal(lasting(3_650, 3_650), 'none');
  assert.equal(lasting(3_651, 1), '/days');
  assert.equal(lasting(1, 3_651), '/graceDays');
});
