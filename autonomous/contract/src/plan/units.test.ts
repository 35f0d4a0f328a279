import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readDefinition } from '../definition/read-definition.ts';
import { unitKinds } from './units.ts';

const flist = 'a'.repeat(64);
const mount = (role: string) => ({ role, path: `/${role}`, isReadOnly: false });
const volume = (name: string, replicas: number, cloneOf?: string) => ({
  ...{ name, replicas },
  volume: { size: '1GiB', ...(cloneOf === undefined ? {} : { cloneOf }) },
});
const container = (name: string, replicas: number, ...volumes: readonly string[]) => ({
  ...{ name, replicas, cpu: 1, memory: '1GiB' },
  container: { flist, rootBytes: '1GiB', volumes: volumes.map(mount) },
});

function kindsOf(...roles: readonly object[]) {
  const read = readDefinition({ name: 'shop', roles }).roles.map(({ role }) => role);
  return unitKinds(read).map(({ roles: own, replicas, need, features }) => {
    return [own.map(({ name }) => name).join(), replicas.join(), need.ssdBytes / 2 ** 30, features];
  });
}

test('replicas that share volumes are one unit, through others too', () => {
  const alone = container('web', 2);
  assert.deepEqual(kindsOf(volume('disk', 2), alone), [
    ['disk', '0,1', 1, ['volumes']],
    ['web', '0,1', 1, ['containers']],
  ]);
  assert.deepEqual(kindsOf(volume('disk', 3), container('web', 2, 'disk')), [
    ['disk,web', '0,1', 2, ['containers', 'volumes']],
    ['disk', '2', 1, ['volumes']],
  ]);
  const chain = [
    ...[container('app', 1, 'left', 'copy'), volume('right', 1), volume('left', 1)],
    ...[volume('copy', 1, 'right'), container('web', 1)],
  ];
  assert.deepEqual(kindsOf(...chain), [
    ['app,right,left,copy', '0', 4, ['containers', 'volumes']],
    ['web', '0', 1, ['containers']],
  ]);
});
