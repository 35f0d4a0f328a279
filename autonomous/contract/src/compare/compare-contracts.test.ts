import assert from 'node:assert/strict';
import { test } from 'node:test';

import { systemRandom } from '@commongrid/base';
import { fakeId } from '@commongrid/model/testing';
import { buildContract } from '../draft/build-contract.ts';
import { compareContracts } from './compare-contracts.ts';

const volume = { name: 'disk', volume: { size: '1GiB' }, spread: { perFarm: 2 } };
const web = {
  name: 'web',
  memory: '64MiB',
  container: { flist: 'a'.repeat(64), args: ['-v'], ports: [port('http', 80)] },
};
const board = { role: 'board', signers: ['ada', 'bob'], min: 2 };

function port(name: string, number: number) {
  return { name, port: number, protocol: 'tcp' };
}

async function build(definition: object) {
  const { draft } = await buildContract(definition, {
    ...{ log: fakeId.hash(1), owner: fakeId.bot(1), controller: fakeId.key(3) },
    ...{ at: 1_700_000_000_000, folder: '/', draw: (count) => systemRandom.bytes(count) },
    resolveImage: async () => '',
    findBot: async (name) => fakeId.bot(name === 'ada' ? 1 : 2),
    findSeal: async () => undefined,
  });
  return draft;
}

test('a contract that is built again differs in nothing that counts', async () => {
  const [first, again] = await Promise.all([1, 2].map(() => build({ name: 'a', roles: [web] })));
  assert.ok(first && again && first.id !== again.id);
  assert.deepEqual(compareContracts(first, again).changes, []);
  assert.deepEqual(compareContracts(first, again).agree, []);
});

test('changes are told role by role with what they come to', async () => {
  const from = await build({ name: 'a', roles: [volume, web, { ...volume, name: 'old' }] });
  const to = await build({
    name: 'a',
    days: 30,
    budget: { currency: 'EUR', perMonth: 5, total: 0 },
    roles: [
      { ...volume, replicas: 3, spread: { perFarm: 1 }, volume: { size: '2GiB', disk: 'hdd' } },
      {
        ...{ ...web, memory: '128MiB', health: { probe: 'tcp', port: 'http' } },
        container: { flist: 'b'.repeat(64), ports: [port('http', 80)] },
      },
      { ...volume, name: 'new', volume: { size: '16MiB' } },
    ],
  });
  const { changes, isUpgrade } = compareContracts(from, to);
  const told = changes.map(({ role, path, effect }) => `${role} ${path} ${effect}`);
  assert.deepEqual(told.toSorted(), [
    'disk /replicas grow',
    'disk /resources/hddBytes grow',
    'disk /resources/ssdBytes shrink',
    'disk /spread/perFarm move',
    'disk /workload/volume/disk replace',
    'disk /workload/volume/sizeBytes grow',
    'new  add',
    'old  remove',
    'undefined /budget/perMonth adjust',
    'undefined /term/lengthMs adjust',
    'web /health adjust',
    'web /resources/memoryBytes restart',
    'web /workload/container/args restart',
    'web /workload/container/flist restart',
  ]);
  const size = changes.find(({ path }) => path === '/workload/volume/sizeBytes');
  assert.deepEqual([size?.from, size?.to], [2 ** 30, 2 ** 31]);
  assert.equal(isUpgrade, false);
  assert.equal(compareContracts(to, from).changes.length, changes.length);
});

test('those of the former contract have to let the next replace it', async () => {
  const from = await build({ name: 'a', roles: [volume], policy: { provision: [board] } });
  const definition = { name: 'b', roles: [volume], replaces: from.id };
  const { isUpgrade, agree } = compareContracts(from, await build(definition));
  assert.equal(isUpgrade, true);
  assert.deepEqual(
    agree.map(({ action, contract, lines }) => [action, contract, lines.map(({ role }) => role)]),
    [
      ['upgrade', 'from', ['board']],
      ['provision', 'to', ['owner']],
    ],
  );
  const beside = compareContracts(from, await build({ ...definition, replaces: undefined }));
  assert.deepEqual(
    beside.agree.map(({ action }) => action),
    ['provision'],
  );
});

test('an upgrade says role by role what it interrupts, and what becomes of local data', async () => {
  const shards = { zdb: { size: '1GiB', password: 'key' }, data: 'dispersed', shards: '2+1' };
  const cache = { ...web, name: 'cache', container: { ...web.container, ports: [] } };
  const fixed = { ...port('http', 80), publish: 8080 };
  const front = { ...web, onIsolation: 'stop', container: { ...web.container, ports: [fixed] } };
  const secrets = { key: 'x' };
  const old = [
    { ...volume, name: 'old' },
    { ...cache, name: 'gone' },
  ];
  const both = [volume, front, cache, { name: 'shard', ...shards }];
  const from = await build({ name: 'a', secrets, roles: [...both, ...old] });
  const to = await build({
    ...{ name: 'a', secrets, replaces: from.id },
    roles: [...both, { ...cache, name: 'new' }],
  });
  const { course } = compareContracts(from, to);
  assert.deepEqual(
    course.map((one) => [one.role, one.course, one.ports, one.isDoubled]),
    [
      ['disk', 'empty', [], false],
      ['web', 'overlaps', [8080], true],
      ['cache', 'overlaps', [], false],
      ['shard', 'refills', [], false],
      ['old', 'stays', [], false],
      ['gone', 'ends', [], false],
      ['new', 'begins', [], false],
    ],
  );
  assert.deepEqual(compareContracts(from, from).course, []);
});
